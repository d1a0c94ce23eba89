"""JSON schemas of arguments: without references, and held against the arguments themselves.

Not covered here: which words of a message fill them (`said.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from conlora_agent.core.errors import DataError, first_line

MAX_DEPTH = 6
"""A schema that is nested deeper, such as one that holds itself, takes anything there."""
MAX_REFERENCES = 16
MISSING = "is missing"

Schema = dict[str, Any]


def arguments_schema(schema: Mapping[str, Any]) -> Schema:
    """The schema of a tool's arguments as it is used here: an object, `inlined`, nothing but its properties taken.

    Raises DataError for what is no JSON schema of an object.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    remedy = "correct the schema of its arguments"
    found = inlined(schema, schema)
    if found.get("type", "object") != "object" or not isinstance(found.get("properties", {}), dict):
        raise DataError("the arguments are not an object with properties", remedy)
    try:
        Draft202012Validator.check_schema(found, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except (SchemaError, RecursionError) as error:
        raise DataError(f"the arguments have no valid JSON schema ({first_line(error)})", remedy) from error
    known = found.get("properties", {})
    required = [name for name in found.get("required", ()) if name in known]
    return {**found, "type": "object", "properties": known, "required": required, "additionalProperties": False}


def inlined(schema: Any, document: Mapping[str, Any], depth: int = 0) -> Schema:
    """`schema` with its local references replaced by what they stand for in `document`, and without "or null".

    Raises DataError for references that lead nowhere or into other files.
    """
    if depth > MAX_DEPTH:
        return {}
    found = _without_null(resolved(schema, document), document)
    found.pop("$defs", None)
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(found.get(key), list):
            found[key] = [inlined(part, document, depth + 1) for part in found[key]]
    if isinstance(properties := found.get("properties"), dict):
        found["properties"] = {str(name): inlined(part, document, depth + 1) for name, part in properties.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = inlined(found[key], document, depth + 1)
    return found


def resolved(value: Any, document: Mapping[str, Any]) -> Schema:
    """`value`, or what its local reference stands for. Raises DataError as `inlined`."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(value, dict) or "$ref" not in value:
            break
        reference, target = str(value["$ref"]), document
        try:
            if not reference.startswith("#/"):
                raise KeyError(reference)
            for part in reference[2:].split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError) as error:
            remedy = "put what it names into the document"
            raise DataError(f"the reference {reference!r} leads nowhere", remedy) from error
        value = target
    return value if isinstance(value, dict) else {}


def _without_null(schema: Schema, document: Mapping[str, Any]) -> Schema:
    """A copy. An argument that may be null is one that may be left out: what else it may be is what counts."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        others = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": others[0] if len(others) == 1 else others}
    for key in ("anyOf", "oneOf"):
        choices = [resolved(choice, document) for choice in schema.get(key) or ()]
        others = [choice for choice in choices if choice.get("type") != "null"]
        if len(others) == 1:
            return {**others[0], **{name: value for name, value in schema.items() if name != key}}
    return dict(schema)


def fits(schema: Schema) -> Callable[[Any], bool]:
    """Whether a value fits a schema, as a function of the value."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return lambda value: bool(validator.is_valid(value))


def misfit(schema: Schema, args: Mapping[str, Any]) -> tuple[str, str] | None:
    """The argument that does not fit, such as "address.city", and why; None when all fit. "" is all of them."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    checker = Draft202012Validator.FORMAT_CHECKER
    error = best_match(Draft202012Validator(schema, format_checker=checker).iter_errors(dict(args)))
    if error is None:
        return None
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return ".".join([*path, missing]), MISSING
    if error.validator == "additionalProperties":
        unknown = next(name for name in error.instance if name not in error.schema.get("properties", {}))
        return ".".join([*path, unknown]), "is not known"
    return ".".join(path), first_line(error.message)
