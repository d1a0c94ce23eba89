"""What a tool is: a name, routing examples, pydantic arguments, and a call that returns a result with its source.

A tool finds its own arguments in the user's words and in the context handed in, and asks for what is missing. Not
covered here: choosing the tool (router/), turning a result into an answer, and tools made by others (`bridge.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from conlora_agent.core.errors import BadInput, DataError
from conlora_agent.core.files import numbered_lines, read_text
from conlora_agent.core.referents import Focus, TextReferent, ValueReferent
from conlora_agent.core.types import Example, Region, Route

EXAMPLES = Path(__file__).parent / "examples"


class ArgumentsError(BadInput):
    """A tool's arguments do not fit its schema, or nothing can be computed from them."""


class MissingArgument(BadInput):
    """The request leaves out argument `name`; `question` asks the user for it in one sentence."""

    def __init__(self, name: str, question: str) -> None:
        self.name = name
        self.question = question
        super().__init__(f"argument {name!r} is missing", question)


class ToolModel(BaseModel):
    """Base of argument and result schemas: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class ToolContext:
    """What a tool may look at beside the request. All of it is data, never instruction."""

    focus: Focus = field(default_factory=Focus)
    """What the conversation is about, newest last."""
    used: tuple[str, ...] = ()
    """Texts of the earlier steps of this turn that the request refers to; they go before the focus."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """The user's replies to earlier `MissingArgument` questions, by argument name."""

    def last(self, tool: str) -> ValueReferent | None:
        """The newest result of `tool`, with the arguments that led to it."""
        values = (r for r in reversed(self.focus.referents) if isinstance(r, ValueReferent))
        return next((value for value in values if value.route == tool), None)

    @property
    def antecedents(self) -> tuple[str | ValueReferent, ...]:
        """What "it" may stand for, likeliest first: texts of used steps, then texts and results of the focus."""
        found: list[str | ValueReferent] = [text for text in reversed(self.used) if text.strip()]
        for referent in reversed(self.focus.referents):
            if isinstance(referent, TextReferent) and referent.text.strip():
                found.append(referent.text)
            elif isinstance(referent, ValueReferent):
                found.append(referent)
        return tuple(found)


@dataclass(frozen=True)
class ToolResult:
    """What a call gave: `value` after the tool's result schema, `text` to show as it is, `source` a link or None,
    `regions` of the picture it is about."""

    value: dict[str, Any]
    text: str
    source: str | None = None
    regions: tuple[Region, ...] = ()


Args = TypeVar("Args", bound=BaseModel)


class Tool(ABC, Generic[Args]):
    """One open-domain tool. Subclasses set the attributes and write `arguments` and `run`; both must be thread-safe."""

    name: str
    title: str
    description: str
    args_model: type[Args]
    pure: ClassVar[bool] = False
    """Whether the same arguments always give the same result at next to no cost, so that a call may be repeated."""
    result_model: type[BaseModel]
    needs_image: bool = False
    """Whether it works on the current picture; its argument `image` then names it."""
    looks: ClassVar[Literal["ocr", "barcode"] | None] = None
    """The route that reads off the current picture what a request may leave out: "who wrote this book?"."""
    changes: bool = False
    """Whether a call may change something out there, so that the user is asked before it is made."""

    least_examples: ClassVar[int] = 8
    """Routing examples that it has to have."""

    @abstractmethod
    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """Arguments found in the user's words and the context. Raises MissingArgument rather than guess."""

    @abstractmethod
    def run(self, args: Args) -> ToolResult:
        """Do it. Raises ArgumentsError, ToolError or ToolUnavailable."""

    def call(self, args: Mapping[str, Any]) -> ToolResult:
        """`run` after checking `args` against the schema. Raises ArgumentsError with one line naming the field."""
        return self.run(self.parsed(args))

    def parsed(self, args: Mapping[str, Any]) -> Args:
        """`args` as the schema's model has them. Raises ArgumentsError."""
        try:
            return self.args_model.model_validate(dict(args))
        except ValidationError as error:
            raise _one_line(self.name, error, self.args_model) from error

    def check(self) -> list[str]:
        """Problems that would keep the tool from answering now, one line each; empty when it works."""
        return []

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """Routing examples, read from `examples/<name>.jsonl`. Raises DataError naming the line."""
        return read_examples(EXAMPLES / f"{self.name}.jsonl")

    def route(self) -> Route:
        """How the router sees this tool."""
        return self._route

    @cached_property
    def _route(self) -> Route:
        return Route(
            name=self.name,
            kind="tool",
            title=self.title,
            description=self.description,
            needs_image=self.needs_image,
            examples=self.examples,
        )


def argument_names(model: type[BaseModel]) -> list[str]:
    """What the arguments of a schema are called where they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def read_examples(path: Path) -> tuple[Example, ...]:
    """The lines of an `examples.jsonl`. Raises DataError naming file and line."""
    return tuple(_example(path, number, line) for number, line in numbered_lines(read_text(path)))


def _example(path: Path, number: int, line: str) -> Example:
    try:
        return Example.model_validate_json(line)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        what = f"{where}: {error.errors()[0]['msg']}" if where else error.errors()[0]["msg"]
        raise DataError(f"{path.name}, line {number}: {what}", "correct that line") from error


def _one_line(tool: str, error: ValidationError, model: type[BaseModel]) -> ArgumentsError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "arguments"
    known = ", ".join(argument_names(model))
    problem = {"missing": "is missing", "extra_forbidden": "is not known"}.get(first["type"], f": {first['msg']}")
    joined = f"{name!r}{problem}" if problem.startswith(":") else f"{name!r} {problem}"
    return ArgumentsError(f"{tool}: {joined}", f"its arguments are: {known}")
