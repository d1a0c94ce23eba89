"""The routes every agent has, `chat` and `clarify`, and the example files that belong to no single route.

`followups.jsonl` holds turns that only the conversation before them explains; `plans.jsonl` holds messages with
several requests, and single requests that look like several; `outside.jsonl` holds requests that make sense, but that
nothing here can serve; `doubtful.jsonl`, which nothing learns from, holds messages that are hard to route, see
cascade.py. Examples of tasks and tools live beside those.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conlora_agent.core.errors import DataError
from conlora_agent.core.files import numbered_lines, read_text
from conlora_agent.core.types import CHAT, CLARIFY, Example, Route, RouteQuery

EXAMPLES = Path(__file__).parent / "examples"

Row = TypeVar("Row", bound=BaseModel)


class FollowUp(BaseModel):
    """One turn of a conversation with the route it takes. `focus`: kinds of the focus's referents, newest last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    route: str
    has_image: bool = True
    previous: tuple[str, ...] = ()
    focus: tuple[str, ...] = ()

    @property
    def query(self) -> RouteQuery:
        """The turn as the router is asked about it."""
        return RouteQuery(text=self.text, has_image=self.has_image, previous=self.previous, focus=self.focus)


class PlanStep(BaseModel):
    """One request inside a message. `uses`: positions of the earlier steps whose results it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    route: str
    uses: tuple[int, ...] = ()


class PlanExample(BaseModel):
    """A message with the requests in it, in order; their texts are parts of the message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    has_image: bool = True
    steps: tuple[PlanStep, ...] = Field(min_length=1)


@dataclass(frozen=True)
class SharedExamples:
    """Examples that belong to no single route: follow-ups, messages with several requests, what nothing can serve."""

    followups: tuple[FollowUp, ...] = ()
    plans: tuple[PlanExample, ...] = ()
    outside: tuple[Example, ...] = ()


@cache
def builtin_routes() -> tuple[Route, ...]:
    """`chat` and `clarify` with their routing examples."""
    return (
        Route(
            name=CHAT,
            kind="chat",
            title="Chat",
            description="Talk freely: small talk, opinions, writing, general help. No adapter is active.",
            examples=read_rows(EXAMPLES / "chat.jsonl", Example),
        ),
        Route(
            name=CLARIFY,
            kind="clarify",
            title="Ask back",
            description="Ask what is meant: the message makes no sense or leaves open what is wanted.",
            examples=read_rows(EXAMPLES / "clarify.jsonl", Example),
        ),
    )


@cache
def shared_examples() -> SharedExamples:
    """Those that every agent has."""
    return SharedExamples(
        followups=read_rows(EXAMPLES / "followups.jsonl", FollowUp),
        plans=read_rows(EXAMPLES / "plans.jsonl", PlanExample),
        outside=read_rows(EXAMPLES / "outside.jsonl", Example),
    )


@cache
def doubtful_turns() -> tuple[FollowUp, ...]:
    """Messages that are hard to route; nothing learns from them."""
    return read_rows(EXAMPLES / "doubtful.jsonl", FollowUp)


def read_rows(path: Path, row: type[Row]) -> tuple[Row, ...]:
    """The lines of a JSONL file as `row` objects. Raises DataError naming file and line."""
    return tuple(_parse(path, number, line, row) for number, line in numbered_lines(read_text(path)))


def _parse(path: Path, number: int, line: str, row: type[Row]) -> Row:
    try:
        value: Any = json.loads(line)
        return row.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path.name}, line {number}: {field}: {first['msg']}", "correct that line") from error
    except ValueError as error:
        raise DataError(f"{path.name}, line {number} is not JSON ({error})", "write one JSON object a line") from error
