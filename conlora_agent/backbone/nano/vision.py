"""The seeing half of `nano`: low layers, upper layers, dense heads and the second look, in one module."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.dense import DenseHeads, DenseOutput
from conlora_agent.backbone.nano.look import SecondLook, Seen
from conlora_agent.backbone.nano.low import LowFeatures, LowLayers
from conlora_agent.backbone.nano.points import Points, find_points
from conlora_agent.backbone.nano.upper import UpperLayers


@dataclass
class Sight:
    """All that is seen of a batch of pictures."""

    dense: DenseOutput
    points: list[Points]
    """Per picture the places worth a token; boxes are 0..1 of the canvas."""
    seen: list[Seen]
    """Per picture what its boxes hold."""


class NanoVision(nn.Module):
    """Picture in, places and what they hold out. Pixels: (batch, 3, H, W), floats 0..1, sides multiples of 32."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.max_glyphs, self.max_objects = config.max_glyphs, config.max_objects
        self.low = LowLayers(config.stem_size)
        self.upper = UpperLayers(config)
        self.heads = DenseHeads(config)
        self.look = SecondLook(config)

    def forward(self, pixels: Tensor) -> Sight:
        """See a batch of pictures."""
        return self.see(self.low(pixels))

    def see(self, low: LowFeatures) -> Sight:
        """The part that stacks adapt, from the part that is shared."""
        dense = self.describe(low)
        points = [find_points(dense, row, self.max_glyphs, self.max_objects) for row in range(len(dense.heat))]
        seen = self.look(self.low.trunk, low.pixels, [found.boxes for found in points])
        return Sight(dense, points, seen)

    def describe(self, low: LowFeatures) -> DenseOutput:
        """Dense description alone, which pretraining trains."""
        out: DenseOutput = self.heads(low.fine, self.upper(low))
        return out
