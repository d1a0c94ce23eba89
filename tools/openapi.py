"""Operations of OpenAPI 3 documents: `conlora tools add --openapi FILE|URL --operation ID`.

An operation becomes an address, a method, its parameters and the properties of its JSON body as one JSON schema, and
what the router learns from. One that may change something (anything but GET) is taken only when that is allowed. Not
covered here: calling it (`operations.py`), security schemes, bodies that are no JSON, references to other files.
"""

from __future__ import annotations

import re
from typing import Any, get_args
from urllib.parse import urljoin

from pydantic import ValidationError

from conlora_agent.core.errors import BadInput, DataError, UnknownName, first_line
from tools.operations import Method, Operation, Where
from tools.schemas import Schema, arguments_schema, inlined, resolved

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
BODY = "body"
"""Name of the argument for a body that is no object."""


def read_operation(
    spec: str, source: str, operation: str, *, name: str = "", examples: tuple[str, ...] = (), changes: bool = False
) -> Operation:
    """The operation called `operation` of an OpenAPI 3 document in JSON or YAML, found at `source`.

    `changes`: whether one that may change something is allowed. Raises DataError for what is no such document,
    UnknownName with the nearest operation, BadInput for a method that is not allowed.
    """
    document = _document(spec, source)
    path, shared, method, found = _find(document, operation)
    _require_allowed(operation, method, changes)
    arguments = _parameters(document, (*shared, *found.get("parameters", [])))
    arguments |= _body(document, found, taken=arguments) if method != "get" else {}
    properties = {argument: schema for argument, (_, schema, _) in arguments.items()}
    required = [argument for argument, (_, _, needed) in arguments.items() if needed]
    title = str(found.get("summary") or operation).strip()
    try:
        return Operation(
            name=name or _slug(operation),
            title=title,
            description=" ".join(str(found.get("description") or title).split())[:300],
            method=method,
            url=_server(document, found, source) + path,
            parameters=arguments_schema({"type": "object", "properties": properties, "required": required}),
            places={argument: where for argument, (where, _, _) in arguments.items()},
            examples=examples,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{operation!r}: {first['loc'][0]}: {first['msg']}", "name it with --name") from error


Arguments = dict[str, tuple[Where, Schema, bool]]
"""By name: where it goes, its schema, whether it is required."""


def _require_allowed(operation: str, method: str, changes: bool) -> None:
    if method not in get_args(Method):
        raise BadInput(f"{operation!r} is a {method.upper()} operation", "choose one that gives an answer")
    if method != "get" and not changes:
        problem = f"{operation!r} is a {method.upper()} operation, which may change something"
        raise BadInput(problem, "allow that with --allow-changes; you are asked before every call")


def _parameters(document: dict[str, Any], given: tuple[Any, ...]) -> Arguments:
    found: Arguments = {}
    for parameter in (resolved(raw, document) for raw in given):
        where = parameter.get("in")
        if where in ("path", "query") and "name" in parameter:
            schema = _described(inlined(parameter.get("schema", {}), document), parameter.get("description"))
            found[str(parameter["name"])] = (where, schema, bool(parameter.get("required")))
        elif parameter.get("required"):
            raise DataError(
                f"the {where} parameter {parameter.get('name')!r} is required", "only path, query and body can be given"
            )
    return found


def _body(document: dict[str, Any], found: dict[str, Any], *, taken: Arguments) -> Arguments:
    """The properties of a JSON body as arguments; a body of another kind as one argument."""
    body = resolved(found.get("requestBody"), document)
    content = body.get("content", {})
    media = next((content[kind] for kind in content if "json" in kind.lower()), None)
    if media is None:
        if body.get("required") or content:
            raise DataError("its body is no JSON", "choose an operation with a JSON body")
        return {}
    schema = inlined(media.get("schema", {}), document)
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {BODY: ("whole body", _described(schema, body.get("description")), bool(body.get("required")))}
    if both := sorted(properties.keys() & taken.keys()):
        raise DataError(f"{both[0]!r} is both a parameter and a part of the body", "rename one in the document")
    required = schema.get("required", ()) if body.get("required") else ()
    return {argument: ("body", part, argument in required) for argument, part in properties.items()}


def _described(schema: Schema, text: Any) -> Schema:
    said = text or schema.get("description")
    return schema | ({"description": " ".join(str(said).split())[:200]} if said else {})


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
