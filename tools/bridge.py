"""Tools of others: any langchain-core tool behind this project's interface, and ours as langchain-core tools.

Arguments of a foreign tool come from the request only where that cannot be wrong: one required text. Not covered
here: tools on MCP servers, and reading several arguments out of a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, create_model

from conlora_agent.core.errors import ConloraError, ToolError, ToolUnavailable
from conlora_agent.core.types import Example
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool, StructuredTool

_JSON_TYPES: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list[Any]}
_JSON_TYPES |= {"object": dict[str, Any]}


class Output(ToolModel):
    """Result of a foreign tool, as it came."""

    output: Any


class LangChainTool(Tool[BaseModel]):
    """A langchain-core tool. Without examples its title and description are what the router learns from."""

    result_model = Output

    def __init__(self, tool: BaseTool, *, title: str | None = None, examples: Sequence[Example] = ()) -> None:
        self._tool = tool
        self.name = tool.name
        self.title = title or tool.name.replace("_", " ").capitalize()
        self.description = " ".join(tool.description.split()) or self.title
        self.args_model = _schema(tool)
        self.examples = tuple(examples) or tuple(
            Example(text=text, has_image=has_image)
            for text in dict.fromkeys([self.title, self.description])
            for has_image in (True, False)
        )

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """Replies to earlier questions, and the whole request for a lone required text. Raises MissingArgument."""
        args: dict[str, Any] = {
            name: text for name, text in context.answers.items() if name in self.args_model.model_fields
        }
        required = [name for name, field in self.args_model.model_fields.items() if field.is_required()]
        missing = [name for name in required if name not in args]
        if required == missing and len(required) == 1 and self.args_model.model_fields[required[0]].annotation is str:
            return {required[0]: request}
        if missing:
            meaning = self.args_model.model_fields[missing[0]].description or missing[0].replace("_", " ")
            raise MissingArgument(missing[0], f"{self.title} needs to know: {meaning.rstrip('.?')}?")
        return args

    def run(self, args: BaseModel) -> ToolResult:
        """Invoke it; whatever it raises becomes ToolUnavailable or ToolError."""
        try:
            output = self._tool.invoke(args.model_dump(exclude_unset=True))
        except ConloraError:
            raise
        except (TimeoutError, ConnectionError, httpx.TransportError) as error:
            raise ToolUnavailable(f"{self.name} cannot be reached ({_brief(error)})", "try again later") from error
        except Exception as error:
            raise ToolError(f"{self.name} failed ({_brief(error)})", "check its arguments") from error
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)
        return ToolResult({"output": output}, text)


def from_langchain(tool: BaseTool, *, title: str | None = None, examples: Sequence[Example] = ()) -> LangChainTool:
    """`tool` behind this project's interface, ready for a ToolRegistry."""
    return LangChainTool(tool, title=title, examples=examples)


def to_langchain(tool: Tool[Any]) -> StructuredTool:
    """`tool` for a model with native tool calling; it gives the result's text and keeps the ToolResult as artifact."""
    from langchain_core.tools import StructuredTool

    def call(**args: Any) -> tuple[str, ToolResult]:
        result = tool.call({name: value for name, value in args.items() if value is not None})
        return result.text, result

    return StructuredTool.from_function(
        func=call,
        name=tool.name,
        description=tool.description,
        args_schema=tool.args_model,
        response_format="content_and_artifact",
    )


def _schema(tool: BaseTool) -> type[BaseModel]:
    schema = tool.tool_call_schema
    if isinstance(schema, dict):
        return _from_json_schema(tool.name, schema)
    if not issubclass(schema, BaseModel):
        return _from_json_schema(tool.name, schema.schema())
    return schema


def _from_json_schema(name: str, schema: dict[str, Any]) -> type[BaseModel]:
    """A model with the top-level properties of a JSON schema; what is nested in them is left to the tool."""
    required = set(schema.get("required", ()))
    fields: dict[str, Any] = {}
    for field, details in schema.get("properties", {}).items():
        kind = _JSON_TYPES.get(str(details.get("type")), Any)
        described = Field(... if field in required else None, description=details.get("description"))
        fields[field] = (kind if field in required else kind | None, described)
    return create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields)


def _brief(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
