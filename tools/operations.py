"""Operations of web services as tools, kept as one JSON file each in the user's tools folder.

Requests go through the same client as all others, so a service on a private address works only where the settings allow
its origin. An operation that changes something is asked for once, never again by itself. Not covered here: reading an
operation out of an OpenAPI document (`openapi.py`), security schemes.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conlora_agent.core.errors import BadInput, DataError, StorageError, reason
from conlora_agent.core.files import read_text, replace_file
from conlora_agent.core.types import Example
from tools.base import ToolResult
from tools.fallback import problems
from tools.foreign import ForeignTool, args_model_of, described, outcome
from tools.http import HttpClient
from tools.responses import Refused, Response
from tools.schemas import arguments_schema

Method = Literal["get", "post", "put", "patch", "delete"]
Where = Literal["path", "query", "body", "whole body"]


class Operation(BaseModel):
    """One operation as it is kept on disk. `places`: where each argument goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    method: Method = "get"
    url: str = Field(pattern=r"^https?://\S+$")
    parameters: dict[str, Any]
    places: dict[str, Where]
    examples: tuple[str, ...] = ()


class OpenApiTool(ForeignTool):
    """An operation behind this project's interface."""

    def __init__(self, operation: Operation, client: HttpClient) -> None:
        """Raises DataError for parameters without a valid schema."""
        self._operation = operation
        self._client = client
        self.name, self.title = operation.name, operation.title
        self.description = operation.description
        self.schema = arguments_schema(operation.parameters)
        self.args_model = args_model_of(operation.name, self.schema)
        self.changes = operation.method != "get"
        given = tuple(Example(text=text, has_image=has) for text in operation.examples for has in (True, False))
        self.examples = (*described(self.title, self.description), *given)

    def run(self, args: BaseModel) -> ToolResult:
        """Ask the service. Raises ToolError, ToolUnavailable."""
        response = self._ask(args.model_dump(by_alias=True, exclude_unset=True))
        is_json = "json" in response.content_type.lower() and response.content.strip()
        output = response.json() if is_json else response.content.decode("utf-8", errors="replace")
        result = outcome(self.name, output, source=response.url, at=response.time)
        return replace(result, text=result.text + response.caution)

    def _ask(self, values: dict[str, Any]) -> Response:
        url, query, body = self._operation.url, {}, {}
        for name, value in values.items():
            where = self._operation.places.get(name, "query")
            if where == "path":
                url = url.replace("{" + name + "}", quote(_plain(value), safe=""))
            elif where == "query":
                query[name] = _plain(value)
            else:
                body[name] = value
        if not self.changes:
            return self._client.get(url, query)
        whole = next((name for name, where in self._operation.places.items() if where == "whole body"), None)
        sent = body.get(whole) if whole is not None else body or None
        return self._client.send(self._operation.method.upper(), url, query, body=sent)

    def check(self) -> list[str]:
        """Whether its service answers at all: what a call without arguments would do is not known."""

        def reach() -> None:
            with suppress(Refused):
                self._client.get(str(httpx.URL(self._operation.url).copy_with(path="/", query=None)), max_age=None)

        return problems(reach)


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)


def save_operation(operation: Operation, folder: Path) -> Path:
    """Write it as `NAME.json`, whole or not at all. Raises BadInput when there is one already, StorageError."""
    path = folder / f"{operation.name}.json"
    if path.exists():
        raise BadInput(f"there is a tool {operation.name!r} already", "remove it first, or choose another --name")
    try:
        replace_file(path, operation.model_dump_json(indent=2).encode())
    except OSError as error:
        raise StorageError(f"cannot write {path} ({reason(error)})", "set CONLORA_HOME") from error
    return path


def load_operations(folder: Path, client: HttpClient) -> tuple[list[OpenApiTool], dict[str, str]]:
    """The tools kept in `folder`, and one line for each file that cannot be read, by file name."""
    found: list[OpenApiTool] = []
    broken: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            found.append(OpenApiTool(Operation.model_validate_json(read_text(path)), client))
        except ValidationError as error:
            broken[path.name] = f"{path} is no operation ({error.errors()[0]['msg']}); remove it and add the tool again"
        except DataError as error:
            broken[path.name] = str(error)
    return found, broken
