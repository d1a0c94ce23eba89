"""What tools made by others share: arguments after a JSON schema, results as they come, examples from a description.

Alone, such a tool takes arguments from a request only where that cannot be wrong: one required text, or the one number,
date or choice that was said. A model may write the others (conlora_agent.arguments). Not covered here: where the tools
come from (`bridge.py`, `mcp.py`, `operations.py`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from conlora_agent.core.errors import ToolError
from conlora_agent.core.types import Example, Route
from tools.base import ArgumentsError, MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.said import values
from tools.schemas import Schema, fits, misfit

_JSON_TYPES: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list[Any]}
_JSON_TYPES |= {"object": dict[str, Any], "null": None}

_BEFORE_NAME = re.compile(r"^(?:in|at|near|from|to|for|by|on|it is|it'?s)\s+(?=[A-Z\d])")
"""Words before a name that are no part of it: "in Porto"."""


MAX_OUTPUT = 2_000_000
"""Characters of a result, written as JSON, beyond which it is refused."""
MAX_SHOWN = 1500
"""Characters of a result that are shown."""
MAX_BRIEF = 120


class Output(ToolModel):
    """Result of a foreign tool, as it came, and when (ISO 8601)."""

    output: Any
    at: str


def outcome(name: str, output: Any, text: str = "", *, source: str | None = None, at: str | None = None) -> ToolResult:
    """What the tool `name` gave, `text` or else all of it shown up to `MAX_SHOWN` characters. `at`: None for now.

    Raises ToolError for one that is too large.
    """
    written = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)
    if len(written) > MAX_OUTPUT:
        raise ToolError(f"{name} gave more than {MAX_OUTPUT:,} characters", "ask for something smaller")
    value = Output(output=output, at=at or datetime.now(UTC).isoformat(timespec="seconds"))
    shown = "" if output is None else text or written
    return ToolResult(value.model_dump(), _beginning(shown).strip() or "Done.", source)


def _beginning(text: str) -> str:
    """`text`, cut at a space where it is too long."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN].rsplit(maxsplit=1)[0] + "…"


class ForeignTool(Tool[BaseModel]):
    """A tool whose arguments are known by their schema alone."""

    result_model = Output
    least_examples = 0  # it is known by its description
    schema: Schema
    """JSON schema of its arguments, as `schemas.arguments_schema` gives it."""

    def route(self) -> Route:
        """How the router sees it. A language model that routes is shown a few plain words of the description only:
        it was written by others, and is no instruction."""
        first = re.split(r"(?<=[.!?;:])\s", self.description, maxsplit=1)[0]
        plain = " ".join(re.sub(r"[^\w.,'()/-]", " ", first).split())[:MAX_BRIEF]
        return super().route().model_copy(update={"description": plain or self.title})

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """Replies to earlier questions, and what else is certain. Raises MissingArgument for what is required."""
        args = self.replied(context.answers)
        required = [name for name in self.schema["required"] if name not in args]
        texts = (request, *context.used)
        if (
            required == self.schema["required"]
            and len(required) == 1
            and _is_text(self.schema["properties"][required[0]])
        ):
            return {required[0]: context.used[-1] if context.used else request}
        for name in required:
            found = values(self.schema["properties"][name], texts, date.today(), name=name)
            if len(found) != 1 or not self._is_only_one(name):
                raise self.question(name)
            args[name] = found[0]
        return args

    def replied(self, answers: Mapping[str, str]) -> dict[str, Any]:
        """The arguments that the user was asked for and gave. Raises MissingArgument for a reply that is none."""
        args: dict[str, Any] = {}
        for path, reply in answers.items():
            if self.schema_at(path) is not None:
                *outer, name = self._names(path)
                inner = args
                for part in outer:
                    inner = inner.setdefault(part, {})
                inner[name] = self._reading(path, reply)
        return args

    def question(self, path: str, why: str = "") -> MissingArgument:
        """Asks the user for an argument, or a part of one such as "address.city", in the words of its schema."""
        details = self.schema_at(path) or {}
        choices = details.get("enum") or ()
        meaning = (details.get("description") or path.replace("_", " ").replace(".", " ")).rstrip(".?")[:200]
        listed = f" ({', '.join(map(str, choices))})" if choices else ""
        return MissingArgument(path, f"{self.title} needs to know: {meaning}{listed}?" + (f" ({why})" if why else ""))

    def schema_at(self, path: str) -> Schema | None:
        """The schema of an argument or of a part of one, None when there is none."""
        found: Any = self.schema
        for name in self._names(path):
            found = (found or {}).get("properties", {}).get(name)
        return found if isinstance(found, dict) else None

    def _names(self, path: str) -> list[str]:
        return [path] if path in self.schema["properties"] else path.split(".")

    def call(self, args: Mapping[str, Any]) -> ToolResult:
        """`run` after checking `args` against all of the schema. Raises ArgumentsError naming the argument."""
        parsed = self.parsed(args)
        if (wrong := misfit(self.schema, parsed.model_dump(by_alias=True, exclude_unset=True))) is not None:
            known = ", ".join(self.schema["properties"])
            raise ArgumentsError(f"{self.name}: {' '.join(filter(None, wrong))}", f"its arguments are: {known}")
        return self.run(parsed)

    def _reading(self, path: str, reply: str) -> Any:
        """A reply as a value of the argument: the one value it holds, or all of it."""
        schema = self.schema_at(path) or {}
        is_list = schema.get("type") == "array"
        wanted = schema.get("items") or {} if is_list else schema
        text = _BEFORE_NAME.sub("", reply.strip(), count=1)
        is_whole = _is_text(wanted) and fits(wanted)(text)
        found = [text] if is_whole else values(wanted, (reply,), date.today(), name=path)
        if len(found) != 1:
            raise self.question(path)
        return found if is_list else found[0]

    def _is_only_one(self, name: str) -> bool:
        """Whether what was said can be meant for no other argument. A text may be anywhere in a message."""
        properties = self.schema["properties"]
        kinds = Counter(_kind_of_value(schema) for schema in properties.values())
        return not _is_text(properties[name]) and kinds[_kind_of_value(properties[name])] == 1


def _is_text(schema: Schema) -> bool:
    """Whether any words are a value."""
    return schema.get("type", "string") == "string" and not {"enum", "const", "format", "properties"} & schema.keys()


def _kind_of_value(schema: Schema) -> str:
    kind = schema.get("type", "string")
    if "enum" in schema:
        return f"one of {schema['enum']}"
    return "number" if kind == "integer" else str(schema.get("format") or kind)


def described(title: str, description: str) -> tuple[Example, ...]:
    """Routing examples made of what a tool says of itself."""
    texts = dict.fromkeys([title, description, *_imperatives(description)])
    return tuple(Example(text=text, has_image=has_image) for text in texts if text for has_image in (True, False))


def _imperatives(description: str) -> list[str]:
    """The first sentence as a user would say it: "Returns the stock of a shop." also as "the stock of a shop"."""
    first, _, rest = description.split(". ")[0].rstrip(".").partition(" ")
    return [f"what is {rest}?", f"{first.rstrip('s').lower()} {rest}"] if rest and first.endswith("s") else []


def args_model_of(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """A model with the top-level properties of a JSON schema, whatever they are called; the schema says the rest."""
    required = set(schema.get("required", ()))
    fields: dict[str, Any] = {}
    for position, (argument, details) in enumerate(schema.get("properties", {}).items()):
        kind = _kind(details)
        field = Field(... if argument in required else None, alias=argument, description=details.get("description"))
        fields[f"argument_{position}"] = (kind if argument in required else kind | None, field)
    return create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields)


def _kind(details: Mapping[str, Any]) -> Any:
    choices = details.get("enum")
    if choices and all(isinstance(choice, str | int) for choice in choices):
        return Literal[tuple(choices)]
    return _JSON_TYPES.get(str(details.get("type")), Any)
