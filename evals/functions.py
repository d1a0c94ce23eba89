"""How often the backbone writes exactly the arguments that a message means, for functions it has never seen.

Data: JSONL, one function a line: `{"name", "description", "parameters", "messages"}`, where a message is `{"text",
"args" or "missing", "used"}`: the arguments meant, or the one to be asked for; `used` holds texts of earlier steps. It
runs the very path that serves tools known by their schema alone. Not covered here: the built-in tools' own reading of
requests (arguments.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evals.jsonl import read_rows

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.arguments import Writer
    from tools.foreign import ForeignTool


class Message(BaseModel):
    """A message for a function, with the arguments it means or the one it leaves out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    args: dict[str, Any] | None = None
    missing: str | None = None
    used: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_outcome(self) -> Message:
        if (self.args is None) == (self.missing is None):
            raise ValueError("give either 'args' or 'missing'")
        return self


class FunctionRow(BaseModel):
    """A function and messages for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    parameters: dict[str, Any]
    messages: tuple[Message, ...] = Field(min_length=1)


class FunctionsReport(BaseModel):
    """`exact`: share of messages with exactly the arguments meant, or the right question; `guessed`: share of those
    that leave a required argument out for which a call would have been made. `adapter`: the stack, if there is one."""

    n: int
    exact: float
    guessed: float | None
    ms_per_item: float
    backbone: str
    adapter: str | None
    by_function: dict[str, float]
    misses: list[dict[str, Any]]


def load_functions(path: Path) -> list[FunctionRow]:
    """Raises DataError naming file and line."""
    return read_rows(path, FunctionRow, 'write {"name", "description", "parameters", "messages"}')


def evaluate_functions(rows: Sequence[FunctionRow], agent: Agent, limit: int | None = None) -> FunctionsReport:
    """Ask the agent's backbone for the arguments of every message. Raises BackboneError, DataError."""
    from adapters.calls import TASK
    from conlora_agent.arguments import Writer

    backbone, stack = agent.models.backbone(), agent.models.stack(agent.tasks.get(TASK))
    asked = [(row, message) for row in rows for message in row.messages][:limit]
    began = time.perf_counter()
    got = [_outcome(Writer(backbone, stack), _tool(row), message) for row, message in asked]
    seconds = time.perf_counter() - began
    right = [outcome == _meant(message) for (_, message), outcome in zip(asked, got, strict=True)]
    open_ended = [outcome for (_, message), outcome in zip(asked, got, strict=True) if message.missing is not None]
    return FunctionsReport(
        n=len(asked),
        exact=sum(right) / len(asked),
        guessed=sum("got" in outcome for outcome in open_ended) / len(open_ended) if open_ended else None,
        ms_per_item=seconds * 1000 / len(asked),
        backbone=backbone.name,
        adapter=stack,
        by_function=_by_function(asked, right),
        misses=[
            {"function": row.name, "text": message.text, "expected": _meant(message), **outcome}
            for (row, message), outcome, good in zip(asked, got, right, strict=True)
            if not good
        ],
    )


def _by_function(asked: Sequence[tuple[FunctionRow, Message]], right: Sequence[bool]) -> dict[str, float]:
    by_name: dict[str, list[bool]] = {}
    for (row, _), good in zip(asked, right, strict=True):
        by_name.setdefault(row.name, []).append(good)
    return {name: sum(goods) / len(goods) for name, goods in by_name.items()}


def _tool(row: FunctionRow) -> ForeignTool:
    """The function as a tool that can do everything but be called."""
    from tools.foreign import ForeignTool, args_model_of
    from tools.schemas import arguments_schema

    class Uncalled(ForeignTool):
        name, title, description = row.name, row.name, row.description
        schema = arguments_schema(row.parameters)
        args_model = args_model_of(row.name, schema)

        def run(self, args: BaseModel) -> Any:
            raise AssertionError("only its arguments are wanted")

    return Uncalled()


def _outcome(writer: Writer, tool: ForeignTool, message: Message) -> dict[str, Any]:
    from tools.base import MissingArgument, ToolContext

    try:
        return {"got": writer.write(tool, message.text, ToolContext(used=message.used))}
    except MissingArgument as missing:
        return {"asked": missing.name}


def _meant(message: Message) -> dict[str, Any]:
    return {"asked": message.missing} if message.args is None else {"got": message.args}
