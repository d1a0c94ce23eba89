"""Tools of others: any langchain-core tool behind this project's interface, and ours as langchain-core tools.

Not covered here: how arguments are found (`foreign.py`), tools on MCP servers (`mcp.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import BaseModel

from conlora_agent.core.errors import ConloraError, ToolError, ToolUnavailable
from conlora_agent.core.types import Example
from tools.base import Tool, ToolResult
from tools.foreign import ForeignTool, args_model_of, described, outcome
from tools.schemas import arguments_schema
from tools.secrecy import without_keys

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool, StructuredTool


class LangChainTool(ForeignTool):
    """A langchain-core tool. Without examples its title and description are what the router learns from."""

    def __init__(self, tool: BaseTool, *, title: str | None = None, examples: Sequence[Example] = ()) -> None:
        self._tool = tool
        self.name = re.sub(r"\W+", "_", tool.name).strip("_")
        self.title = title or tool.name.replace("_", " ").capitalize()
        self.description = " ".join(tool.description.split()) or self.title
        self.args_model = _schema(tool)
        self.schema = arguments_schema(self.args_model.model_json_schema())
        self.examples = tuple(examples) or described(self.title, self.description)

    def run(self, args: BaseModel) -> ToolResult:
        """Invoke it; whatever it raises becomes ToolUnavailable or ToolError."""
        try:
            output = _invoke(self._tool, args.model_dump(by_alias=True, exclude_unset=True))
        except ConloraError:
            raise
        except (TimeoutError, ConnectionError, httpx.TransportError) as error:
            raise ToolUnavailable(f"{self.name} cannot be reached ({_brief(error)})", "try again later") from error
        except Exception as error:
            raise ToolError(f"{self.name} failed ({_brief(error)})", "check its arguments") from error
        return outcome(self.name, output, source=self.title)


def _invoke(tool: BaseTool, args: dict[str, Any]) -> Any:
    """Its output, waited for here where it knows no other way, as those of MCP adapters do."""
    try:
        return tool.invoke(args)
    except NotImplementedError:
        return asyncio.run(tool.ainvoke(args))


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
    from langchain_core.tools import Tool as OneTextTool

    if isinstance(tool, OneTextTool) and tool.args_schema is None:
        return args_model_of(tool.name, {"properties": tool.args, "required": list(tool.args)})
    schema = tool.tool_call_schema
    if isinstance(schema, dict):
        return args_model_of(tool.name, arguments_schema(schema))
    if not issubclass(schema, BaseModel):
        return args_model_of(tool.name, arguments_schema(schema.schema()))
    return schema


def _brief(error: Exception) -> str:
    lines = without_keys(str(error)).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
