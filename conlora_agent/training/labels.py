"""Turns a drawn Sample into dense label grids for the mid layer's heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conlora_agent.backbone.nano.configuration import CELL, POINT
from conlora_agent.training.draw.sample import Sample


@dataclass
class DenseLabels:
    """Grids for one picture; (h, w) = (H/8, W/8) for glyphs, (H/16, W/16) for objects."""

    glyph: NDArray[np.int64]
    """(h, w) class, 0 = none."""
    shape: NDArray[np.float32]
    """(5, h, w) as in dense.SHAPE, NaN where no glyph is near."""
    heat: NDArray[np.float32]
    """(h, w) 1 at an object's centre cell, falling off around it."""
    box: NDArray[np.float32]
    """(4, h, w) distances in pixels, NaN away from objects."""


def dense_labels(sample: Sample) -> DenseLabels:
    """Labels of every grid cell of `sample`, whose sides must be multiples of 32 pixels."""
    height, width = sample.picture.shape[:2]
    glyph, shape = _glyph_grids(sample, height // POINT, width // POINT)
    heat, box = _object_grids(sample, height // CELL, width // CELL)
    return DenseLabels(glyph, shape, heat, box)


def _glyph_grids(sample: Sample, h: int, w: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    glyph = np.zeros((h, w), np.int64)
    shape = np.full((5, h, w), np.nan, np.float32)
    rows = [
        (g.x, g.y, g.width, g.height, ord(g.char) - 32, float(i + 1 < len(line.glyphs) and _space_after(line.text, i)))
        for line in sample.lines
        for i, g in enumerate(line.glyphs)
    ]
    if not rows:
        return glyph, shape
    table = np.array(rows, np.float32)
    x, y = table[:, 0] / POINT, table[:, 1] / POINT
    ix, iy = np.floor(x).astype(int), np.floor(y).astype(int)
    log_w, log_h = np.log(np.maximum(table[:, 2], 2) / 16), np.log(table[:, 3] / 16)
    # Neighbours learn the way to the centre too, so that two cells that both fire agree where the glyph is.
    steps = sorted(((dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)), key=lambda d: -abs(d[0]) - abs(d[1]))
    for dx, dy in steps:
        cx, cy = ix + dx, iy + dy
        ok = (cx >= 0) & (cx < w) & (cy >= 0) & (cy < h)
        cells = (cy[ok], cx[ok])
        shape[0][cells], shape[1][cells] = x[ok] - cx[ok] - 0.5, y[ok] - cy[ok] - 0.5
        shape[2][cells], shape[3][cells], shape[4][cells] = log_w[ok], log_h[ok], table[ok, 5]
    ok = (ix >= 0) & (ix < w) & (iy >= 0) & (iy < h)
    glyph[iy[ok], ix[ok]] = table[ok, 4].astype(np.int64)
    return glyph, shape


def _space_after(text: str, visible: int) -> bool:
    """Whether a space follows the visible character number `visible` of `text`."""
    seen = -1
    for i, char in enumerate(text):
        seen += char != " "
        if seen == visible:
            return text[i + 1 : i + 2] == " "
    return False


def _object_grids(sample: Sample, h: int, w: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    heat, box = np.zeros((h, w), np.float32), np.full((4, h, w), np.nan, np.float32)
    ys, xs = (np.arange(h) + 0.5)[:, None] * CELL, (np.arange(w) + 0.5)[None] * CELL
    # Large objects first, so that a small one in front keeps its cells.
    for item in sorted(sample.objects, key=lambda o: -(o.box[2] - o.box[0]) * (o.box[3] - o.box[1])):
        x0, y0, x1, y1 = item.box
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        spread_x, spread_y = max(CELL * 0.6, (x1 - x0) * 0.12), max(CELL * 0.6, (y1 - y0) * 0.12)
        bump = np.exp(-(((xs - cx) / spread_x) ** 2 + ((ys - cy) / spread_y) ** 2) / 2).astype(np.float32)
        ix, iy = int(np.clip(cx // CELL, 0, w - 1)), int(np.clip(cy // CELL, 0, h - 1))
        heat = np.maximum(heat, bump)
        heat[iy, ix] = 1.0
        near = bump > 0.5
        near[iy, ix] = True
        for k, distance in enumerate((xs - x0 + 0 * ys, ys - y0 + 0 * xs, x1 - xs + 0 * ys, y1 - ys + 0 * xs)):
            box[k][near] = np.maximum(distance[near], 0.5)
    return heat, box
