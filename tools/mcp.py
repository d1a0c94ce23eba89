"""Tools of Model Context Protocol servers, from a file in the form that other clients use (`mcpServers`).

    {"mcpServers": {"notes": {"command": "notes-server", "args": []}, "shop": {"url": "https://shop.example/mcp"}}}

A server is started once and its session kept open; one that broke meanwhile is opened again. A tool `find` of
`notes` becomes the route `notes_find`, known to the router by its description. Descriptions and results are data, never
an instruction (`foreign.py`). Not covered here: prompts, resources, sampling.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from conlora_agent.core.errors import DataError, SettingsError, ToolError, ToolUnavailable, first_line, reason
from tools.base import ToolResult, read_examples
from tools.fallback import problems
from tools.foreign import ForeignTool, args_model_of, described, outcome
from tools.schemas import arguments_schema
from tools.secrecy import keep_keys_out_of_logs, without_keys

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult, ToolAnnotations
    from mcp.types import Tool as Listed

T = TypeVar("T")

AT_ONCE = 8
"""Servers that are started at the same time."""
MAX_PAGES = 50
"""Pages of a server's list of tools that are asked for."""


class Server(BaseModel):
    """One entry of `mcpServers`: a `command` to start, or the `url` of a streamable HTTP server."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command: str | None = None
    args: tuple[str, ...] = Field(default=(), repr=False)
    env: dict[str, str] | None = Field(default=None, repr=False)
    cwd: str | None = None
    url: str | None = Field(default=None, pattern=r"^https?://\S+$", repr=False)
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    disabled: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Server:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either 'command' or 'url'")
        return self

    def connection(self) -> dict[str, Any]:
        """The same for langchain-mcp-adapters."""
        if self.url is not None:
            return {"transport": "streamable_http", "url": self.url, "headers": self.headers}
        return {
            "transport": "stdio",
            "command": self.command,
            "args": list(self.args),
            "env": self.env,
            "cwd": self.cwd,
        }


def read_servers(path: Path) -> dict[str, Server]:
    """The servers of a configuration file. Raises SettingsError naming the entry."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["mcpServers"]
        found = {str(name): Server.model_validate(entry) for name, entry in entries.items()}
    except FileNotFoundError as error:
        raise SettingsError(f"there is no file {path}", "correct the setting mcp_config") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "an entry"
        raise SettingsError(f"{path}: {where}: {first['msg']}", "correct that server") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = 'write {"mcpServers": {"name": {"command": "..."}}}'
        raise SettingsError(f"cannot read the MCP servers in {path} ({reason(error)})", remedy) from error
    return {name: server for name, server in found.items() if not server.disabled}


class McpServers:
    """Open sessions, each in a task of one background event loop. Safe to use from several threads."""

    def __init__(self, servers: dict[str, Server], *, timeout_s: float = 30.0, offline: bool = False) -> None:
        """`offline`: servers that have an address are not asked."""
        keep_keys_out_of_logs()
        self._servers = servers
        self._timeout_s = timeout_s
        self._offline = offline
        self._open: dict[str, _Session] = {}
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True)
        self._thread.start()

    def tools(self, examples: Path) -> tuple[list[McpTool], dict[str, str]]:
        """The tools of every server that answers, and one line for each server that does not, by name.

        `examples`: folder with more routing examples, `NAME.jsonl`.
        """
        found: list[McpTool] = []
        silent: dict[str, str] = {}
        with ThreadPoolExecutor(max_workers=AT_ONCE) as together:  # one that is silent must not keep the others
            listings = list(together.map(self._listed, self._servers))
        for server, listed in zip(self._servers, listings, strict=True):
            if isinstance(listed, ToolError):
                silent[server] = str(listed)
                continue
            for tool in listed:
                try:
                    found.append(McpTool(self, server, tool, examples))
                except DataError as error:
                    silent[f"{server}: {tool.name}"] = str(error)
        return found, silent

    def _listed(self, server: str) -> list[Listed] | ToolError:
        """The tools of a server, or why there are none."""
        try:
            return self._with(server, _all_tools)
        except ToolError as error:
            return error

    def ping(self, server: str) -> None:
        """Raises ToolUnavailable when the server does not answer."""
        self._with(server, lambda session: session.send_ping())

    def call(self, server: str, tool: str, args: dict[str, Any]) -> CallToolResult:
        """Call a tool. Raises ToolUnavailable when its server cannot be reached."""
        return self._with(server, lambda session: session.call_tool(tool, args))

    def close(self) -> None:
        """End the sessions and the servers started for them."""
        with self._lock:
            sessions, self._open = list(self._open.values()), {}
        for session in sessions:
            with suppress(Exception):  # a server that will not end must not keep us
                self._wait(session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._loop.is_running():
            self._loop.close()

    def _with(self, server: str, work: Callable[[ClientSession], Coroutine[Any, Any, T]]) -> T:
        """`work` on the server's session. What was sent is never sent twice: a call may have changed something."""
        if self._offline and self._servers[server].url is not None:
            problem = f"the MCP server {server!r} is not asked while working offline"
            raise ToolUnavailable(problem, "turn the setting offline off")
        try:
            return self._wait(work(self._session(server).client))
        except TimeoutError as error:
            self._forget(server)
            problem = f"the MCP server {server!r} did not answer within {self._timeout_s:g} s"
            raise ToolUnavailable(problem, "try again later") from error
        except Exception as error:  # transports raise OSError, anyio, httpx and group errors alike
            self._forget(server)
            problem = f"the MCP server {server!r} cannot be reached ({_brief(error)})"
            raise ToolUnavailable(problem, "check its entry in the MCP configuration") from error

    def _session(self, server: str) -> _Session:
        """The open session when it still answers, otherwise a new one."""
        with self._lock:
            known = self._open.get(server)
        if known is not None:
            try:
                self._wait(known.client.send_ping())
                return known
            except Exception:  # it broke since it was used last
                self._forget(server)
        opened = _Session(self._servers[server])
        self._wait(opened.open())
        with self._lock:
            self._open[server] = opened
        return opened

    def _forget(self, server: str) -> None:
        with self._lock:
            broken = self._open.pop(server, None)
        if broken is not None:
            asyncio.run_coroutine_threadsafe(broken.close(), self._loop)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(self._timeout_s)
        except TimeoutError:
            future.cancel()
            raise


async def _all_tools(session: ClientSession) -> list[Listed]:
    """What a server lists, page by page."""
    from mcp.types import PaginatedRequestParams

    found: list[Listed] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        found += page.tools
        cursor = page.nextCursor
        if cursor is None:
            break
    return found


class _Session:
    """One session, opened and closed by the task that holds it, as its transport requires."""

    client: ClientSession

    def __init__(self, server: Server) -> None:
        self._server = server
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and greet. Raises whatever keeps the server from answering."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(ready))
        await ready

    async def close(self) -> None:
        """Let go."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=5)

    async def _hold(self, ready: asyncio.Future[None]) -> None:
        from langchain_mcp_adapters.sessions import create_session

        try:
            async with create_session(self._server.connection()) as session:  # type: ignore[arg-type]
                await session.initialize()
                self.client = session
                ready.set_result(None)
                await self._closing.wait()
        except BaseException as error:  # also cancellation: whoever waits must hear of it
            if not ready.done():
                ready.set_exception(error if isinstance(error, Exception) else ConnectionError("it was cancelled"))


class McpTool(ForeignTool):
    """A tool of an MCP server."""

    def __init__(self, servers: McpServers, server: str, listed: Listed, examples: Path) -> None:
        self._servers = servers
        self._server = server
        self._remote = listed.name
        self.name = re.sub(r"\W+", "_", f"{server}_{listed.name}").strip("_").lower()
        self.title = listed.title or listed.name.replace("_", " ").replace("-", " ").capitalize()
        self.description = " ".join((listed.description or self.title).split())[:300]
        self.schema = arguments_schema(listed.inputSchema)
        self.args_model = args_model_of(self.name, self.schema)
        self.changes = _may_change(listed.annotations)
        more = examples / f"{self.name}.jsonl"
        self.examples = (*described(self.title, self.description), *(read_examples(more) if more.exists() else ()))

    def run(self, args: BaseModel) -> ToolResult:
        """Call it. Raises ToolError when it says that it failed, ToolUnavailable when it cannot be reached."""
        answer = self._servers.call(self._server, self._remote, args.model_dump(by_alias=True, exclude_unset=True))
        text = "\n".join(block.text for block in answer.content if block.type == "text")
        if answer.isError:
            raise ToolError(f"{self.name} failed ({_brief(text or 'no reason given')})", "check its arguments")
        others = sorted({block.type for block in answer.content} - {"text"})
        text = text or (f"It gave {', '.join(others)}, which I cannot show." if others else "")
        output = answer.structuredContent if answer.structuredContent is not None else text
        return outcome(self.name, output, text, source=f"MCP server {self._server}")

    def check(self) -> list[str]:
        """Whether its server answers."""
        return problems(lambda: self._servers.ping(self._server))


def _may_change(said: ToolAnnotations | None) -> bool:
    """Whether a tool says that it changes or destroys something; where it says nothing, whoever configured it knows."""
    if said is None or said.readOnlyHint:
        return False
    return bool(said.destructiveHint) or (said.readOnlyHint is False and said.destructiveHint is None)


def _brief(error: object) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return without_keys(first_line(error))
