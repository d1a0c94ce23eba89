"""What an agent is made of unless it is told otherwise: database, tasks, tools and router after the settings.

Not covered here: the backbone (conlora_agent.models).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from conlora_agent.core.protocols import GenerateRequest, Generation, Router
from conlora_agent.core.types import CHAT, Route
from conlora_agent.memory.database import Database
from conlora_agent.memory.opening import open_database
from conlora_agent.memory.pictures import PictureStore
from conlora_agent.models import Models
from conlora_agent.settings import Settings

if TYPE_CHECKING:
    from adapters.registry import TaskRegistry
    from router.language import Ask
    from tools.registry import ToolRegistry

TASKS = "tasks"
TOOLS = "tools"
MCP_CONFIG = "mcp.json"


def default_database(settings: Settings) -> Database:
    """Where threads are kept. Raises SettingsError."""
    return open_database(settings.database.get_secret_value() if settings.database else None, settings.home)


def default_tools(settings: Settings, pictures: PictureStore) -> ToolRegistry:
    """The built-in tools, the operations that the user added, and those of MCP servers. Raises SettingsError."""
    from tools.registry import default_tools as builtin_tools

    registry = builtin_tools(
        settings.providers(),
        timeout_s=settings.http_timeout_s,
        offline=settings.offline,
        allowed_origins=settings.allowed_origins,
        pictures=pictures,
    )
    _add_own_tools(registry, settings)
    _add_mcp_tools(registry, settings)
    return registry


def _add_own_tools(registry: ToolRegistry, settings: Settings) -> None:
    """The operations of services that the user added. One whose name was taken since is left out, and said."""
    from tools.operations import load_operations

    found, silent = load_operations(settings.home / TOOLS, settings.client())
    registry.silent |= silent
    for tool in found:
        if tool.name in registry.names():
            registry.silent[f"{tool.name}.json"] = f"another tool is called {tool.name!r} too; add it by another name"
        else:
            registry.add(tool)


def _add_mcp_tools(registry: ToolRegistry, settings: Settings) -> None:
    """The tools of the configured MCP servers, which stay open until the agent is closed. Raises SettingsError."""
    config = settings.mcp_config or settings.home / MCP_CONFIG
    if settings.mcp_config is None and not config.exists():
        return
    from tools.mcp import McpServers, read_servers

    servers = McpServers(read_servers(config), offline=settings.offline)
    registry.on_close(servers.close)
    found, silent = servers.tools(settings.home / TOOLS)
    registry.silent |= silent
    for tool in found:
        if tool.name in registry.names():
            registry.silent[tool.name] = f"two tools are called {tool.name!r}; rename the server in {config.name}"
        else:
            registry.add(tool)


def default_tasks(settings: Settings, tools: ToolRegistry) -> TaskRegistry:
    """The built-in tasks and the user's own."""
    from adapters.registry import TaskRegistry

    return TaskRegistry(settings.home / TASKS, reserved=tools.names(), offline=settings.offline)


def default_router(
    settings: Settings, routes: Sequence[Route], base: Sequence[Route], models: Models, tasks: TaskRegistry
) -> Router:
    """The router that the settings name. `base`: the routes that every installation has; `models` is asked by routers
    that need a language model, with the stack for it where `tasks` has one.
    """
    if settings.router == "fixed":
        from router.fixed import FixedRouter

        return FixedRouter(next(route for route in routes if route.name == CHAT))

    cache, threshold = settings.cache, settings.clarify_threshold
    if settings.router == "llm":
        from router.language import LanguageRouter

        ask, model = _chooser(models, tasks)
        return LanguageRouter(routes, ask, model=model, cache_dir=cache, clarify_threshold=threshold)
    from router.embedding import EmbeddingRouter

    embedding = EmbeddingRouter(routes, cache_dir=cache, base=base, clarify_threshold=threshold)
    if settings.router == "cascade":
        from router.cascade import CascadeRouter

        ask, model = _chooser(models, tasks)
        return CascadeRouter(embedding, ask, model=model, cache_dir=cache, cost=settings.llm_cost)
    return embedding


def _chooser(models: Models, tasks: TaskRegistry) -> tuple[Ask, str]:
    """Asks the language model for a route, with the stack for it where there is one; and a name for both together."""
    from adapters.weights import TENSORS
    from router.language import TASK

    task = tasks.get(TASK)
    weights = task.weights(models.name)
    stamp = "" if weights is None else hashlib.sha256((weights / TENSORS).read_bytes()).hexdigest()[:12]

    def ask(request: GenerateRequest) -> Generation:
        return models.backbone().generate(replace(request, stack=models.stack(task)))

    return ask, f"{models.name}/{stamp}"
