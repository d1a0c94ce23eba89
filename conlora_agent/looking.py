"""Looking at the picture first: "who wrote this book?" is to be looked up, but which book is written on the picture.

Where a tool lacks an argument, the request points at something, and the current picture has not been read yet, the step
that reads it (or scans its code) is put before the tool's. Not covered here: what tools find in requests (tools).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import ConloraError
from conlora_agent.core.referents import Focus, TextReferent, ValueReferent
from conlora_agent.core.types import Kind, Plan, PlannedStep, RouteQuery
from conlora_agent.focus import refers_back
from conlora_agent.phrases import PICTURE_NOUNS

if TYPE_CHECKING:
    from tools.base import Tool
    from tools.registry import ToolRegistry

KINDS: dict[str, Kind] = {"ocr": "task", "barcode": "tool"}
_TIMES = (
    r"(?:day|moment|way|morning|afternoon|evening|night|week|weekend|month|year|time|spring|summer|autumn|fall|winter"
    r"|season)\b"
)
_SHOWN = "|".join(PICTURE_NOUNS) + r"|(?:qr |bar)?code|sign|label|tag|cover|poster|receipt|bill|menu|ticket|screen|card"
_POINTS = re.compile(
    rf"\b(?:this|these|that|those)\s+(?!{_TIMES})\w+|\b(?:in|on|behind|of|from) the (?:{_SHOWN})\b"
    r"|\b(?:you|i|we)(?: can| could)? see\b|\b(?:shown|written|printed|seen) (?:here|there)\b",
    re.IGNORECASE,
)
_EXPLETIVE = re.compile(r"\b(?:is|was|will|does|did|would|has|can) it\b|\bit(?:'s| is| will| was)\b", re.IGNORECASE)
"""In "is it raining?" nothing is pointed at."""


def look_first(
    plan: Plan, query: RouteQuery, focus: Focus, tools: ToolRegistry, routes: Collection[str], *, fresh: bool
) -> Plan:
    """The plan with a step that looks at the picture before each tool step that has to know what is on it.

    `fresh`: the picture came with this message, so that nothing said before can be what "this" means.
    """
    if not query.has_image or any(step.route in KINDS for step in plan.steps):
        return plan
    made: list[PlannedStep] = []
    places: list[int] = []
    for step in plan.steps:
        uses = tuple(places[used] for used in step.uses)
        look = None
        if step.kind == "tool" and not step.uses:
            look = _look(step, focus, tools, fresh=fresh)
        if look is not None and look in routes:
            made.append(step.model_copy(update={"route": look, "kind": KINDS[look]}))
            uses = (len(made) - 1,)
        places.append(len(made))
        made.append(step.model_copy(update={"uses": uses}))
    return plan.model_copy(update={"steps": tuple(made)}) if len(made) > len(plan.steps) else plan


def _look(step: PlannedStep, focus: Focus, tools: ToolRegistry, *, fresh: bool) -> str | None:
    """The route that can find what this step lacks."""
    tool = tools.get(step.route) if step.route in tools.names() else None
    if tool is None or tool.looks is None or not points(step.request) or _is_known(tool.looks, focus):
        return None
    return tool.looks if _lacks(tool, step.request, Focus() if fresh else focus) else None


def points(request: str) -> bool:
    """Whether a request has words that stand for something shown or said."""
    return refers_back(_EXPLETIVE.sub(" ", request)) or _POINTS.search(request) is not None


def _is_known(look: str, focus: Focus) -> bool:
    """Whether the current picture was looked at in this way."""
    return any(
        (isinstance(known, TextReferent) and known.image == focus.picture and look == "ocr")
        or (isinstance(known, ValueReferent) and known.route == look and focus.picture in known.arguments.values())
        for known in focus.referents
    )


def _lacks(tool: Tool[Any], request: str, focus: Focus) -> bool:
    from tools.base import MissingArgument, ToolContext

    try:
        tool.arguments(request, ToolContext(focus=focus))
    except MissingArgument:
        return True
    except ConloraError:
        return False
    return False
