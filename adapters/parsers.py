"""Reads what a model wrote, by the output kind of the task: text, boxes, labels or JSON.

A malformed answer is a failed step with nothing in it: no value is ever invented to fill a gap.
Not covered here: how a parsed answer is worded for the user.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from adapters.manifest import Output
from conlora_agent.core.protocols import Piece
from conlora_agent.core.types import Box, Region

MAX_BOXES = 100
NAMED = re.compile(r"(?<![^;\n])[^;\n\[\]()]*:")
"""What introduces a box: from the beginning, a semicolon or a new line up to the last colon before its numbers."""
ABSENT = frozenset({"none", "none."})
"""What a model writes instead of boxes when the thing is not there."""
NO_TEXT = "(no text)"
"""What a model that reads writes when there is nothing to read."""


@dataclass(frozen=True)
class Parsed:
    """A model's answer, read. `value` holds the labels (tuple of str) or the JSON, None for the other kinds."""

    text: str
    boxes: tuple[Region, ...] = ()
    status: Literal["ok", "abstained", "failed"] = "ok"
    value: Any = None


def parse_output(output: Output, text: str, pieces: Sequence[Piece], *, label: str, box_range: int) -> Parsed:
    """Read `text`, the answer of a task with this output kind.

    `pieces` are its tokens in order; boxes get their scores from them (None where they do not spell the text).
    `label` names the boxes; the model writes them as integers 0..`box_range`-1, see core.protocols.Backbone.
    """
    text = text.strip()
    if output == "boxes":
        return parse_boxes(text, pieces, label=label, box_range=box_range)
    if not text or text == NO_TEXT:
        return Parsed(text, status="abstained")
    if output == "labels":
        return parse_labels(text)
    return parse_json(text) if output == "json" else Parsed(text)


def parse_labels(text: str) -> Parsed:
    """Labels separated by commas, semicolons or new lines, each kept once, in order."""
    labels = tuple(dict.fromkeys(part.strip(" .\t") for part in re.split(r"[,;\n]", text)))
    labels = tuple(label for label in labels if label)
    return Parsed(", ".join(labels), value=labels) if labels else Parsed(text, status="failed")


def parse_json(text: str) -> Parsed:
    """One JSON value, bare or in a fenced code block."""
    fenced = re.fullmatch(r"```(?:json)?\s*\n(.*?)\n?\s*```", text, re.DOTALL)
    try:
        return Parsed(text, value=json.loads(fenced[1] if fenced else text, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        return Parsed(text, status="failed")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# -- boxes ------------------------------------------------------------------------------------------------------------


def parse_boxes(text: str, pieces: Sequence[Piece], *, label: str, box_range: int) -> Parsed:
    """Boxes `x0 y0 x1 y1`, separated by `;`, a new line or brackets; `none` when the thing is not there.

    A box may be introduced by the name of the thing and a colon.
    """
    if text.lower() in ABSENT:
        return Parsed(text, status="abstained")
    start = offset_of(text, pieces)
    # Blanks of the same length, so that places in the text stay places in the tokens.
    text = NAMED.sub(lambda name: " " * len(name[0]), text)
    regions: dict[Box, Region] = {}
    for numbers in _groups(text):
        box = _box([int(n[0]) for n in numbers], box_range) if len(numbers) == 4 else None
        if box is None or len(regions) == MAX_BOXES:
            return Parsed(text, status="failed")
        score = (
            None if start is None else geometric_mean(pieces, [(start + n.start(), start + n.end()) for n in numbers])
        )
        regions.setdefault(box, Region(label=label, box=box, score=score))
    return Parsed(text, tuple(regions.values()), "ok" if regions else "failed")


def _groups(text: str) -> Iterator[list[re.Match[str]]]:
    """The numbers of each box, as matches in `text`. One empty group stands for text that is no list of boxes."""
    if not re.fullmatch(r"[0-9\s,;()\[\]]*", text) or re.search(r"[0-9]{7}", text):
        yield []
        return
    # Inside brackets a new line does not end a box; without brackets it does.
    border = r"[\[\]();]" if re.search(r"[\[(]", text) else r"[;\n]"
    ends = [*(m.start() for m in re.finditer(border, text)), len(text)]
    begin = 0
    for end in ends:
        numbers = list(re.compile(r"[0-9]+").finditer(text, begin, end))
        if numbers:
            yield numbers
        begin = end


def _box(numbers: Sequence[int], box_range: int) -> Box | None:
    """Integers of the model as a box 0..1, None when they are out of range or out of order.

    Equal coordinates are a thing thinner than one step of the grid: it becomes one step wide.
    """
    x0, y0, x1, y1 = numbers
    if max(numbers) >= box_range or x0 > x1 or y0 > y1:
        return None
    (left, right), (top, bottom) = _span(x0, x1, box_range - 1), _span(y0, y1, box_range - 1)
    return left, top, right, bottom


def _span(low: int, high: int, steps: int) -> tuple[float, float]:
    half = 0.5 if low == high else 0.0
    return max(0.0, (low - half) / steps), min(1.0, (high + half) / steps)


def offset_of(text: str, pieces: Sequence[Piece]) -> int | None:
    """Where `text` begins in the concatenated pieces, None when they do not spell it."""
    whole = "".join(piece.text for piece in pieces)
    return len(whole) - len(whole.lstrip()) if pieces and whole.strip() == text else None


def geometric_mean(pieces: Sequence[Piece], spans: Sequence[tuple[int, int]]) -> float:
    """Geometric mean of the probabilities of the tokens that touch one of the character spans."""
    logs, at = [], 0
    for piece in pieces:
        end = at + len(piece.text)
        if any(at < stop and start < end for start, stop in spans):
            logs.append(math.log(max(piece.probability, 1e-9)))
        at = end
    return math.exp(sum(logs) / len(logs))
