"""Where the objects that the first look finds really end.

The first look (dense.py) gives a box from one vector, at 16 pixels a cell. Each box is cut out with more around it,
enlarged to a square and shown to the trunk again, and a small network moves its four edges (as in a cascade: Cai &
Vasconcelos 2018, arXiv:1712.00726). The second look (look.py) then sees all of a thing and a rim around it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.look import CHANNELS, SIDE, crops, seen_below, square
from conlora_agent.backbone.nano.low import Trunk
from conlora_agent.core.types import Box

AROUND = 0.25
"""Surroundings shown on each side of a box, as a share of its longer side."""
CELLS = SIDE // 16
"""Cells of the trunk's features in each direction of the square."""


class EdgeReader(nn.Module):
    """Moves the edges of boxes to where the objects in them end."""

    def __init__(self, size: int = 48) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS + 1, size, 1)
        self.mix = nn.ModuleList(nn.Conv2d(size, size, 3, padding=1) for _ in range(2))
        # Left and right from what is in each column, top and bottom from what is in each row.
        self.across, self.down = (nn.Linear(2 * size * CELLS, 2) for _ in range(2))
        for part in (self.across, self.down):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, features: Tensor, boxes: Tensor) -> Tensor:
        """Boxes (objects, 4), 0..1 of their squares, moved; `features` (objects, CHANNELS, CELLS, CELLS)."""
        x = F.gelu(self.enter(torch.cat([features, covered(boxes).to(features.dtype)], 1)))
        for layer in self.mix:
            x = x + F.gelu(layer(x))
        sides = [
            part(torch.cat([x.mean(along), x.amax(along)], 1).flatten(1))
            for part, along in ((self.across, 2), (self.down, 3))
        ]
        return boxes + torch.stack(sides, -1).flatten(1).float()

    @torch.no_grad()
    def moved(self, trunk: Trunk, picture: Tensor, boxes: Sequence[Box]) -> list[Box]:
        """Boxes 0..1 of `picture` (3, H, W; 0..1), each ending where its object does."""
        if not boxes:
            return []
        height, width = picture.shape[-2:]
        features = seen_below(trunk, crops(picture, boxes, AROUND))
        frames = [square(box, width, height, AROUND) for box in boxes]
        given = [into(box, frame, width, height) for box, frame in zip(boxes, frames, strict=True)]
        placed = self(features, torch.tensor(given, device=features.device)).tolist()
        found = (out_of(box, frame, width, height) for box, frame in zip(placed, frames, strict=True))
        return [new if new[0] < new[2] and new[1] < new[3] else old for new, old in zip(found, boxes, strict=True)]


def into(box: Box, frame: tuple[float, float, float], width: int, height: int) -> Box:
    """A box 0..1 of a picture as a box 0..1 of a square of it, given in pixels as left, top and side."""
    left, top, side = frame
    x0, y0, x1, y1 = box
    return (
        (x0 * width - left) / side,
        (y0 * height - top) / side,
        (x1 * width - left) / side,
        (y1 * height - top) / side,
    )


def out_of(box: Sequence[float], frame: tuple[float, float, float], width: int, height: int) -> Box:
    """The reverse of `into`, cut off at the picture's edges."""
    left, top, side = frame
    xs = [min(1.0, max(0.0, (left + x * side) / width)) for x in box[::2]]
    ys = [min(1.0, max(0.0, (top + y * side) / height)) for y in box[1::2]]
    return xs[0], ys[0], xs[1], ys[1]


def covered(boxes: Tensor) -> Tensor:
    """How much of each cell of its square a box covers, (objects, 1, CELLS, CELLS)."""
    cells = torch.arange(CELLS, device=boxes.device, dtype=boxes.dtype)

    def along(low: Tensor, high: Tensor) -> Tensor:
        first, last = CELLS * low[:, None], CELLS * high[:, None]
        return (torch.minimum(last, cells + 1) - torch.maximum(first, cells)).clamp(min=0)

    x0, y0, x1, y1 = boxes.unbind(1)
    return (along(y0, y1)[:, :, None] * along(x0, x1)[:, None])[:, None]
