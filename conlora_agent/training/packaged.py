"""The text recogniser that the line reader is: weights of PP-OCRv4 (mobile), taken out of a package's ONNX file.

The package `rapidocr-onnxruntime` (Apache 2.0) carries the file; nothing of its code is used. The classifier's 6,625
classes are cut down to blank, visible ASCII and the space. Only needed to train from nothing: the weights are in this
repository.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conlora_agent.backbone.nano.reader import BLOCKS, SPACE
from conlora_agent.core.files import replace_file
from conlora_agent.training.fetching import fetch

PACKAGE = "rapidocr-onnxruntime==1.4.4"
FILE = "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"
EPSILON = 1e-5


def fetch_recogniser(cache: Path) -> Path:
    """The ONNX file in `cache`, downloaded with pip when it is not there yet. Raises Failure when pip fails."""
    target = cache / Path(FILE).name
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    fetch([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE], PACKAGE, cache)
    wheel = max(cache.glob("rapidocr_onnxruntime-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        replace_file(target, archive.read(FILE))
    wheel.unlink()
    return target


def recogniser_weights(file: Path) -> dict[str, Tensor]:
    """The file's weights under the names of backbone.nano.reader.LineReader, batch norms and scales folded in."""
    graph = Graph(file)
    state: dict[str, Tensor] = {}

    def put(name: str, weight: Tensor, bias: Tensor) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = weight.float().contiguous(), bias.float().contiguous()

    put("trunk.stem", *graph.convolution())
    part = 0
    for _, _, _, _, excited in BLOCKS:
        for kind in ("depthwise", *(["excitation"] if excited else []), "pointwise"):
            if kind == "excitation":
                put(f"trunk.parts.{part}.down", *graph.convolution())
                put(f"trunk.parts.{part}.up", *graph.convolution())
            else:
                put(f"trunk.parts.{part}.conv", *graph.convolution())
                state[f"trunk.parts.{part}.affine"] = graph.affine()
            part += 1
    for name in ("enter", "widen", "back", "join", "leave"):
        weight, bias = graph.convolution()
        put(name, weight.squeeze(2), bias)
    for layer in range(2):
        for name in ("qkv_proj", "o_proj", "up_proj", "down_proj"):
            put(f"layers.{layer}.{name}", *graph.linear())
        for name in ("attention_norm", "mlp_norm"):
            put(f"layers.{layer}.{name}", *graph.norm())
    put("norm", *graph.norm())
    weight, bias = graph.linear()
    rows = [0, *(graph.characters.index(chr(32 + k)) + 1 for k in range(1, SPACE)), len(weight) - 1]
    put("character", weight[rows], bias[rows])
    return state


class Graph:
    """The file's operations, asked for in the order they run."""

    def __init__(self, file: Path) -> None:
        import onnx
        from onnx.numpy_helper import to_array

        model = onnx.load(str(file))
        nodes = list(model.graph.node)
        self.values: dict[str, Tensor] = {
            node.output[0]: torch.tensor(to_array(node.attribute[0].t).copy())
            for node in nodes
            if node.op_type == "Constant"
        }
        self.next = {name: node for node in reversed(nodes) for name in node.input}
        self.characters = next(p.value for p in model.metadata_props if p.key == "character").splitlines()
        self._convolutions = iter([node for node in nodes if node.op_type == "Conv"])
        self._affines, self._linears, self._norms = map(self._named, ("whswish_b_", "linear_", "layer_norm_"))

    def _named(self, start: str) -> Iterator[str]:
        found = {name.split(".")[0] for name in self.values if name.startswith(start)}
        return iter(sorted(found, key=lambda name: int(name.rsplit("_", 1)[1])))

    def convolution(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the next convolution, with what scales its output folded in."""
        node: Any = next(self._convolutions)
        weight = self.values[node.input[1]]
        bias = self.values[node.input[2]] if len(node.input) > 2 else torch.zeros(len(weight))
        after: Any = self.next[node.output[0]]
        if after.op_type == "BatchNormalization":
            gain, shift, mean, variance = (self.values[name] for name in after.input[1:])
            scale = gain / torch.sqrt(variance + EPSILON)
            return weight * scale[:, None, None, None], (bias - mean) * scale + shift
        if after.op_type == "Mul" and (block := next((n for n in after.input if n.startswith("mobile_one")), None)):
            scale, shift = self.values[block], self.values[block.replace(".w_0", ".w_1")]
            return weight * scale, bias * scale + shift
        return weight, bias

    def affine(self) -> Tensor:
        """Scale and shift after the next activation."""
        name = next(self._affines)
        return torch.cat([self.values[f"{name}.w_0"].flatten(), self.values[f"{name}.w_1"].flatten()]).float()

    def linear(self) -> tuple[Tensor, Tensor]:
        """Weight (outputs, inputs) and bias of the next linear layer."""
        name = next(self._linears)
        return self.values[f"{name}.w_0"].T, self.values[f"{name}.b_0"]

    def norm(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the next layer norm."""
        name = next(self._norms)
        return self.values[f"{name}.w_0"], self.values[f"{name}.b_0"]
