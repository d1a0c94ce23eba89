"""The network of all-MiniLM-L6-v2 (a six-layer BERT) as plain functions on its published weights.

Written out because loading it through a general model library takes seconds of imports and a third more time per
sentence, and because the router reads more than one mean. The last layer says what a text is about; half-way up, the
wording is still there ("where is X" against "what is X"); and how a text opens says what is wanted with it. Agrees
with sentence-transformers (tests/test_router_encoder.py). Inference only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, dtype

    Affine = tuple[Tensor, Tensor]


MIDDLE = 3
MIDDLE_LENGTH = 1.5
OPENING_LENGTH = 0.7
"""The layer whose output is the second part of a vector, and how long the second and third parts are beside the first,
which has length one. Chosen by cross-validation on the routing examples and on the validation split of CLINC150."""


class MiniLM:
    """Token ids to sentence vectors: meaning (last layer), wording (middle layer), opening (last layer)."""

    def __init__(self, folder: Path, number_format: dtype) -> None:
        """Read `config.json` and `model.safetensors`. Raises OSError, ValueError or KeyError when they do not fit."""
        from safetensors.torch import load_file

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.heads: int = config["num_attention_heads"]
        self.width: int = config["hidden_size"]
        self.eps: float = config["layer_norm_eps"]
        raw = load_file(folder / "model.safetensors")
        self._weights = {name: w.to(number_format) for name, w in raw.items() if w.is_floating_point()}
        self._tokens = self._weights["embeddings.word_embeddings.weight"]  # (vocabulary, width)
        segment = self._weights["embeddings.token_type_embeddings.weight"][0]
        self._places = self._weights["embeddings.position_embeddings.weight"] + segment  # (512, width)
        self._layers = [self._layer(f"encoder.layer.{n}") for n in range(config["num_hidden_layers"])]
        self._norm = self._affine("embeddings.LayerNorm")

    def __call__(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Vectors float32 (batch, 3 * width) for `ids` (batch, length) and `mask` (batch, length), 1 = real token."""
        from torch import cat
        from torch.nn import functional

        x = self._add_norm(self._tokens[ids] + self._places[: ids.shape[1]], self._norm)  # (batch, length, width)
        attend = None if bool(mask.all()) else mask[:, None, None, :].bool()
        middle = x
        for number, (qkv, mix, mix_norm, up, down, out_norm) in enumerate(self._layers, start=1):
            x = self._add_norm(x + functional.linear(self._attention(x, qkv, attend), *mix), mix_norm)
            hidden = functional.gelu(functional.linear(x, *up))  # (batch, length, 4 * width)
            x = self._add_norm(x + functional.linear(hidden, *down), out_norm)
            middle = x if number == MIDDLE else middle
        words = _words(mask)
        opening = words / (words.cumsum(1) + (words == 0))  # the n-th word weighs 1/n
        parts = [_mean(x, mask.float()), _mean(middle, words) * MIDDLE_LENGTH, _mean(x, opening) * OPENING_LENGTH]
        return cat(parts, dim=-1)

    def _attention(self, x: Tensor, qkv: Affine, attend: Tensor | None) -> Tensor:
        from torch.nn import functional

        batch, length, _ = x.shape
        split = functional.linear(x, *qkv).view(batch, length, 3, self.heads, self.width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, width / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=attend)
        return mixed.transpose(1, 2).reshape(batch, length, self.width)

    def _add_norm(self, x: Tensor, norm: Affine) -> Tensor:
        from torch.nn import functional

        return functional.layer_norm(x, (self.width,), *norm, self.eps)

    def _layer(self, name: str) -> tuple[Affine, ...]:
        from torch import cat

        parts = [self._affine(f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
        qkv = (cat([weight for weight, _ in parts]), cat([bias for _, bias in parts]))  # (3 * width, width)
        rest = ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense")
        return (qkv, *(self._affine(f"{name}.{part}") for part in (*rest, "output.LayerNorm")))

    def _affine(self, name: str) -> Affine:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]


def _words(mask: Tensor) -> Tensor:
    """`mask` without the marks at both ends: float32 (batch, length)."""
    from torch.nn import functional

    inner = mask[:, 1:] * functional.pad(mask[:, 2:], (0, 1))
    return functional.pad(inner, (1, 0)).float()


def _mean(x: Tensor, weights: Tensor) -> Tensor:
    """Unit mean of tokens: (batch, length, width) and (batch, length) -> float32 (batch, width)."""
    from torch.nn import functional

    return functional.normalize((x.float() * weights[..., None]).sum(1), dim=-1)
