"""The seeing half of `nano`: low layers, upper layers, dense heads and the closer looks, in one module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.columns import ColumnReader
from conlora_agent.backbone.nano.configuration import CELL, NanoConfig
from conlora_agent.backbone.nano.dense import DenseHeads, DenseOutput
from conlora_agent.backbone.nano.edges import EdgeReader
from conlora_agent.backbone.nano.look import SecondLook, Seen
from conlora_agent.backbone.nano.low import COARSEST, LowFeatures, LowLayers
from conlora_agent.backbone.nano.photographs import Found, Photographs
from conlora_agent.backbone.nano.plot import Mark
from conlora_agent.backbone.nano.points import Line, Points, cell_of, find_lines, find_objects, from_place, onto
from conlora_agent.backbone.nano.reader import LineReader, Writing
from conlora_agent.backbone.nano.upper import UpperLayers
from conlora_agent.core.types import Box, Region
from conlora_agent.wording import Chart

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
TEXT_AREA = 1 << 18
"""Pixels of the view that text is looked for in, where the picture has more of them than its canvas."""
TEXT_SIDE = 8192
"""Pixels of the longest side of such a view."""
FEWEST_LINES = 2
"""What has fewer lines of text is no chart: an axis and a row of labels."""
LEVEL = 0.1
"""Lines turned by more (radians) are not looked at as parts of a chart."""
LARGER = 1.2
"""A view less than so many times larger than the canvas shows no more text."""
TEXT_GLYPHS = 1500
"""At most so many characters of such a view are looked at."""


@dataclass
class Closeup:
    """A picture in more detail than the canvas shows."""

    pixels: Tensor
    """(3, h, w) bytes"""
    place: Box = WHOLE
    """Where it lies on the canvas."""


@dataclass
class Sight:
    """All that is seen of a batch of pictures."""

    dense: DenseOutput
    points: list[Points]
    """Per picture the places worth a token; boxes are 0..1 of the canvas."""
    seen: list[Seen]
    """Per picture what its boxes hold, names as in photographs.vocabulary."""
    written: list[list[Writing]]
    """Per picture what its lines say."""
    charts: list[Chart | None]
    """Per picture the chart that it is, if any."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvases in pixels."""
        height, width = self.dense.heat.shape[-2:]
        return CELL * height, CELL * width

    def lines(self, row: int, place: Box) -> tuple[Region, ...]:
        """What can be read on one of the pictures, line by line; `place` is where it lies on its canvas."""
        height, width = self.size
        found = []
        for line, said in zip(self.points[row].lines, self.written[row], strict=True):
            box = onto(line.on(width, height), place)
            if said.legible and box[0] < box[2] and box[1] < box[3]:
                found.append(Region(label=said.text, box=box, score=said.confidence, line=True))
        return tuple(found)


class NanoVision(nn.Module):
    """Picture in, places and what they hold out. Pixels: (batch, 3, H, W), floats 0..1, sides multiples of 32."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.max_glyphs, self.max_objects = config.max_glyphs, config.max_objects
        self.photographs = Photographs(config.names)
        self.low = LowLayers(config.stem_size)
        self.upper = UpperLayers(config)
        self.heads = DenseHeads(config)
        self.edges = EdgeReader()
        self.look = SecondLook(config)
        self.reader = LineReader()
        self.columns = ColumnReader()

    def forward(self, pixels: Tensor, closeups: Sequence[Closeup] | None = None) -> Sight:
        """See a batch of pictures."""
        return self.see(self.low(pixels), closeups)

    def see(self, low: LowFeatures, closeups: Sequence[Closeup] | None = None) -> Sight:
        """The part that stacks adapt, from the part that is shared.

        `closeups`: the pictures in the detail that text is looked for and read in; by default as on the canvas.
        """
        dense = self.describe(low)
        points, written, photographed, charts = [], [], [], []
        height, width = low.pixels.shape[-2:]
        likely = self.photographs.likely(low.coarse) > 0
        for row, canvas in enumerate(low.pixels):
            closeup = closeups[row] if closeups else None
            view = None if closeup is None else self._lines(canvas, closeup)
            lines = find_lines(dense, row, self.max_glyphs) if view is None else view
            things = self._photographed(canvas, closeup) if likely[row] else None
            if things is None:
                moved = partial(self.edges.moved, self.low.trunk, canvas)
                found = Points(lines, *find_objects(dense, row, self.max_objects, moved))
            else:
                boxes = [thing.box for thing in things]
                found = Points(lines, [cell_of(box, width, height) for box in boxes], boxes)
            found.keep_together(width, height)
            detail, placed = _in_detail(canvas, found.lines, closeup) if found.lines else (canvas, [])
            said = self.reader.read(detail, placed) if placed else []
            if things is None:
                text = [line for line, one in zip(found.lines, said, strict=True) if one.legible]
                found.drop_letters(text, width, height)
            points.append(found)
            written.append(said)
            photographed.append(things)
            charts.append(self._chart(detail, placed, said) if things is None else None)
        known = [things is not None for things in photographed]
        seen = self.look(self.low.trunk, low.pixels, [found.boxes for found in points], known)
        seen = [self.photographs.named(*pair) for pair in zip(seen, photographed, strict=True)]
        return Sight(dense, points, seen, written, charts)

    def _photographed(self, canvas: Tensor, closeup: Closeup | None) -> list[Found]:
        """Things on a photograph, left to right, their boxes 0..1 of the canvas."""
        picture, place = (canvas, WHOLE) if closeup is None else (closeup.pixels.float() / 255, closeup.place)
        found = self.photographs(self.low.trunk, picture, self.max_objects)
        placed = (replace(thing, box=from_place(thing.box, place)) for thing in found)
        return sorted(placed, key=lambda thing: thing.box[0] + thing.box[2])

    @torch.no_grad()
    def _lines(self, canvas: Tensor, closeup: Closeup) -> list[Line] | None:
        """Lines of a canvas, found in a larger view of the closeup; None where no view would show more."""
        height, width = closeup.pixels.shape[-2:]
        shrink = min(1.0, (TEXT_AREA / (height * width)) ** 0.5, TEXT_SIDE / max(height, width))
        left, top, scale = _frame(canvas, closeup)
        scale /= shrink  # pixels of the canvas per pixel of the view
        if 1 / scale < LARGER:
            return None
        sides = [max(1, round(side * shrink)) for side in (height, width)]
        # In float32: antialiasing has no bf16 on a CPU.
        view = F.interpolate(closeup.pixels[None].float() / 255, sides, mode="bilinear", antialias=True)
        view = F.pad(view, (0, -sides[1] % COARSEST, 0, -sides[0] % COARSEST), mode="replicate").to(canvas.dtype)
        found = find_lines(self.describe(self.low(view)), 0, TEXT_GLYPHS)
        return [line.moved(-left / scale, -top / scale, scale) for line in found]

    def _chart(self, picture: Tensor, lines: list[Line], said: list[Writing]) -> Chart | None:
        """The chart that a picture (3, H, W; 0..1) with these lines shows; None if it is none."""
        if len(lines) < FEWEST_LINES:
            return None
        level = [pair for pair in zip(lines, said, strict=True) if pair[1].legible and abs(pair[0].angle) < LEVEL]
        return self.columns.read(picture, [Mark(one.text, line.box, line.height) for line, one in level])

    def describe(self, low: LowFeatures) -> DenseOutput:
        """Dense description alone, which pretraining trains."""
        out: DenseOutput = self.heads(low.fine, self.upper(low))
        return out


def _in_detail(canvas: Tensor, lines: list[Line], closeup: Closeup | None) -> tuple[Tensor, list[Line]]:
    """The picture (3, h, w; 0..1) in most detail, and lines of the canvas where they are on it."""
    if closeup is None:
        return canvas, lines
    left, top, scale = _frame(canvas, closeup)
    return closeup.pixels.float() / 255, [line.moved(left, top, 1 / scale) for line in lines]


def _frame(canvas: Tensor, closeup: Closeup) -> tuple[float, float, float]:
    """Where the closeup's corner lies on the canvas, and pixels of the canvas per pixel of the closeup.

    The latter comes from the longer side: both sides were rounded.
    """
    (height, width), (down, across) = canvas.shape[-2:], closeup.pixels.shape[-2:]
    x0, y0, x1, y1 = closeup.place
    return x0 * width, y0 * height, (x1 - x0) * width / across if across >= down else (y1 - y0) * height / down
