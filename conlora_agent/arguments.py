"""Arguments of a tool that is known by its schema alone: the model writes them, from what was said and nothing else.

What it writes is checked; it is told once what is wrong; then the user is asked. Not covered here: tools that read
requests themselves, and the form in which a model is asked (adapters.calls).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from conlora_agent.core.protocols import Function, GenerateRequest
from conlora_agent.core.referents import ValueReferent
from conlora_agent.core.types import Usage
from conlora_agent.focus import refers_back
from conlora_agent.phrases import is_fragment
from conlora_agent.prompts import history

if TYPE_CHECKING:
    from conlora_agent.core.protocols import Backbone
    from tools.base import MissingArgument, ToolContext
    from tools.foreign import ForeignTool
    from tools.schemas import Schema

ATTEMPTS = 2
MAX_TOKENS = 256
MAX_REMEMBERED = 3
"""Earlier texts and results that a request may refer back to."""


@dataclass
class Writer:
    """A backbone that writes arguments, with the stack for it where it has one. `usage` adds up."""

    backbone: Backbone
    stack: str | None
    usage: Usage = field(default_factory=Usage)

    def write(self, tool: ForeignTool, request: str, context: ToolContext) -> dict[str, Any]:
        """The arguments of a call. Raises MissingArgument for one that is required and was not said."""
        given = tool.replied(context.answers)
        schema = _open(tool.schema, context.answers)
        if not schema["properties"]:
            return _complete(tool, given)
        texts, draft = said_to(request, context), Draft()
        for _ in range(ATTEMPTS):
            draft = checked(tool, schema, self._attempt(tool, schema, request, texts, draft.problem), texts)
            if not draft.problem:
                break
        if draft.args is None:
            return tool.arguments(request, context)
        if draft.asked is not None:
            raise draft.asked
        return _complete(tool, merged(_continued(tool, request, context, draft.args), given))

    def _attempt(self, tool: ForeignTool, schema: Schema, request: str, texts: tuple[str, ...], problem: str) -> str:
        """What the model writes. `problem`: what was wrong with its last answer."""
        from adapters.calls import instruction
        from tools.said import narrowed, ordered

        about = instruction(tool.name, tool.description, ordered(schema), request, texts[1:], problem)
        said = narrowed(schema, texts, date.today())
        generation = self.backbone.generate(
            GenerateRequest(
                instruction=about,
                history=history((), "", 0),
                stack=self.stack,
                function=Function(tool.name, tool.description, schema, said),
                max_new_tokens=MAX_TOKENS,
            )
        )
        self.usage += generation.usage
        return generation.text


@dataclass(frozen=True)
class Draft:
    """A model's answer, read: the arguments that can be used (None when it is no JSON), what is wrong with the others,
    and what to ask the user in their place."""

    args: dict[str, Any] | None = None
    problem: str = ""
    asked: MissingArgument | None = None


def checked(tool: ForeignTool, schema: Schema, text: str, texts: tuple[str, ...]) -> Draft:
    """Read a model's answer. What nobody said is left out; what was said and does not fit has to be asked for."""
    from adapters.parsers import parse_json
    from tools.said import unsaid, without_nulls
    from tools.schemas import MISSING, misfit

    value = parse_json(text).value
    if not isinstance(value, dict):
        return Draft(problem="it is no JSON object")
    args, problems, asked = without_nulls(value), [], None
    while (name := unsaid(schema, args, texts, date.today())) is not None:
        args = _without(args, name)
        problems.append(f"nobody said {name!r}")
    optional = {**schema, "required": []}
    while (wrong := misfit(optional, args)) is not None and wrong[1] != MISSING:
        name, why = wrong
        args = _without(args, name)
        problems.append(f"{name} {why}")
        if asked is None and tool.schema_at(name) is not None:
            asked = tool.question(name, why)
    return Draft(args, "; ".join(problems), asked)


def said_to(request: str, context: ToolContext) -> tuple[str, ...]:
    """The texts that arguments may be taken from, the request first."""
    earlier = context.antecedents[:MAX_REMEMBERED] if refers_back(request) else ()
    remembered = (json.dumps(a.value, ensure_ascii=False) if isinstance(a, ValueReferent) else a for a in earlier)
    return tuple(dict.fromkeys((request, *context.used, *remembered)))


def merged(found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`found` with what is `given` in its place, parts of objects one by one."""
    both = {
        name: merged(found[name], value) if isinstance(value, dict) and isinstance(found.get(name), dict) else value
        for name, value in given.items()
    }
    return {**found, **both}


def _open(schema: Schema, answers: Mapping[str, str]) -> Schema:
    """The schema of what the user has not been asked for yet."""
    properties = {name: part for name, part in schema["properties"].items() if name not in answers}
    return {**schema, "properties": properties, "required": [n for n in schema["required"] if n in properties]}


def _continued(tool: ForeignTool, request: str, context: ToolContext, found: dict[str, Any]) -> dict[str, Any]:
    """A fragment such as "and for dogs?" changes the last call in what it names."""
    last = context.last(tool.name) if is_fragment(request) else None
    return found if last is None else {**last.arguments, **found}


def _complete(tool: ForeignTool, found: dict[str, Any]) -> dict[str, Any]:
    from tools.schemas import MISSING, misfit

    wrong = misfit(tool.schema, found)
    if wrong is not None and wrong[1] == MISSING:
        raise tool.question(wrong[0])
    return found


def _without(args: dict[str, Any], path: str) -> dict[str, Any]:
    """Arguments without the one of this path."""
    name, _, rest = (path, "", "") if path in args else path.partition(".")
    if rest and isinstance(args.get(name), dict):
        return {**args, name: _without(args[name], rest)}
    return {other: value for other, value in args.items() if other != name}
