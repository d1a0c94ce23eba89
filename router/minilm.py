"""The network of all-MiniLM-L6-v2 (a six-layer BERT), built from its published weights as an ONNX graph.

Written out because loading it through a general model library takes seconds of imports and several times longer per
sentence, and because the router reads more than one mean. The last layer says what a text is about; half-way up, the
wording is still there ("where is X" against "what is X"); and how a text opens says what is wanted with it. The first
is near what sentence-transformers gives (tests/test_router_encoder.py). Inference only, on one thread: sentences are so
short that a second one only adds waiting. Matrices are multiplied in whole numbers of one byte, which takes half the
time of floats on a processor with AVX2 (others have not been tried): weights are rounded once, for each output by
itself, what meets them each time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

MIDDLE = 3
LENGTHS = np.array([1.0, 1.5, 0.7], np.float32)
"""The layer whose output is the second part of a vector, and how long the three parts are. Chosen by cross-validation
on the routing examples and on the validation split of CLINC150."""
LARGEST = 63
"""Of a weight: with the whole byte, sums of two products overflow the sixteen bits of processors without VNNI."""
OPSET, CONTRIBUTED, IR_VERSION = 20, "com.microsoft", 10


class MiniLM:
    """Token ids to sentence vectors: meaning (last layer), wording (middle layer), opening (last layer)."""

    number_format = "i8"
    """What it multiplies in."""

    def __init__(self, folder: Path) -> None:
        """Read `config.json` and `model.safetensors`. Raises OSError, ValueError, KeyError or RuntimeError when they do
        not fit.
        """
        from onnxruntime import InferenceSession, SessionOptions
        from safetensors.numpy import load_file

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        weights = load_file(folder / "model.safetensors")
        # Rows of the largest table are fetched here: packing it into a graph and out again would double the start.
        self._tokens = weights.pop("embeddings.word_embeddings.weight")
        places = weights.pop("embeddings.position_embeddings.weight")
        self._places = places + weights.pop("embeddings.token_type_embeddings.weight")[0]
        self._session = InferenceSession(
            _Graph(weights, config).serialised(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Vectors:
        """Vectors float32 (batch, 3 * width) for `ids` (batch, length) and `mask` (batch, length), 1 = real token."""
        words = _words(mask)
        opening = words / np.maximum(words.cumsum(axis=1), 1)  # the n-th word weighs 1/n
        last_shares = np.stack([mask, opening], axis=1).astype(np.float32)  # (batch, 2, length)
        embedded = self._tokens[ids] + self._places[: ids.shape[1]]  # (batch, length, width)
        given = {"embedded": embedded, "mask": mask.astype(np.int32)}
        given |= {"middle_shares": words[:, None], "last_shares": last_shares}
        middle, last = self._session.run(None, given)  # (batch, 1, width), (batch, 2, width)
        parts = np.concatenate([last[:, :1], middle, last[:, 1:]], axis=1)  # (batch, 3, width)
        lengths = np.sqrt(np.vecdot(parts, parts))
        result: Vectors = parts * (LENGTHS / np.maximum(lengths, np.float32(1e-12)))[..., None]
        return result.reshape(len(ids), -1)


class _Graph:
    """The network as ONNX, written node by node. A name stands for a value."""

    def __init__(self, weights: dict[str, Vectors], config: dict[str, Any]) -> None:
        self._weights, self._config = weights, config
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def serialised(self) -> bytes:
        """Inputs `embedded` (batch, length, width), `mask` (batch, length) and, (batch, sums, length), the shares of
        tokens in sums over the middle and over the last layer; outputs those sums, (batch, sums, width).
        """
        from onnx import TensorProto, helper

        x, middle = self._norm("embedded", "embeddings.LayerNorm"), ""
        for done in range(self._config["num_hidden_layers"]):
            x = self._layer(x, f"encoder.layer.{done}")
            middle = x if done + 1 == MIDDLE else middle
        outputs = [self._node("MatMul", "middle_shares", middle), self._node("MatMul", "last_shares", x)]
        floats = TensorProto.FLOAT
        inputs = [
            helper.make_tensor_value_info("embedded", floats, ["batch", "length", self._config["hidden_size"]]),
            helper.make_tensor_value_info("mask", TensorProto.INT32, ["batch", "length"]),
            helper.make_tensor_value_info("middle_shares", floats, ["batch", 1, "length"]),
            helper.make_tensor_value_info("last_shares", floats, ["batch", 2, "length"]),
        ]
        found = [helper.make_tensor_value_info(name, floats, ["batch", None, None]) for name in outputs]
        graph = helper.make_graph(self._nodes, "MiniLM", inputs, found, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIBUTED, 1)]
        model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
        return model

    def _layer(self, x: str, name: str) -> str:
        own, heads = f"{name}.attention", self._config["num_attention_heads"]
        query, key, value = (self._linear(x, f"{own}.self.{part}") for part in ("query", "key", "value"))
        mixed = self._contributed("MultiHeadAttention", query, key, value, "", "mask", num_heads=heads)
        x = self._norm(self._node("Add", x, self._linear(mixed, f"{own}.output.dense")), f"{own}.output.LayerNorm")
        hidden = self._node("Gelu", self._evened(x, f"{name}.intermediate.dense"))  # (batch, length, 4 * width)
        return self._norm(
            self._node("Add", x, self._evened(hidden, f"{name}.output.dense")), f"{name}.output.LayerNorm"
        )

    def _evened(self, x: str, name: str) -> str:
        """Linear, with every token divided by its largest value first: between attention and the next layer the first
        token has values ten times those of the others, which would leave few steps for these.
        """
        last = self._constant(np.array([-1]))
        peak = self._node("ReduceMax", self._node("Abs", x), last)  # (batch, length, 1)
        product = self._node("Mul", self._product(self._node("Div", x, peak), name), peak)
        return self._node("Add", product, self._constant(self._weights[f"{name}.bias"]))

    def _linear(self, x: str, name: str) -> str:
        return self._product(x, name, self._constant(self._weights[f"{name}.bias"]))

    def _product(self, x: str, name: str, *bias: str) -> str:
        weight = self._weights[f"{name}.weight"].T  # (in, out)
        step = np.abs(weight).max(axis=0) / LARGEST
        kept, scale = self._constant(np.round(weight / step).astype(np.int8)), self._constant(step.astype(np.float32))
        zero = self._constant(np.zeros(len(step), np.int8))
        return self._contributed("DynamicQuantizeMatMul", x, kept, scale, zero, *bias)

    def _norm(self, x: str, name: str) -> str:
        weight, bias = (self._constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self._node("LayerNormalization", x, weight, bias, epsilon=self._config["layer_norm_eps"])

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _contributed(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self._node(kind, *inputs, domain=CONTRIBUTED, **attributes)

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def _words(mask: NDArray[np.int64]) -> Vectors:
    """`mask` without the marks at both ends: float32 (batch, length)."""
    words = np.zeros(mask.shape, np.float32)
    words[:, 1:-1] = mask[:, 1:-1] * mask[:, 2:]
    return words
