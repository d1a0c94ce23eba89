"""How a model is asked for a tool's arguments, and how it writes them: shared by training and serving.

The function, its parameters one a line, what was read or found before, then the request. The answer is one JSON object
with every parameter in this order, null for what was not said. Not covered here: which values are allowed in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

TASK = "arguments"
"""The task whose stack writes arguments."""
MAX_DESCRIPTION = 100
MAX_KNOWN = 400
MAX_CHOICES = 12
_KINDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "object",
}


def instruction(
    name: str, description: str, schema: Mapping[str, Any], request: str, known: Sequence[str] = (), problem: str = ""
) -> str:
    """What the model is told. `known`: texts that the request may refer to. `problem`: with its last answer."""
    lines = [f"Function {name}: {_short(description)}"]
    lines += [_parameter(name, details) for name, details in schema.get("properties", {}).items()]
    lines += [f"Known: {_short(text, MAX_KNOWN)}" for text in known if text.strip()]
    lines.append(f"Request: {' '.join(request.split())}")
    if problem:
        lines.append(f"Your last answer was wrong: {problem}")
    return "\n".join([*lines, "Arguments as JSON, null for what is not said:"])


def answer(schema: Mapping[str, Any], args: Mapping[str, Any]) -> str:
    """Arguments as the model is to write them."""
    return json.dumps({name: args.get(name) for name in schema.get("properties", {})}, ensure_ascii=False)


def _parameter(name: str, details: Mapping[str, Any]) -> str:
    choices = details.get("enum")
    if choices:
        kind = "one of " + ", ".join(map(str, choices[:MAX_CHOICES]))
    else:
        kind = str(details.get("format") or _KINDS.get(str(details.get("type")), "text"))
    said = _short(details.get("description") or "")
    return f"- {name} ({kind}): {said}" if said else f"- {name} ({kind})"


def _short(text: str, most: int = MAX_DESCRIPTION) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
