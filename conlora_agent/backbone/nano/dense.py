"""Dense heads of the mid layer: where characters and objects are, before any of them becomes a token.

Characters are found at their centres on an 8-pixel grid, objects at theirs on a 16-pixel grid (centre points: Zhou et
al. 2019, arXiv:1904.07850; distances to the four sides: FCOS, arXiv:1904.01355). Not covered here: what an object is
called (look.py), what a line says (reader.py) and how the places found turn into tokens (tokens.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.configuration import CELL, NanoConfig
from conlora_agent.backbone.nano.low import ChannelNorm

GLYPHS = 95
"""Classes of the glyph head: 0 is "none", then the 94 visible ASCII characters in code order."""
SHAPE = 5
"""Per glyph: centre offset x and y (in 8-pixel cells), log width, log height (of 16 pixels), space-follows logit."""


@dataclass
class DenseOutput:
    """Raw outputs of the heads; h, w = H/8, W/8 for glyphs and H/16, W/16 for objects."""

    glyph: Tensor
    """(batch, h, w, GLYPHS) logits."""
    shape: Tensor
    """(batch, h, w, SHAPE)"""
    heat: Tensor
    """(batch, h, w) logits: an object's centre is here."""
    box: Tensor
    """(batch, h, w, 4) distances from the cell's centre to left, top, right, bottom, in pixels."""
    object_feature: Tensor
    """(batch, h, w, size)"""


class DenseHeads(nn.Module):
    """Classifiers and regressors over the upper layers' output (and the fine stream, for glyphs)."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        size, stem = config.vision_size, config.stem_size
        self.glyph_up = nn.Linear(size, 4 * stem)
        self.glyph_skip = nn.Linear(stem, stem)
        self.glyph_mix = nn.Conv2d(stem, stem, 3, padding=1)
        self.glyph_norm = ChannelNorm(stem)
        self.glyph = nn.Linear(stem, GLYPHS)
        self.shape = nn.Linear(stem, SHAPE)
        self.object_mix = nn.Linear(size, size)
        self.object_norm = nn.LayerNorm(size)
        self.heat = nn.Linear(size, 1)
        self.box = nn.Linear(size, 4)
        nn.init.constant_(self.heat.bias, -3.0)

    def forward(self, fine: Tensor, grid: Tensor) -> DenseOutput:
        """`fine` (batch, stem, H/8, W/8) of the low layers, `grid` (batch, size, H/16, W/16) of the upper ones."""
        cells = grid.permute(0, 2, 3, 1)
        up = F.pixel_shuffle(self.glyph_up(cells).permute(0, 3, 1, 2), 2)
        skip = self.glyph_skip(fine.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = F.gelu(up + skip).contiguous(memory_format=torch.channels_last)
        glyphs = F.gelu(self.glyph_norm(x + self.glyph_mix(x))).permute(0, 2, 3, 1)
        object_feature = F.gelu(self.object_norm(cells + self.object_mix(cells)))
        return DenseOutput(
            glyph=self.glyph(glyphs),
            shape=self.shape(glyphs),
            heat=self.heat(object_feature).squeeze(-1),
            box=F.softplus(self.box(object_feature).float()) * CELL,
            object_feature=object_feature,
        )
