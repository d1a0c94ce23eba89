"""From dense outputs to the places worth a token: characters in reading order, objects with their boxes.

Geometry only, on one picture at a time, without gradients; the tokens themselves are made in tokens.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.nano.configuration import CELL, POINT
from conlora_agent.backbone.nano.dense import DenseOutput

GLYPH_FLOOR = 0.4
"""A character is there when "none" has less than 1 - GLYPH_FLOOR of the probability."""
OBJECT_FLOOR = 0.3
OVERLAP = 0.5
"""Of two objects overlapping by more (IoU), the less certain is dropped."""


@dataclass
class Line:
    """One line of text: glyph cells (indices into the flattened glyph grid), left to right."""

    cells: list[int]
    space_after: list[bool]
    box: tuple[float, float, float, float]
    """Pixels of the canvas."""


@dataclass
class Points:
    """What one picture holds."""

    lines: list[Line] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)
    """Cells of the flattened object grid, left to right."""
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    """One per object, 0..1 of the canvas."""


def find_points(out: DenseOutput, row: int, max_glyphs: int, max_objects: int) -> Points:
    """Places of picture `row` of a batch of dense outputs."""
    with torch.no_grad():
        lines = _lines(out.glyph[row].float(), out.shape[row].float(), max_glyphs)
        cells, boxes = _objects(out.heat[row].float(), out.box[row].float(), max_objects)
    return Points(lines, cells, boxes)


def _objects(heat: Tensor, distances: Tensor, most: int) -> tuple[list[int], list[tuple[float, float, float, float]]]:
    height, width = heat.shape
    score = heat.sigmoid()
    peak = F.max_pool2d(score[None, None], 3, 1, 1)[0, 0] == score
    cells = torch.nonzero((peak & (score > OBJECT_FLOOR)).flatten()).flatten().tolist()
    cells.sort(key=lambda c: -float(score.flatten()[c]))
    kept: list[tuple[int, tuple[float, float, float, float]]] = []
    for cell in cells:
        left, top, right, bottom = distances.flatten(0, 1)[cell].tolist()
        x, y = (cell % width + 0.5) * CELL, (cell // width + 0.5) * CELL
        box = (
            max(0.0, (x - left) / (width * CELL)),
            max(0.0, (y - top) / (height * CELL)),
            min(1.0, (x + right) / (width * CELL)),
            min(1.0, (y + bottom) / (height * CELL)),
        )
        if all(_iou(box, other) < OVERLAP for _, other in kept):
            kept.append((cell, box))
        if len(kept) == most:
            break
    kept.sort(key=lambda item: item[1][0] + item[1][2])
    return [cell for cell, _ in kept], [box for _, box in kept]


def _iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def _lines(logits: Tensor, shape: Tensor, most: int) -> list[Line]:
    grid_width = logits.shape[1]
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
    index, x, y, w, h, gap = index[keep], x[keep], y[keep], w[keep], h[keep], table[keep, 4] > 0
    lines = []
    for members in _chains(x, y, w, h):
        box = (
            float((x - w / 2)[members].min()),
            float((y - h / 2)[members].min()),
            float((x + w / 2)[members].max()),
            float((y + h / 2)[members].max()),
        )
        lines.append(Line(index[members].tolist(), gap[members].tolist(), box))
    return _reading_order(lines)


def _best_of_each(
    x: NDArray[np.float32], y: NDArray[np.float32], w: NDArray[np.float32], h: NDArray[np.float32]
) -> list[int]:
    """Positions that remain after dropping weaker detections of the same glyph; the input is sorted by score."""
    kept: list[int] = []
    for i in range(len(x)):
        near = (np.abs(x[kept] - x[i]) < 0.5 * np.minimum(w[kept], w[i]).clip(4)) & (
            np.abs(y[kept] - y[i]) < 0.5 * np.minimum(h[kept], h[i])
        )
        if not near.any():
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
    """Top to bottom; lines side by side (vertical overlap over half the smaller height) left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda item: item.box[1] + item.box[3]):
        top, bottom = line.box[1], line.box[3]
        for row in rows[-2:]:
            overlap = min(bottom, row[0].box[3]) - max(top, row[0].box[1])
            if overlap > 0.5 * min(bottom - top, row[0].box[3] - row[0].box[1]):
                row.append(line)
                break
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda item: item.box[0])]
