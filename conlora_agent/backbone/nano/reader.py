"""A closer look at each line of text: what is written there, character by character.

The first look (dense.py) finds where characters are; at its 8 pixels a cell, small or ornate ones cannot be told apart.
Each line is cut out of the picture at full resolution, turned level, brought to HEIGHT pixels and read from left to
right. Like the trunk of low.py this is a packaged part, and frozen: PP-OCRv4's mobile recogniser (PP-LCNetV3 and SVTR,
Du et al. 2022, arXiv:2206.03001; Apache 2.0), its classifier cut down to visible ASCII and the space. Training it
further on drawn lines made it worse on real ones (docs/experiments.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.points import Line

HEIGHT = 48
"""Height in pixels of a line as it is read."""
WIDTHS = 32
"""Lines are stretched to multiples of so many pixels, so that some share a batch without padding."""
LONGEST = 3072
"""Longer lines are squeezed to so many pixels."""
TOGETHER = 32
"""At most so many lines are read at once."""
ENDS = 0.25
"""Surroundings shown at either end, in line heights."""
LEGIBLE = 0.5
"""Mean probability of a line's characters below which it is no text."""
SPACED = 0.05
"""What the space's probabilities between two characters must add up to. On 430 drawn lines of the training split 93% of
the spaces are found (45% where it must be the likeliest), and one in 250 other pairs of characters is parted."""
SPACE = 95
CLASSES = 96
"""0 is "nothing new" (blank), 1 to 94 visible ASCII in code order, then the space."""

# (kernel, stride, input channels, output channels, squeeze and excitation) of PP-LCNetV3 x0.95 for reading.
BLOCKS = (
    (3, (1, 1), 16, 32, False),
    (3, (1, 1), 32, 64, False),
    (3, (1, 1), 64, 64, False),
    (3, (2, 1), 64, 128, False),
    (3, (1, 1), 128, 128, False),
    (3, (1, 2), 128, 240, False),
    (5, (1, 1), 240, 240, False),
    (5, (1, 1), 240, 240, False),
    (5, (1, 1), 240, 240, False),
    (5, (1, 1), 240, 240, False),
    (5, (2, 1), 240, 480, True),
    (5, (1, 1), 480, 480, True),
    (5, (2, 1), 480, 480, False),
    (5, (1, 1), 480, 480, False),
)
WIDTH = BLOCKS[-1][3]
MIXED = 120
"""Width of the layers above the trunk."""


@dataclass
class Writing:
    """One line as read."""

    chances: Tensor
    """(characters, CLASSES - 1): probabilities of visible ASCII and the space, blank left out."""

    @property
    def text(self) -> str:
        """The likeliest characters, without spaces at the ends."""
        return "".join(character(int(k) + 1) for k in self.chances.argmax(-1)).strip()

    @property
    def legible(self) -> bool:
        """Whether it is text at all."""
        return bool(self.text) and self.confidence >= LEGIBLE

    @property
    def confidence(self) -> float:
        """Mean probability of the likeliest characters, spaces apart; 0 where nothing was read."""
        sure, likeliest = self.chances.max(-1)
        seen = sure[likeliest != SPACE - 1]
        return float(seen.mean()) if len(seen) else 0.0


def character(label: int) -> str:
    """What a class other than the blank stands for."""
    return " " if label == SPACE else chr(32 + label)


class ActConv(nn.Module):
    """Convolution, hard swish, and a scale and shift for all channels together."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: tuple[int, int] = (1, 1), groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        self.affine = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, H, W) to (batch, outputs, H/stride, W/stride)."""
        y: Tensor = F.hardswish(self.conv(x)) * self.affine[0] + self.affine[1]
        return y


class Excitation(nn.Module):
    """Channels weighted by what the whole line shows (Hu et al. 2018, arXiv:1709.01507)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(size, size // 4, 1)
        self.up = nn.Conv2d(size // 4, size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        weight: Tensor = self.up(F.relu(self.down(x.mean((2, 3), keepdim=True))))
        return x * (weight / 6 + 0.5).clamp(0, 1)


class ReaderTrunk(nn.Module):
    """Lines (batch, 3, HEIGHT, W), values -1..1, blue first, to features (batch, WIDTH, 1, W/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        parts: list[nn.Module] = []
        for kernel, stride, inputs, outputs, excited in BLOCKS:
            parts.append(ActConv(inputs, inputs, kernel, stride, groups=inputs))
            if excited:
                parts.append(Excitation(inputs))
            parts.append(ActConv(inputs, outputs, 1))
        self.parts = nn.Sequential(*parts)

    def forward(self, lines: Tensor) -> Tensor:
        """See the class."""
        x: Tensor = self.parts(self.stem(lines))
        return F.avg_pool2d(x, (3, 2))


class MixLayer(nn.Module):
    """Pre-norm transformer layer along the line."""

    def __init__(self, size: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(size)
        self.qkv_proj = nn.Linear(size, 3 * size)
        self.o_proj = nn.Linear(size, size)
        self.mlp_norm = nn.LayerNorm(size)
        self.up_proj = nn.Linear(size, 2 * size)
        self.down_proj = nn.Linear(2 * size, size)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, size) in and out."""
        q, k, v = self.qkv_proj(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.o_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        y: Tensor = x + self.down_proj(F.silu(self.up_proj(self.mlp_norm(x))))
        return y


class LineReader(nn.Module):
    """Reads lines of pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = ReaderTrunk()
        self.enter = nn.Conv1d(WIDTH, MIXED // 2, 3, padding=1)
        self.widen = nn.Conv1d(MIXED // 2, MIXED, 1)
        self.layers = nn.ModuleList(MixLayer(MIXED) for _ in range(2))
        self.norm = nn.LayerNorm(MIXED)
        self.back = nn.Conv1d(MIXED, WIDTH, 1)
        self.join = nn.Conv1d(2 * WIDTH, MIXED // 2, 3, padding=1)
        self.leave = nn.Conv1d(MIXED // 2, MIXED, 1)
        self.character = nn.Linear(MIXED, CLASSES)

    @torch.no_grad()
    def read(self, picture: Tensor, lines: Sequence[Line]) -> list[Writing]:
        """What each line says. `picture` (3, H, W) floats 0..1; the lines' places are in its pixels."""
        cuts = [cut(picture, line) for line in lines]
        written: list[Writing | None] = [None] * len(cuts)
        for width in {piece.shape[-1] for piece in cuts}:
            alike = [i for i, piece in enumerate(cuts) if piece.shape[-1] == width]
            for start in range(0, len(alike), TOGETHER):
                rows = alike[start : start + TOGETHER]
                logits = self(torch.stack([cuts[i] for i in rows]))
                for i, row in zip(rows, logits.float().cpu(), strict=True):
                    written[i] = decode(row)
        return [one for one in written if one is not None]

    def forward(self, cuts: Tensor) -> Tensor:
        """Logits (lines, steps, CLASSES) of cuts (lines, 3, HEIGHT, W), floats 0..1."""
        shown = (cuts.flip(1) * 2 - 1).to(self.character.weight.dtype)
        features = self.trunk(shown.contiguous(memory_format=torch.channels_last)).squeeze(2)
        x = F.silu(self.widen(F.silu(self.enter(features)))).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        back = F.silu(self.back(self.norm(x).transpose(1, 2)))
        y = F.silu(self.leave(F.silu(self.join(torch.cat([features, back], 1)))))
        logits: Tensor = self.character(y.transpose(1, 2))
        return logits


def cut(picture: Tensor, line: Line) -> Tensor:
    """The line's surroundings, levelled, (3, HEIGHT, W); edge pixels go on beyond the picture."""
    height, width = picture.shape[-2:]
    tall, long = line.height, line.length + 2 * ENDS * line.height
    steps = max(WIDTHS, min(LONGEST, WIDTHS * math.ceil(long / tall * HEIGHT / WIDTHS)))
    # Larger lines are shrunk: averaged first, or thin strokes would alias.
    shrink = max(1, int(tall / HEIGHT))
    source = picture[None].float()  # places need float32: bf16 would sample small print in stairs
    source = F.avg_pool2d(source, shrink, ceil_mode=True) if shrink > 1 else source
    along = (torch.arange(steps, device=picture.device, dtype=torch.float32) + 0.5) / steps * long - long / 2
    down = (torch.arange(HEIGHT, device=picture.device, dtype=torch.float32) + 0.5) / HEIGHT * tall - tall / 2
    cos, sin = math.cos(line.angle), math.sin(line.angle)
    xs = line.centre[0] + along[None] * cos - down[:, None] * sin
    ys = line.centre[1] + along[None] * sin + down[:, None] * cos
    grid = torch.stack([xs / width * 2 - 1, ys / height * 2 - 1], -1)
    return F.grid_sample(source, grid[None], padding_mode="border", align_corners=False)[0]


def decode(logits: Tensor) -> Writing:
    """Best path of connectionist temporal classification (Graves et al. 2006): repeats merged, blanks dropped.

    A narrow space is nowhere likelier than a blank. It still stands between two characters where its probabilities add
    up to SPACED.
    """
    labels, lengths = logits.argmax(-1).unique_consecutive(return_counts=True)
    chances, spaces = logits[:, 1:].softmax(-1), logits.softmax(-1)[:, SPACE]
    ends = lengths.cumsum(0).tolist()
    rows: list[Tensor] = []
    before, since = SPACE, 0
    for label, start, end in zip(labels.tolist(), [0, *ends], ends, strict=False):
        if not label:
            continue
        if SPACE not in (before, label) and spaces[since:end].sum() >= SPACED:
            rows.append(F.one_hot(labels.new_tensor(SPACE - 1), CLASSES - 1).to(chances.dtype))
        run = chances[start:end]
        # The surest step of a run speaks for it.
        rows.append(run[int(run[:, label - 1].argmax())])
        before, since = label, start
    return Writing(torch.stack(rows) if rows else chances[:0])
