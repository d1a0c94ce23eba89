"""Operations of OpenAPI 3 services as tools: `conlora tools add --openapi FILE|URL --operation ID`.

An operation becomes one JSON file in the user's tools folder: its address, its parameters as a JSON schema, and what
the router learns from. Only GET operations: a tool may be called by mistake. Requests go through the same client as all
others, so a service on a private address works only where the settings allow its origin. Not covered here: security
schemes, request bodies, references to other files.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conlora_agent.core.errors import BadInput, DataError, UnknownName, first_line
from conlora_agent.core.types import Example
from tools.base import ToolResult
from tools.foreign import ForeignTool, Output, args_model_of, described
from tools.http import HttpClient
from tools.wikipedia import shorten

MAX_SHOWN = 1500
"""Characters of a result that are shown."""
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


class Operation(BaseModel):
    """One operation as it is kept on disk. `places`: where each argument goes, "path" or "query"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    url: str = Field(pattern=r"^https?://\S+$")
    parameters: dict[str, Any]
    places: dict[str, str]
    examples: tuple[str, ...] = ()


class OpenApiTool(ForeignTool):
    """An operation behind this project's interface."""

    def __init__(self, operation: Operation, client: HttpClient) -> None:
        self._operation = operation
        self._client = client
        self.name, self.title = operation.name, operation.title
        self.description = operation.description
        self.schema = operation.parameters
        self.args_model = args_model_of(operation.name, operation.parameters)
        given = tuple(Example(text=text, has_image=has) for text in operation.examples for has in (True, False))
        self.examples = (*described(self.title, self.description), *given)

    def run(self, args: BaseModel) -> ToolResult:
        """Ask the service. Raises ToolError, ToolUnavailable."""
        values = args.model_dump(exclude_none=True)
        url, query = self._operation.url, {}
        for name, value in values.items():
            if self._operation.places.get(name) == "path":
                url = url.replace("{" + name + "}", quote(_plain(value), safe=""))
            else:
                query[name] = _plain(value)
        response = self._client.get(url, query)
        is_json = "json" in response.content_type.lower()
        output = response.json() if is_json else response.content.decode("utf-8", errors="replace")
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        return ToolResult(Output(output=output).model_dump(), shorten(text, MAX_SHOWN) + response.caution, response.url)

    def check(self) -> list[str]:
        """Nothing is asked: what a call without arguments would do is not known."""
        return [] if len(self.examples) >= 8 else [f"{self.name}: give it more --example to be found by the router"]


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)


# -- from a description -----------------------------------------------------------------------------------------------


def read_operation(
    spec: str, source: str, operation: str, *, name: str = "", examples: tuple[str, ...] = ()
) -> Operation:
    """The operation called `operation` of an OpenAPI 3 document in JSON or YAML, found at `source`.

    Raises DataError for what is no such document, UnknownName with the nearest operation, BadInput for a method that
    changes something.
    """
    document = _document(spec, source)
    path, shared, method, found = _find(document, operation)
    if method != "get":
        raise BadInput(f"{operation!r} is a {method.upper()} operation", "only GET operations can be tools")
    parameters = [_resolved(document, raw) for raw in (*shared, *found.get("parameters", []))]
    places = {str(p["name"]): str(p["in"]) for p in parameters if p.get("in") in ("path", "query")}
    required = [str(p["name"]) for p in parameters if p.get("required") and p.get("in") in ("path", "query")]
    properties = {str(p["name"]): _property(document, p) for p in parameters if str(p.get("name")) in places}
    title = str(found.get("summary") or operation).strip()
    try:
        return Operation(
            name=name or _slug(operation),
            title=title,
            description=" ".join(str(found.get("description") or title).split())[:300],
            url=_server(document, found, source) + path,
            parameters={"type": "object", "properties": properties, "required": required},
            places=places,
            examples=examples,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{operation!r}: {first['loc'][0]}: {first['msg']}", "name it with --name") from error


def _document(spec: str, source: str) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(spec)
    except (yaml.YAMLError, RecursionError) as error:
        why = first_line(error)
        raise DataError(f"{source} is neither JSON nor YAML ({why})", "give an OpenAPI document") from error
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise DataError(f"{source} has no paths", "give an OpenAPI 3 document")
    if not str(document.get("openapi", "")).startswith("3"):
        raise DataError(f"{source} is not OpenAPI 3", "convert it to OpenAPI 3 first")
    return document


def _find(document: dict[str, Any], operation: str) -> tuple[str, list[Any], str, dict[str, Any]]:
    """Path, shared parameters, method and description of an operation, by its id or as "GET /path"."""
    known: list[str] = []
    for path, item in document["paths"].items():
        for method, found in item.items() if isinstance(item, dict) else ():
            if method in METHODS and isinstance(found, dict):
                names = (str(found.get("operationId", "")), f"{method.upper()} {path}")
                known += [name for name in names if name]
                if operation in names:
                    return str(path), list(item.get("parameters", [])), method, found
    raise UnknownName.among("operation", operation, known)


def _resolved(document: dict[str, Any], value: Any) -> dict[str, Any]:
    """`value`, or what its local reference stands for. Raises DataError for references to other files."""
    for _ in range(16):
        if not isinstance(value, dict) or "$ref" not in value:
            break
        reference, target = str(value["$ref"]), document
        try:
            if not reference.startswith("#/"):
                raise KeyError(reference)
            for part in reference[2:].split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError) as error:
            raise DataError(
                f"the reference {reference!r} leads nowhere", "put what it names into the document"
            ) from error
        value = target
    return value if isinstance(value, dict) else {}


def _property(document: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(document, parameter.get("schema", {}))
    kept = {key: schema[key] for key in ("type", "enum", "format") if key in schema}
    text = parameter.get("description") or schema.get("description")
    return kept | ({"description": " ".join(str(text).split())[:200]} if text else {})


def _server(document: dict[str, Any], found: dict[str, Any], source: str) -> str:
    servers = found.get("servers") or document.get("servers") or [{"url": "/"}]
    first = servers[0] if isinstance(servers[0], dict) else {}
    url = str(first.get("url", "/"))
    for name, variable in (first.get("variables") or {}).items():
        url = url.replace("{" + str(name) + "}", str(variable.get("default", "")))
    base = source if re.match(r"https?://", source) else ""
    return urljoin(base, url).rstrip("/")


def _slug(operation: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation)
    return re.sub(r"\W+", "_", words).strip("_").lower()


# -- on disk ----------------------------------------------------------------------------------------------------------


def save_operation(operation: Operation, folder: Path) -> Path:
    """Write it as `NAME.json`, whole or not at all. Raises BadInput when there is one already."""
    path = folder / f"{operation.name}.json"
    if path.exists():
        raise BadInput(f"there is a tool {operation.name!r} already", "remove it first, or choose another --name")
    folder.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(operation.model_dump_json(indent=2), encoding="utf-8")
    beside.replace(path)
    return path


def load_operations(folder: Path, client: HttpClient) -> tuple[list[OpenApiTool], dict[str, str]]:
    """The tools kept in `folder`, and one line for each file that cannot be read, by file name."""
    found: list[OpenApiTool] = []
    broken: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            found.append(OpenApiTool(Operation.model_validate_json(path.read_text(encoding="utf-8")), client))
        except (ValidationError, OSError, UnicodeDecodeError, ValueError) as error:
            line = " ".join(str(error).split())[:200]
            broken[path.name] = f"{path} cannot be read ({line}); remove it and add the tool again"
    return found, broken
