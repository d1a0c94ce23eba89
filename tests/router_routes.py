"""The routes of a fresh installation, and a small set that a test can change without knowing the real one."""

from __future__ import annotations

from pathlib import Path

from adapters.registry import TaskRegistry
from conlora_agent.core.types import Example, Kind, Route
from router import builtin_routes
from tools.registry import default_tools


def all_routes(user_dir: Path) -> list[Route]:
    """Built-in tasks, built-in tools, chat and clarify, through the registries that the agent uses."""
    return [*TaskRegistry(user_dir).routes(), *default_tools(offline=True).routes(), *builtin_routes()]


def make_route(name: str, kind: Kind, *texts: str, needs_image: bool = False) -> Route:
    """A route with examples that have no conversation before them."""
    examples = tuple(Example(text=text, has_image=needs_image) for text in texts)
    return Route(name=name, kind=kind, title=name, description=name, needs_image=needs_image, examples=examples)


ANGLE = make_route(
    "skew",
    "task",
    "how tilted is this photo?",
    "is the horizon level?",
    "measure the rotation of the picture",
    "by how many degrees is the scan turned?",
    "check whether the page is straight",
    "tell me the tilt angle",
    "is this scan crooked?",
    "estimate the skew of the document",
    needs_image=True,
)
"""A task nobody has thought of, with the least number of examples."""
