"""Upper vision layers: a small transformer over the low layers' grid. Stacks adapt these with LoRA."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.low import LowFeatures


def rotary_2d(height: int, width: int, dim: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (height*width, dim) of rotary positions, half of them along x, half along y.

    Rotary embedding: Su et al. 2021, arXiv:2104.09864; axial form as in EVA-02.
    """
    quarter = dim // 4
    rates = 100.0 ** (-torch.arange(quarter, device=like.device, dtype=torch.float32) / quarter)
    ys, xs = torch.meshgrid(
        torch.arange(height, device=like.device), torch.arange(width, device=like.device), indexing="ij"
    )
    angles = torch.cat([xs.reshape(-1, 1) * rates, ys.reshape(-1, 1) * rates], 1)  # (cells, dim/2)
    angles = torch.cat([angles, angles], 1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions to (batch, heads, cells, dim)."""
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin


class VisionAttention(nn.Module):
    """Self-attention of every cell to every cell."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(size, size)
        self.k_proj = nn.Linear(size, size)
        self.v_proj = nn.Linear(size, size)
        self.o_proj = nn.Linear(size, size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(batch, cells, size), rotary positions (cells, dim of a head)."""

        def split(y: Tensor) -> Tensor:
            batch, cells, size = y.shape
            return y.view(batch, cells, self.heads, size // self.heads).transpose(1, 2)  # (batch, heads, cells, dim)

        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v)
        out: Tensor = self.o_proj(y.transpose(1, 2).flatten(2))
        return out


class VisionLayer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(size)
        self.attention = VisionAttention(size, heads)
        self.mlp_norm = nn.LayerNorm(size)
        self.up_proj = nn.Linear(size, 4 * size)
        self.down_proj = nn.Linear(4 * size, size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(batch, cells, size) in and out."""
        x = x + self.attention(self.attention_norm(x), cos, sin)
        y: Tensor = x + self.down_proj(F.gelu(self.up_proj(self.mlp_norm(x))))
        return y


class UpperLayers(nn.Module):
    """Low features in, one vector per 16-pixel cell out: (batch, size, H/16, W/16)."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        size = config.vision_size
        self.enter = nn.Linear(4 * config.stem_size + 112 + 320, size)
        self.position = nn.Linear(4 * POSITION_BANDS, size)
        self.layers = nn.ModuleList(VisionLayer(size, config.vision_heads) for _ in range(config.vision_layers))
        self.norm = nn.LayerNorm(size)
        self.head_dim = size // config.vision_heads

    def forward(self, low: LowFeatures) -> Tensor:
        """One vector per cell, (batch, size, H/16, W/16)."""
        height, width = low.middle.shape[-2:]
        coarse = F.interpolate(low.coarse, size=(height, width), mode="nearest")
        grid = torch.cat([F.pixel_unshuffle(low.fine, 2), low.middle, coarse], 1)
        x = self.enter(grid.permute(0, 2, 3, 1).flatten(1, 2))  # (batch, cells, size)
        x = x + self.position(position_features(height, width, x))
        cos, sin = rotary_2d(height, width, self.head_dim, x)
        for layer in self.layers:
            x = layer(x, cos, sin)
        y: Tensor = self.norm(x).unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return y


POSITION_BANDS = 6


def position_features(height: int, width: int, like: Tensor) -> Tensor:
    """Fourier features (height*width, 4*POSITION_BANDS) of each cell's centre in 0..1 of the canvas."""
    ys = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) / height
    xs = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
    bands = torch.pi * 2.0 ** torch.arange(POSITION_BANDS, device=like.device, dtype=torch.float32)
    fy, fx = ys[:, None] * bands, xs[:, None] * bands
    fy = torch.cat([fy.sin(), fy.cos()], 1)[:, None].expand(height, width, -1)
    fx = torch.cat([fx.sin(), fx.cos()], 1)[None].expand(height, width, -1)
    return torch.cat([fx, fy], -1).flatten(0, 1).to(like.dtype)
