"""The network of all-MiniLM-L6-v2 (a six-layer BERT), built from its published weights as an OpenVINO graph.

Written out because loading it through a general model library takes seconds of imports and several times longer per
sentence, and because the router reads more than one mean. The last layer says what a text is about; half-way up, the
wording is still there ("where is X" against "what is X"); and how a text opens says what is wanted with it. Agrees
with sentence-transformers (tests/test_router_encoder.py). Inference only, on one thread: sentences are so short that a
second one only adds waiting. For the same reason most of the time goes into fetching weights: where the processor does
not compute in bfloat16, they are kept in one byte each, which takes a third less time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Node = Any
"""A value in the graph."""

MIDDLE = 3
MIDDLE_LENGTH = 1.5
OPENING_LENGTH = 0.7
"""The layer whose output is the second part of a vector, and how long the second and third parts are beside the first,
which has length one. Chosen by cross-validation on the routing examples and on the validation split of CLINC150."""
MASKED = 1e9
ONE_THREAD = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # what is computed stays in full precision, on every processor
}


class MiniLM:
    """Token ids to sentence vectors: meaning (last layer), wording (middle layer), opening (last layer)."""

    def __init__(self, folder: Path) -> None:
        """Read `config.json` and `model.safetensors`. Raises OSError, ValueError, KeyError or RuntimeError when they do
        not fit.
        """
        from openvino import Core
        from safetensors.numpy import load_file

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        core = Core()
        in_bytes = "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        graph = _graph(load_file(folder / "model.safetensors"), config, in_bytes)
        compiled = core.compile_model(graph, "CPU", ONE_THREAD)
        precision: str = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.number_format = f"{precision}-i8" if in_bytes else precision
        """What it computes in, and what it keeps weights in where that differs."""
        self._request = compiled.create_infer_request()

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Vectors:
        """Vectors float32 (batch, 3 * width) for `ids` (batch, length) and `mask` (batch, length), 1 = real token."""
        words = _words(mask)
        opening = words / np.maximum(words.cumsum(axis=1), 1)  # the n-th word weighs 1/n
        found = self._request.infer([ids, mask.astype(np.float32), words, opening.astype(np.float32)])
        result: Vectors = found[0].copy()
        return result


def _graph(weights: dict[str, Vectors], config: dict[str, Any], in_bytes: bool) -> Any:
    from openvino import Model
    from openvino import opset13 as ops

    heads, width, eps = config["num_attention_heads"], config["hidden_size"], config["layer_norm_eps"]

    def number(value: float) -> Node:
        return ops.constant(value, np.float32)

    def matrix(values: Vectors) -> Node:  # (out, in)
        if not in_bytes:
            return ops.constant(values)
        step = np.abs(values).max(axis=1, keepdims=True) / 127
        kept = ops.constant(np.round(values / step).astype(np.int8))
        return ops.multiply(ops.convert(kept, np.float32), ops.constant(step.astype(np.float32)))

    def linear(x: Node, name: str) -> Node:
        return ops.matmul(x, matrix(weights[f"{name}.weight"]), False, True) + weights[f"{name}.bias"]

    def norm(x: Node, name: str) -> Node:
        normed = ops.mvn(x, np.array([-1]), True, eps, "inside_sqrt")
        return normed * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def by_head(x: Node) -> Node:  # (batch, heads, length, width / heads)
        return ops.transpose(ops.reshape(x, np.array([0, 0, heads, width // heads]), True), np.array([0, 2, 1, 3]))

    def attention(x: Node, bias: Node, name: str) -> Node:
        query, key, value = (by_head(linear(x, f"{name}.self.{part}")) for part in ("query", "key", "value"))
        scores = ops.matmul(query * number((width // heads) ** -0.5), key, False, True) + bias
        mixed = ops.transpose(ops.matmul(ops.softmax(scores, -1), value, False, False), np.array([0, 2, 1, 3]))
        return linear(ops.reshape(mixed, np.array([0, 0, width]), True), f"{name}.output.dense")

    def layer(x: Node, bias: Node, name: str) -> Node:
        x = norm(x + attention(x, bias, f"{name}.attention"), f"{name}.attention.output.LayerNorm")
        hidden = ops.gelu(linear(x, f"{name}.intermediate.dense"), "erf")  # (batch, length, 4 * width)
        return norm(x + linear(hidden, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def mean(x: Node, share: Node, length: float = 1.0) -> Node:  # (batch, width)
        summed = ops.reduce_sum(x * ops.unsqueeze(share, np.array(2)), np.array(1), False)
        return ops.normalize_l2(summed, np.array([1]), 1e-12, "max") * number(length)

    ids = ops.parameter([-1, -1], np.int64, "ids")
    mask, words, opening = (ops.parameter([-1, -1], np.float32, name) for name in ("mask", "words", "opening"))
    length = ops.gather(ops.shape_of(ids), np.array([1]), np.array(0))
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    here = ops.slice(places, np.array([0]), length, np.array([1]), np.array([0]))  # (length, width)
    tokens = ops.gather(weights["embeddings.word_embeddings.weight"], ids, np.array(0))
    x = norm(tokens + here, "embeddings.LayerNorm")  # (batch, length, width)
    bias = ops.unsqueeze((mask - number(1.0)) * number(MASKED), np.array([1, 2]))  # (batch, 1, 1, length)
    middle = x
    for done in range(config["num_hidden_layers"]):
        x = layer(x, bias, f"encoder.layer.{done}")
        middle = x if done + 1 == MIDDLE else middle
    parts = [mean(x, mask), mean(middle, words, MIDDLE_LENGTH), mean(x, opening, OPENING_LENGTH)]
    return Model([ops.concat(parts, 1)], [ids, mask, words, opening], "MiniLM")


def _words(mask: NDArray[np.int64]) -> Vectors:
    """`mask` without the marks at both ends: float32 (batch, length)."""
    words = np.zeros(mask.shape, np.float32)
    words[:, 1:-1] = mask[:, 1:-1] * mask[:, 2:]
    return words
