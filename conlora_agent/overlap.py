"""What a task's routing examples clash with: the same words, or words nearer to another route. Only ever a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.task import Task
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import Route


def overlaps(agent: Agent, task: Task) -> list[str]:
    """One line for each route that shares examples with `task`, or draws some of them nearer to itself.

    `task` need not be added yet. Raises BackboneError when the router's sentence encoder is not there.
    """
    from router.encoder import shared_encoder
    from router.overlap import nearer_elsewhere
    from router.store import KnownVectors

    own = task.route()
    others = [route for route in agent.routes() if route.name != task.name]
    said = _said(own)
    lines = []
    for other in others:
        shared = sorted(said & _said(other))
        if shared:
            lines.append(f"shares {_count(len(shared))} with {other.name!r}, such as {shared[0]!r}")
    vectors = KnownVectors(shared_encoder(), agent.settings.cache / "router")
    for name, texts in nearer_elsewhere(own, others, vectors.encode).items():
        are = "is" if len(texts) == 1 else "are"
        lines.append(f"{_count(len(texts))} {are} nearer to {name!r}, such as {texts[0]!r}")
    vectors.keep()
    return lines


def _said(route: Route) -> set[str]:
    """The complete requests among a route's examples, in lower case."""
    return {" ".join(example.text.lower().split()) for example in route.examples if not example.previous}


def _count(number: int) -> str:
    return f"{number} example{'' if number == 1 else 's'}"
