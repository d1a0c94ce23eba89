"""Networks written out as ONNX graphs, node by node, and run on one thread.

Written out because loading them through a general model library takes seconds of imports and several times longer per
sentence. Sentences are so short that a second thread only adds waiting. Matrices are multiplied in whole numbers of one
byte, which takes half the time of floats on a processor with AVX2 (others have not been tried): weights are rounded
once, for each output by itself, what meets them each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Vectors = NDArray[np.float32]
Sizes = Sequence[int | str | None]

LARGEST = 63
"""Of a weight: with the whole byte, sums of two products overflow the sixteen bits of processors without VNNI."""
OPSET, CONTRIBUTED, IR_VERSION = 20, "com.microsoft", 10


class Graph:
    """A network as ONNX. A name stands for a value."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def session(self, name: str, inputs: Mapping[str, Sizes], outputs: Sequence[str]) -> InferenceSession:
        """What runs it. `inputs`: their sizes, of which words may be anything; all are floats."""
        from onnx import TensorProto, helper
        from onnxruntime import InferenceSession, SessionOptions

        def declared(value: str, sizes: Sizes) -> Any:
            return helper.make_tensor_value_info(value, TensorProto.FLOAT, sizes)

        taken = [declared(*item) for item in inputs.items()]
        found = [declared(output, [1, None, None]) for output in outputs]
        graph = helper.make_graph(self._nodes, name, taken, found, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIBUTED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def product(self, x: str, weight: Vectors, *bias: str) -> str:
        """`x` (1, length, in) times the weight (out, in)."""
        step = np.abs(weight).max(axis=1) / LARGEST
        kept = self.constant(np.round(weight.T / step).astype(np.int8))
        scale, zero = self.constant(step.astype(np.float32)), self.constant(np.zeros(len(step), np.int8))
        return self.contributed("DynamicQuantizeMatMul", x, kept, scale, zero, *bias)

    def constant(self, values: NDArray[Any]) -> str:
        """A value that is always the same."""
        from onnx import numpy_helper

        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def contributed(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The output of an operation that ONNX Runtime adds to the standard."""
        return self.node(kind, *inputs, domain=CONTRIBUTED, **attributes)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The output of an operation."""
        return self.nodes(kind, inputs, 1, **attributes)[0]

    def nodes(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """The outputs of an operation that has several."""
        from onnx import helper

        names = [f"value{len(self._nodes)}.{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names
