"""The seeing half of `nano`: low layers, upper layers and dense heads in one module, as pretraining trains them."""

from __future__ import annotations

from torch import Tensor, nn

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.dense import DenseHeads, DenseOutput
from conlora_agent.backbone.nano.low import LowFeatures, LowLayers
from conlora_agent.backbone.nano.upper import UpperLayers


class NanoVision(nn.Module):
    """Picture in, dense description out. Pixels: (batch, 3, H, W), floats 0..1, sides multiples of 32."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.low = LowLayers(config.stem_size)
        self.upper = UpperLayers(config)
        self.heads = DenseHeads(config)

    def forward(self, pixels: Tensor) -> DenseOutput:
        """Dense description of a batch of pictures."""
        return self.describe(self.low(pixels))

    def describe(self, low: LowFeatures) -> DenseOutput:
        """The part that stacks adapt, from the part that is shared."""
        out: DenseOutput = self.heads(low.fine, self.upper(low))
        return out
