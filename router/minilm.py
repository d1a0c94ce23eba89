"""The network of all-MiniLM-L6-v2 (a six-layer BERT), built from its published weights as an ONNX graph.

The router reads more than one mean. The last layer says what a text is about; half-way up, the wording is still there
("where is X" against "what is X"); and how a text opens says what is wanted with it. The first is near what
sentence-transformers gives (tests/test_router_encoder.py). Inference only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from router.graphs import CONTRIBUTED, Graph, Sizes, Vectors

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MIDDLE = 3
LENGTHS = np.array([1.0, 1.5, 0.7], np.float32)
"""The layer whose output is the second part of a vector, and how long the three parts are. Chosen by cross-validation
on the routing examples and on the validation split of CLINC150."""


class MiniLM:
    """Token ids to sentence vectors: meaning (last layer), wording (middle layer), opening (last layer)."""

    number_format = "i8 by text"
    """What it multiplies in."""

    def __init__(self, folder: Path) -> None:
        """Read `config.json` and `model.safetensors`. Raises OSError, ValueError, KeyError or RuntimeError when they do
        not fit.
        """
        from safetensors.numpy import load_file

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        # Rows of the largest table are fetched here: packing it into a graph and out again would double the start.
        self._tokens = weights.pop("embeddings.word_embeddings.weight")
        places = weights.pop("embeddings.position_embeddings.weight")
        self._places = places + weights.pop("embeddings.token_type_embeddings.weight")[0]
        self._session = _Network(weights, config).built()

    def __call__(self, ids: Sequence[int]) -> Vectors:
        """The vector, float32 (3 * width,), of one text whose token `ids` include the marks at both ends.

        One text at a time: values are rounded to what is largest among all that is read together, so in company a text
        would get another vector each time.
        """
        shares = _shares(len(ids))
        embedded = self._tokens[np.array(ids)] + self._places[: len(ids)]  # (length, width)
        middle, last = self._session.run(None, {"embedded": embedded[None], **shares})  # (1, 1, width), (1, 2, width)
        parts = np.concatenate([last[0, :1], middle[0], last[0, 1:]])  # (3, width)
        lengths = np.sqrt(np.vecdot(parts, parts))
        result: Vectors = parts * (LENGTHS / np.maximum(lengths, np.float32(1e-12)))[:, None]
        return result.ravel()


class _Network(Graph):
    """Inputs `embedded` (1, length, width) and, (1, sums, length), the shares of tokens in sums over the middle and the
    last layer; outputs those sums, (1, sums, width).
    """

    def __init__(self, weights: dict[str, Vectors], config: dict[str, Any]) -> None:
        super().__init__()
        self._weights, self._config = weights, config

    def built(self) -> InferenceSession:
        """The network with all its layers."""
        x, middle = self._norm("LayerNormalization", ["embedded"], "embeddings.LayerNorm"), ""
        for done in range(self._config["num_hidden_layers"]):
            x = self._layer(x, f"encoder.layer.{done}")
            middle = x if done + 1 == MIDDLE else middle
        outputs = [self.node("MatMul", "middle_shares", middle), self.node("MatMul", "last_shares", x)]
        width = self._config["hidden_size"]
        shares: dict[str, Sizes] = {"middle_shares": [1, 1, "length"], "last_shares": [1, 2, "length"]}
        return self.session("MiniLM", {"embedded": [1, "length", width], **shares}, outputs)

    def _layer(self, x: str, name: str) -> str:
        own, inner, outer = f"{name}.attention", f"{name}.intermediate.dense", f"{name}.output.dense"
        kinds = [f"{own}.self.{kind}" for kind in ("query", "key", "value")]
        asked = self.product(x, self._all("weight", *kinds), self._bias(*kinds))  # (1, length, 3 * width)
        parts = self.nodes("Split", [asked], 3, axis=-1, num_outputs=3)
        mixed = self.contributed("MultiHeadAttention", *parts, num_heads=self._config["num_attention_heads"])
        seen = self.product(mixed, self._all("weight", f"{own}.output.dense"), self._bias(f"{own}.output.dense"))
        x = self._added(x, seen, f"{own}.output.LayerNorm")
        hidden = self.contributed("BiasGelu", self._evened(x, inner), self._bias(inner))  # (1, length, 4 * width)
        return self._added(x, self._evened(hidden, outer), f"{name}.output.LayerNorm", self._bias(outer))

    def _evened(self, x: str, name: str) -> str:
        """Product with every token divided by its largest value first: between attention and the next layer the first
        token has values ten times those of the others, which would leave few steps for these. Without bias.
        """
        last = self.constant(np.array([-1]))
        peak = self.node("ReduceMax", self.node("Abs", x), last)  # (1, length, 1)
        return self.node("Mul", self.product(self.node("Div", x, peak), self._all("weight", name)), peak)

    def _added(self, x: str, more: str, name: str, *bias: str) -> str:
        return self._norm("SkipLayerNormalization", [x, more], name, *bias, domain=CONTRIBUTED)

    def _norm(self, kind: str, inputs: list[str], name: str, *bias: str, **attributes: Any) -> str:
        weights = (self.constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.node(kind, *inputs, *weights, *bias, epsilon=self._config["layer_norm_eps"], **attributes)

    def _bias(self, *names: str) -> str:
        return self.constant(self._all("bias", *names))

    def _all(self, part: str, *names: str) -> Vectors:
        return np.concatenate([self._weights[f"{name}.{part}"] for name in names])


@cache
def _shares(length: int) -> dict[str, Vectors]:
    """The graph's inputs that say how much each of `length` tokens counts: words alike in the middle; at the end all
    alike, and once more the n-th word by 1/n.
    """
    place = np.arange(length, dtype=np.float32)
    words = ((place > 0) & (place < length - 1)).astype(np.float32)  # without the marks at both ends
    last = np.stack([np.ones_like(words), words / np.maximum(place, 1)])
    return {"middle_shares": words[None, None], "last_shares": last[None]}
