"""From dense outputs to the places worth a token: characters in reading order, objects with their boxes.

Geometry only, on one picture at a time, without gradients; the tokens themselves are made in tokens.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.nano.configuration import CELL, POINT
from conlora_agent.backbone.nano.dense import DenseOutput
from conlora_agent.core.types import Box

GLYPH_FLOOR = 0.25
"""A character is there when "none" has less than 1 - GLYPH_FLOOR of the probability."""
OBJECT_FLOOR = 0.3
LETTER = 0.7
"""An object of which so much lies in a line of text is a letter of it."""
LONG = 3
"""A line longer than so many heights says how the page is turned."""
OVERLAP = 0.5
"""Of two objects overlapping by more (IoU), the less certain is dropped."""
Moved = Callable[[list[Box]], list[Box]]
"""Boxes 0..1 of the canvas, each put right."""


@dataclass
class Line:
    """One line of text as a rectangle that may be turned; lengths in pixels of the picture it is on."""

    centre: tuple[float, float]
    length: float
    height: float
    angle: float
    """Radians; positive where the line falls to the right."""

    @property
    def box(self) -> Box:
        """The upright box around it."""
        cos, sin = abs(math.cos(self.angle)), abs(math.sin(self.angle))
        x, y = (self.length * cos + self.height * sin) / 2, (self.length * sin + self.height * cos) / 2
        return self.centre[0] - x, self.centre[1] - y, self.centre[0] + x, self.centre[1] + y

    def on(self, width: int, height: int) -> Box:
        """The upright box, 0..1 of a canvas of this size."""
        left, top, right, bottom = self.box
        return left / width, top / height, right / width, bottom / height

    def moved(self, left: float, top: float, scale: float) -> Line:
        """The same line in a picture whose corner is at (left, top) and that shows everything `scale` times larger."""
        centre = (self.centre[0] - left) * scale, (self.centre[1] - top) * scale
        return Line(centre, self.length * scale, self.height * scale, self.angle)


@dataclass
class Points:
    """What one picture holds."""

    lines: list[Line] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)
    """Cells of the flattened object grid, left to right."""
    boxes: list[Box] = field(default_factory=list)
    """One per object, 0..1 of the canvas."""

    def lines_on(self, width: int, height: int) -> list[list[int]]:
        """For each object the lines that lie on it: on the smallest box, of a canvas of this size, that holds them."""
        found: list[list[int]] = [[] for _ in self.boxes]
        for number, line in enumerate(self.lines):
            x, y = line.centre[0] / width, line.centre[1] / height
            around = [
                ((x1 - x0) * (y1 - y0), i)
                for i, (x0, y0, x1, y1) in enumerate(self.boxes)
                if x0 < x < x1 and y0 < y < y1
            ]
            if around:
                found[min(around)[1]].append(number)
        return found

    def drop_letters(self, read: list[Line], width: int, height: int) -> None:
        """Forget objects that are part of a line that could be read, on a canvas of this size: letters, no things."""
        lines = [line.on(width, height) for line in read]
        kept = [i for i, box in enumerate(self.boxes) if all(_share(box, line) < LETTER for line in lines)]
        self.objects, self.boxes = [self.objects[i] for i in kept], [self.boxes[i] for i in kept]

    def keep_together(self, width: int, height: int) -> None:
        """Let lines on one object follow one another, where the first of them stands in reading order."""
        owner = {line: i for i, some in enumerate(self.lines_on(width, height)) for line in some}
        # A line on no object parts what stands before it from what follows: a page is not torn by what is found on it.
        groups: dict[tuple[int, int], list[Line]] = {}
        part = 0
        for number, line in enumerate(self.lines):
            part += number not in owner
            groups.setdefault((part, owner.get(number, -1)), []).append(line)
            part += number not in owner
        self.lines = [line for group in groups.values() for line in group]


def onto(box: Box, place: Box) -> Box:
    """A box of the canvas as a box of the picture that lies at `place` on it."""
    x0, y0, x1, y1 = place
    xs, ys = [(x - x0) / (x1 - x0) for x in box[::2]], [(y - y0) / (y1 - y0) for y in box[1::2]]
    return max(0.0, xs[0]), max(0.0, ys[0]), min(1.0, xs[1]), min(1.0, ys[1])


def from_place(box: Box, place: Box) -> Box:
    """A box of the picture that lies at `place` on a canvas as a box of that canvas."""
    x0, y0, x1, y1 = place
    xs, ys = [x0 + x * (x1 - x0) for x in box[::2]], [y0 + y * (y1 - y0) for y in box[1::2]]
    return xs[0], ys[0], xs[1], ys[1]


def cell_of(box: Box, width: int, height: int) -> int:
    """The cell of the flattened object grid, of a canvas of this size, that the middle of a box (0..1) is in."""
    columns, rows = width // CELL, height // CELL
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return min(rows - 1, int(y * rows)) * columns + min(columns - 1, int(x * columns))


@torch.no_grad()
def find_lines(out: DenseOutput, row: int, most: int) -> list[Line]:
    """Lines of text of picture `row` of a batch of dense outputs, of at most so many characters, in reading order."""
    return _lines(out.glyph[row].float(), out.shape[row].float(), most)


@torch.no_grad()
def find_objects(out: DenseOutput, row: int, most: int, moved: Moved) -> tuple[list[int], list[Box]]:
    """Cells and boxes (0..1 of the canvas) of at most so many objects, left to right; `moved` puts boxes right."""
    return _objects(out.heat[row].float(), out.box[row].float(), most, moved)


def _objects(heat: Tensor, distances: Tensor, most: int, moved: Moved) -> tuple[list[int], list[Box]]:
    height, width = heat.shape
    score = heat.sigmoid()
    peak = F.max_pool2d(score[None, None], 3, 1, 1)[0, 0] == score
    cells = torch.nonzero((peak & (score > OBJECT_FLOOR)).flatten()).flatten().tolist()
    cells.sort(key=lambda c: -float(score.flatten()[c]))
    found = ((cell, _box(cell, distances.flatten(0, 1)[cell].tolist(), width, height)) for cell in cells)
    kept = list(islice(_apart(found), most))
    placed = moved([box for _, box in kept])
    # What was found twice is now seen to be one.
    apart = sorted(
        _apart((cell, box) for (cell, _), box in zip(kept, placed, strict=True)),
        key=lambda item: item[1][0] + item[1][2],
    )
    return [cell for cell, _ in apart], [box for _, box in apart]


def _box(cell: int, distances: list[float], width: int, height: int) -> Box:
    """The box, 0..1 of a canvas of so many cells, whose sides lie at these distances from a cell's middle."""
    left, top, right, bottom = distances
    x, y = (cell % width + 0.5) * CELL, (cell // width + 0.5) * CELL
    return (
        max(0.0, (x - left) / (width * CELL)),
        max(0.0, (y - top) / (height * CELL)),
        min(1.0, (x + right) / (width * CELL)),
        min(1.0, (y + bottom) / (height * CELL)),
    )


def _apart(found: Iterable[tuple[int, Box]]) -> Iterator[tuple[int, Box]]:
    """Of boxes that overlap, the first; the surer ones come first."""
    kept: list[Box] = []
    for cell, box in found:
        if all(iou(box, other) < OVERLAP for other in kept):
            kept.append(box)
            yield cell, box


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _common(a: Box, b: Box) -> float:
    """Area that two boxes share."""
    return _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def _share(a: Box, b: Box) -> float:
    """How much of `a` lies in `b`."""
    return _common(a, b) / max(1e-9, _area(a))


def iou(a: Box, b: Box) -> float:
    """Intersection over union."""
    common = _common(a, b)
    return common / (_area(a) + _area(b) - common) if common else 0.0


def _lines(logits: Tensor, shape: Tensor, most: int) -> list[Line]:
    logits, shape, grid_width = logits.cpu(), shape.cpu(), logits.shape[1]
    there = 1 - logits.softmax(-1)[..., 0].flatten()
    score, cells = there.topk(min(2 * most, len(there)))
    cells, score = cells[score > GLYPH_FLOOR], score[score > GLYPH_FLOOR]
    if not len(cells):
        return []
    table = shape.flatten(0, 1)[cells].numpy()
    index = cells.numpy()
    x = (index % grid_width + 0.5 + table[:, 0]) * POINT
    y = (index // grid_width + 0.5 + table[:, 1]) * POINT
    w, h = 16 * np.exp(table[:, 2].clip(-3, 3)), 16 * np.exp(table[:, 3].clip(-2, 3))
    keep = _best_of_each(x, y, w, h)[:most]
    x, y, w, h = x[keep], y[keep], w[keep], h[keep]
    return _reading_order([line_of(x[m], y[m], w[m], h[m]) for m in _chains(x, y, w, h)])


def line_of(x: NDArray[np.float32], y: NDArray[np.float32], w: NDArray[np.float32], h: NDArray[np.float32]) -> Line:
    """The rectangle around glyphs given by centres, widths and heights, left to right."""
    reach = float(x[-1] - x[0])
    # Heights differ (a comma, a capital), so a short run of glyphs says little about the slope.
    slope = float(np.polyfit(x, y, 1)[0]) if reach > LONG * float(h.mean()) else 0.0
    angle = math.atan(slope)
    cos, sin = math.cos(angle), math.sin(angle)
    along, across = x * cos + y * sin, y * cos - x * sin
    left, right = float((along - w / 2).min()), float((along + w / 2).max())
    top, bottom = float((across - h / 2).min()), float((across + h / 2).max())
    middle, level = (left + right) / 2, (top + bottom) / 2
    return Line((middle * cos - level * sin, middle * sin + level * cos), right - left, bottom - top, angle)


def _best_of_each(
    x: NDArray[np.float32], y: NDArray[np.float32], w: NDArray[np.float32], h: NDArray[np.float32]
) -> list[int]:
    """Positions that remain after dropping weaker detections of the same glyph; the input is sorted by score."""
    kept: list[int] = []
    # The kept ones stand packed at the front of these, so that nothing is gathered anew for every candidate.
    xs, ys, ws, hs = (np.empty_like(values) for values in (x, y, w, h))
    for i in range(len(x)):
        n = len(kept)
        near = (np.abs(xs[:n] - x[i]) < 0.5 * np.minimum(ws[:n], w[i]).clip(4)) & (
            np.abs(ys[:n] - y[i]) < 0.5 * np.minimum(hs[:n], h[i])
        )
        if not near.any():
            xs[n], ys[n], ws[n], hs[n] = x[i], y[i], w[i], h[i]
            kept.append(i)
    return kept


def _chains(
    x: NDArray[np.float32], y: NDArray[np.float32], w: NDArray[np.float32], h: NDArray[np.float32]
) -> list[NDArray[np.intp]]:
    """Group glyphs into lines by linking each to its nearest neighbour on the right; members left to right."""
    successor = np.full(len(x), -1)
    for i in range(len(x)):
        dx = x - x[i]
        tall = np.minimum(h, h[i])
        ok = (dx > 0) & (dx - (w + w[i]) / 2 < 1.2 * tall) & (np.abs(y - y[i]) < 0.35 * tall)
        ok &= np.maximum(h, h[i]) < 2 * tall
        if ok.any():
            successor[i] = int(np.argmin(np.where(ok, dx + 2 * np.abs(y - y[i]), np.inf)))
    group = list(range(len(x)))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for i, j in enumerate(successor):
        if j >= 0:
            group[root(i)] = root(int(j))
    roots = np.array([root(i) for i in range(len(x))])
    return [m[np.argsort(x[m])] for m in (np.flatnonzero(roots == r) for r in np.unique(roots))]


def _reading_order(lines: list[Line]) -> list[Line]:
    """Top to bottom; lines side by side (vertical overlap over half the smaller height) left to right.

    Seen level: a page that is turned would seem to have all of its lines side by side.
    """
    slants = [line.angle for line in lines if line.length > LONG * line.height]
    angle = float(np.median(slants)) if slants else 0.0
    cos, sin = math.cos(angle), math.sin(angle)

    def level(line: Line) -> tuple[float, float, float]:
        """Left end, top, bottom."""
        x, y = line.centre[0] * cos + line.centre[1] * sin, line.centre[1] * cos - line.centre[0] * sin
        return x - line.length / 2, y - line.height / 2, y + line.height / 2

    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda item: sum(level(item)[1:])):
        _, top, bottom = level(line)
        for row in rows[-2:]:
            _, first, last = level(row[0])
            if min(bottom, last) - max(top, first) > 0.5 * min(bottom - top, last - first):
                row.append(line)
                break
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda item: level(item)[0])]
