"""Reads charts: how high the datum above each label is, and what that stands for.

The column above a label is cut out of the picture at full resolution, brought to one size and shown to a small
convolutional network, which says at which row the datum is: the upper edge of a bar, the middle of a line or a dot.
Where the axis and the labels are is found by plot.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.plot import Mark, Plot, find_plots, title_of
from conlora_agent.wording import Chart, with_unit

ROWS, ACROSS = 160, 32
"""Size of a column as it is shown."""
AROUND = 0.75
"""It shows so many times the distance of two labels to either side of its own: a little of its neighbours."""
NEAR = 2
"""The datum is the mean of so many rows around the likeliest, weighted by their chances."""
SURE, ANY = 0.5, 0.6
"""A column's datum is given from this chance on; what has a datum in fewer of its columns than ANY is no chart."""
AGREE = 0.15
"""A number that stands in a column is the datum's if it differs from what is seen there by less of the axis."""
FINE = 10
"""Values read off are rounded to a power of ten that goes so often, or more, into the distance of two ticks."""


class ColumnReader(nn.Module):
    """Reads the columns of charts."""

    def __init__(self, size: int = 48) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.Conv2d(4, 16, 3, (1, 2), 1),
            nn.GELU(),
            nn.Conv2d(16, 32, 3, (1, 2), 1),
            nn.GELU(),
            nn.Conv2d(32, 32, 3, (1, 2), 1),
            nn.GELU(),
        )
        self.join = nn.Conv1d(32 * ACROSS // 8, size, 1)
        self.along = nn.ModuleList(
            nn.Conv1d(size, size, 3, padding=reach, dilation=reach) for reach in (1, 2, 4, 8, 16, 32)
        )
        self.row = nn.Conv1d(size, 1, 1)
        self.none = nn.Linear(2 * size, 1)

    def forward(self, shown: Tensor) -> Tensor:
        """Logits (columns, ROWS + 1) that the datum is at a row, from the top, or (the last) that there is none.

        `shown`: (columns, 4, ROWS, ACROSS), colours 0..1 and which rows stand for more than zero.
        """
        x = F.gelu(self.join(self.enter(shown).transpose(1, 2).flatten(2).transpose(1, 2)))
        for layer in self.along:
            x = x + F.gelu(layer(x))
        none = self.none(torch.cat([x.mean(-1), x.amax(-1)], -1))
        return torch.cat([self.row(x).squeeze(1), none], -1)

    @torch.no_grad()
    def read(self, picture: Tensor, marks: Sequence[Mark]) -> Chart | None:
        """What `picture` (3, H, W; 0..1), on which `marks` are written, shows if it is a chart."""
        for plot in find_plots(marks, picture.shape[-1]):
            values = plot.written if plot.exact else self._values(picture, plot)
            if values is not None:
                top = plot.middles[0] if plot.turned else min(tick.y for tick in plot.scale.ticks)
                return Chart(title_of(marks, top), plot.labels, tuple(said(value, plot) for value in values))
        return None

    def _values(self, picture: Tensor, plot: Plot) -> tuple[float | None, ...] | None:
        """The value of each column, None for one that cannot be made out; None if most cannot."""
        weight = self.row.weight
        places, sure = datum(self(columns(picture, plot).to(weight.dtype)).float())
        if float((sure > SURE).float().mean()) < ANY:
            return None
        tall, scale = plot.bottom - plot.top, plot.scale
        span = abs(scale.slope) * tall
        values: list[float | None] = []
        for place, chance, written in zip(places.tolist(), sure.tolist(), plot.written, strict=True):
            seen = scale.value(plot.top + place / ROWS * tall)
            if written is not None and (chance < SURE or abs(written - seen) < AGREE * span):
                values.append(written)
            else:
                values.append(rounded(seen, scale.step) if chance >= SURE else None)
        return tuple(values)


def columns(picture: Tensor, plot: Plot) -> Tensor:
    """What ColumnReader looks at, (columns, 4, ROWS, ACROSS), of a picture (3, H, W; 0..1)."""
    upright = picture.transpose(1, 2).flip(1) if plot.turned else picture
    zero = plot.scale.height(0.0)
    return torch.stack([column(upright, x, plot.pitch, plot.top, plot.bottom, zero) for x in plot.middles])


def column(picture: Tensor, middle: float, pitch: float, top: float, bottom: float, zero: float) -> Tensor:
    """One column (4, ROWS, ACROSS) of an upright chart; lengths in pixels, `zero` is the height of nothing."""
    height, width = picture.shape[-2:]
    top, bottom = max(0, round(top)), min(height, max(round(top) + 2, round(bottom)))
    left, right = (
        round(middle - AROUND * pitch),
        max(round(middle + AROUND * pitch), round(middle - AROUND * pitch) + 2),
    )
    inside = picture[:, top:bottom, max(0, left) : min(width, right)].float()
    beyond = (max(0, -left), max(0, right - width), 0, 0)
    inside = F.pad(inside[None], beyond, mode="replicate") if any(beyond) else inside[None]
    seen = F.interpolate(inside, (ROWS, ACROSS), mode="bilinear", antialias=True)[0]
    rows = top + (torch.arange(ROWS, device=seen.device) + 0.5) / ROWS * (bottom - top)
    return torch.cat([seen, (rows < zero).to(seen.dtype)[None, :, None].expand(1, ROWS, ACROSS)])


def datum(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Where the datum is (columns,), 0..ROWS from the top, and the chance of it, from ColumnReader's logits."""
    chance = logits.softmax(-1)[:, :ROWS]
    best = chance.argmax(-1, keepdim=True)
    near = (best + torch.arange(-NEAR, NEAR + 1, device=logits.device)).clamp(0, ROWS - 1)
    share = chance.gather(1, near)
    total = share.sum(-1).clamp(min=1e-9)
    return (share * (near + 0.5)).sum(-1) / total, total.clamp(max=1)


def rounded(value: float, step: float) -> float:
    """A value read off an axis with a tick every `step`."""
    return round(value, -math.floor(math.log10(step / FINE) + 1e-9))


def said(value: float | None, plot: Plot) -> str | None:
    """A value as the axis says it."""
    return None if value is None else with_unit(value, plot.scale.unit)
