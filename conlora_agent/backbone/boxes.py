"""How families of models write boxes by themselves, turned into ours: `x0 y0 x1 y1; ...`, integers 0..box_range-1.

A stack writes ours. A base model, asked by its prompt alone, is asked in its own words and answers in its own notation.
An answer in which any box is malformed stays as it is, and fails where it is parsed. Not covered here: reading ours
(adapters.parsers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.parsers import geometric_mean, offset_of
from conlora_agent.core.protocols import GenerateRequest, Generation, Piece

Size = tuple[int, int]
CORNERS = ("x0", "y0", "x1", "y1")
NUMBER = r"\d{1,6}(?:\.\d{1,6})?"


def _listed(before: str = "") -> re.Pattern[str]:
    """A box as a list in brackets."""
    numbers = r"\s*,\s*".join(f"(?P<{name}>{NUMBER})" for name in CORNERS)
    return re.compile(rf"{before}\[\s*{numbers}\s*\]")


@dataclass(frozen=True)
class Notation:
    """One way to write boxes."""

    box: re.Pattern[str]
    """One box, with the groups x0, y0, x1, y1."""
    rest: re.Pattern[str]
    """What is left of a malformed box when all others are taken away."""
    steps: int | None
    """The numbers count from 0 to `steps` over a side of the picture; None: pixels, as the model sees it."""
    asks: str
    """How a base model is asked: `{instruction}` is the task's prompt, `{thing}` what it is about."""
    none: re.Pattern[str] = re.compile(r"(?:```(?:json)?\s*)?\[\s*\](?:\s*```)?")
    """A whole answer that says that there is nothing."""


QWEN2_5_VL = Notation(
    _listed(r'"bbox(?:_2d)?"\s*:\s*'),
    re.compile(r'"bbox'),
    None,
    "{instruction}\nReport bbox coordinates in JSON format.",
)
"""`[{"bbox_2d": [x0, y0, x1, y1], "label": "a dog"}]`, in pixels of the resized picture."""
QWEN3_VL = Notation(QWEN2_5_VL.box, QWEN2_5_VL.rest, 1000, QWEN2_5_VL.asks)
PALIGEMMA = Notation(
    re.compile("".join(rf"<loc(?P<{name}>\d{{4}})>" for name in ("y0", "x0", "y1", "x1"))),
    re.compile(r"<loc"),
    1023,
    "detect {thing}",
)
"""`<loc0010><loc0020><loc0500><loc0600> dog ; ...`: the upper edge comes first."""
FLORENCE = Notation(
    re.compile("".join(rf"<loc_(?P<{name}>\d{{1,3}})>" for name in CORNERS)),
    re.compile(r"<loc_"),
    999,
    "<CAPTION_TO_PHRASE_GROUNDING>{thing}",
)
"""`dog<loc_10><loc_20><loc_500><loc_600>`."""
INTERNVL = Notation(
    _listed(),
    re.compile(r"\[\s*\d|\d\s*\]"),
    1000,
    "Please provide the bounding box coordinate of the region this sentence describes: {thing}",
)
"""`<ref>dog</ref><box>[[x0, y0, x1, y1], ...]</box>`; the tags are special tokens and may be gone."""

NAMED = {
    "qwen2.5-vl": QWEN2_5_VL,
    "qwen2_5_vl": QWEN2_5_VL,
    "qwen3-vl": QWEN3_VL,
    "qwen3_vl": QWEN3_VL,
    "paligemma": PALIGEMMA,
    "florence": FLORENCE,
    "internvl": INTERNVL,
}
"""By what stands in the names of a family's models."""


def notation_named(*names: str) -> Notation | None:
    """The notation of a model known only by its names, None for one that is not recognised."""
    return next((notation for key, notation in NAMED.items() if any(key in name.lower() for name in names)), None)


def worded(request: GenerateRequest, notation: Notation | None) -> str:
    """The instruction, in the family's own words where a base model is asked for boxes."""
    if notation is None or request.locate is None or request.stack is not None:
        return request.instruction
    return notation.asks.format(instruction=request.instruction, thing=request.locate)


def finished(
    said: Generation, request: GenerateRequest, notation: Notation | None, size: Size, box_range: int
) -> Generation:
    """An answer as the request wants it: boxes in ours."""
    return said if notation is None or request.locate is None else in_ours(said, notation, size, box_range)


def told_beside(said: Generation, step: Mapping[str, Any], box_range: int) -> Generation:
    """An answer of a server of ours, in words, with the boxes that the `step` tells beside them in ours instead."""
    if step.get("status") == "abstained":
        return Generation("none", (), said.usage)
    found = [(_numbers(region["box"], box_range), region.get("score")) for region in step.get("boxes") or ()]
    if not found:
        return said
    pieces = [
        Piece(("; " if at else "") + numbers, score) for at, (numbers, score) in enumerate(found) if score is not None
    ]
    text = "; ".join(numbers for numbers, _ in found)
    return Generation(text, pieces if len(pieces) == len(found) else (), said.usage)


def in_ours(said: Generation, notation: Notation, size: Size, box_range: int) -> Generation:
    """An answer with its boxes in ours, each as likely as its numbers were; unchanged where it holds none.

    `size`: width and height of the picture as the model saw it.
    """
    if notation.none.fullmatch(said.text):
        return Generation("none", (), said.usage)
    matches = list(notation.box.finditer(said.text))
    if not matches or notation.rest.search(notation.box.sub(" ", said.text)):
        return said
    boxes = [_box(match, notation.steps, size, box_range) for match in matches]
    if any(box is None for box in boxes):
        return said
    start = offset_of(said.text, said.pieces)
    text = "; ".join(box for box in boxes if box is not None)
    return Generation(text, _pieces(boxes, matches, said.pieces, start) if start is not None else (), said.usage)


def _box(match: re.Match[str], steps: int | None, size: Size, box_range: int) -> str | None:
    """One box in ours, None when it is out of range or out of order."""
    width, height = (steps, steps) if steps is not None else size
    x0, y0, x1, y1 = (float(match[name]) for name in CORNERS)
    if not (x0 <= x1 <= width and y0 <= y1 <= height and width and height):
        return None
    shares = (x0 / width, y0 / height, x1 / width, y1 / height)
    return _numbers(shares, box_range)


def _numbers(shares: Sequence[float], box_range: int) -> str:
    return " ".join(str(round(share * (box_range - 1))) for share in shares)


def _pieces(
    boxes: Sequence[str | None], matches: Sequence[re.Match[str]], pieces: Sequence[Piece], start: int
) -> list[Piece]:
    made: list[Piece] = []
    for box, match in zip(boxes, matches, strict=True):
        spans = [(start + match.start(name), start + match.end(name)) for name in CORNERS]
        made += [*([Piece("; ", 1.0)] if made else []), Piece(str(box), geometric_mean(pieces, spans))]
    return made
