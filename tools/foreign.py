"""What tools made by others share: arguments after a JSON schema, results as they come, examples from a description.

Arguments come from the request only where that cannot be wrong: one required text, or a required number of which the
request holds just one. Not covered here: where the tools come from (`bridge.py`, `mcp.py`, `openapi.py`), arguments
written by a model.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from conlora_agent.core.types import Example
from tools.base import MissingArgument, Tool, ToolContext, ToolModel

_JSON_TYPES: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list[Any]}
_JSON_TYPES |= {"object": dict[str, Any], "null": None}


class Output(ToolModel):
    """Result of a foreign tool, as it came."""

    output: Any


class ForeignTool(Tool[BaseModel]):
    """A tool whose arguments are known by their schema alone."""

    result_model = Output
    schema: dict[str, Any]
    """JSON schema of its arguments."""

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """Replies to earlier questions, and the whole request for a lone required text. Raises MissingArgument."""
        fields = self.args_model.model_fields
        args: dict[str, Any] = {name: text for name, text in context.answers.items() if name in fields}
        required = [name for name, field in fields.items() if field.is_required()]
        missing = [name for name in required if name not in args]
        if required == missing and len(required) == 1 and fields[required[0]].annotation is str:
            return {required[0]: context.used[-1] if context.used else request}
        if missing:
            raise self.question(missing[0])
        return args

    def question(self, name: str) -> MissingArgument:
        """Asks the user for an argument in the words of its schema."""
        field = self.args_model.model_fields[name]
        choices = getattr(field.annotation, "__args__", ()) if _is_choice(field.annotation) else ()
        meaning = (field.description or name.replace("_", " ")).rstrip(".?")[:200]
        listed = f" ({', '.join(map(str, choices))})" if choices else ""
        return MissingArgument(name, f"{self.title} needs to know: {meaning}{listed}?")


def described(title: str, description: str) -> tuple[Example, ...]:
    """Routing examples made of what a tool says of itself."""
    texts = dict.fromkeys([title, description, *_imperatives(description)])
    return tuple(Example(text=text, has_image=has_image) for text in texts if text for has_image in (True, False))


def _imperatives(description: str) -> list[str]:
    """The first sentence as a user would say it: "Returns the stock of a shop." also as "the stock of a shop"."""
    first, _, rest = description.split(". ")[0].rstrip(".").partition(" ")
    return [f"what is {rest}?", f"{first.rstrip('s').lower()} {rest}"] if rest and first.endswith("s") else []


def args_model_of(name: str, schema: dict[str, Any]) -> type[BaseModel]:
    """A model with the top-level properties of a JSON schema; what is nested in them is left to the tool."""
    required = set(schema.get("required", ()))
    fields: dict[str, Any] = {}
    for field, details in schema.get("properties", {}).items():
        kind = _kind(details if isinstance(details, dict) else {})
        text = details.get("description") if isinstance(details, dict) else None
        described_field = Field(... if field in required else None, description=text)
        fields[field] = (kind if field in required else kind | None, described_field)
    return create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields)


def _kind(details: dict[str, Any]) -> Any:
    choices = details.get("enum")
    if choices and all(isinstance(choice, str | int) for choice in choices):
        return Literal[tuple(choices)]
    return _JSON_TYPES.get(str(details.get("type")), Any)


def _is_choice(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is Literal
