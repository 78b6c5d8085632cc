"""PyTorch in eager mode: an ONNX graph, run node by node with torch's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.frameworks.base import Arrays, Engine, require_threads
from utils.optional import require

if TYPE_CHECKING:
    from onnx import ModelProto


class TorchEngine(Engine):
    """One torch call a node, without a compiler; the thread count is set for each run and put back after it."""

    name, distribution, module = "PyTorch eager", "torch", "torch"

    def load(self, model: ModelProto, threads: int) -> None:
        from onnx import helper, numpy_helper

        torch = require(self.module, self.hint())
        self._constants = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
        self._steps = []
        for node in model.graph.node:
            if node.op_type not in TORCH_OPS:
                raise ValueError(f"model must consist of {', '.join(TORCH_OPS)}, got {node.op_type}")
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            self._steps.append((TORCH_OPS[node.op_type], list(node.input), node.output[0], attributes))
        self._names = [value.name for value in model.graph.output]
        self.threads, self.model_bytes = require_threads(threads), model.ByteSize()

    def prepare(self, feeds: Arrays) -> Any:
        import torch

        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in feeds.items()}

    def infer(self, prepared: Any) -> dict[str, np.ndarray]:
        import torch

        values, before = {**self._constants, **prepared}, torch.get_num_threads()
        if before != self.threads:
            torch.set_num_threads(self.threads)
        try:
            with torch.inference_mode():
                for op, inputs, output, attributes in self._steps:
                    values[output] = op(*[values[name] if name else None for name in inputs], **attributes)
            return {name: values[name].numpy() for name in self._names}
        finally:
            if before != self.threads:
                torch.set_num_threads(before)

    def close(self) -> None:
        super().close()
        self._constants = self._steps = None


def _padded(x: Any, pads: list[int] | None, value: float = 0.0) -> tuple[Any, list[int] | int]:
    """(x, padding): symmetric padding is left to the operator, any other is applied here."""
    from torch.nn.functional import pad

    if not pads or pads[: len(pads) // 2] == pads[len(pads) // 2:]:
        return x, list(pads[: len(pads) // 2]) if pads else 0
    half = len(pads) // 2
    sides = [side for axis in reversed(range(half)) for side in (pads[axis], pads[half + axis])]
    return pad(x, sides, value=value), 0


def _conv(x: Any, w: Any, b: Any = None, *, strides: Any = 1, pads: Any = None, dilations: Any = 1, group: int = 1,
          kernel_shape: Any = None) -> Any:
    from torch.nn.functional import conv2d

    x, padding = _padded(x, pads)
    return conv2d(x, w, b, strides, padding, dilations, group)


def _max_pool(x: Any, *, kernel_shape: Any, strides: Any = 1, pads: Any = None) -> Any:
    from torch.nn.functional import max_pool2d

    x, padding = _padded(x, pads, float("-inf"))
    return max_pool2d(x, kernel_shape, strides, padding)


def _average_pool(x: Any, *, kernel_shape: Any, strides: Any = 1, pads: Any = None, count_include_pad: int = 0) -> Any:
    from torch.nn.functional import avg_pool2d

    if pads and pads[: len(pads) // 2] != pads[len(pads) // 2:]:
        raise ValueError(f"pads of AveragePool must be symmetric here, got {pads}")
    padding = pads[: len(pads) // 2] if pads else 0
    return avg_pool2d(x, kernel_shape, strides, padding, count_include_pad=bool(count_include_pad))


def _gemm(a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
          transB: int = 0) -> Any:
    y = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return y if c is None else y + beta * c


def _softmax(x: Any, *, axis: int = -1) -> Any:
    return x.softmax(axis)


def _flatten(x: Any, *, axis: int = 1) -> Any:
    rows = 1
    for size in x.shape[:axis]:
        rows *= size
    return x.reshape(rows, -1)


def _concat(*xs: Any, axis: int) -> Any:
    import torch

    return torch.cat(xs, axis)


TORCH_OPS: dict[str, Callable[..., Any]] = {
    "Conv": _conv, "Gemm": _gemm, "MaxPool": _max_pool, "AveragePool": _average_pool, "Softmax": _softmax,
    "Flatten": _flatten, "Concat": _concat,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "Relu": lambda x: x.relu(), "Sigmoid": lambda x: x.sigmoid(), "Tanh": lambda x: x.tanh(),
    "Add": lambda a, b: a + b, "Mul": lambda a, b: a * b, "MatMul": lambda a, b: a @ b,
}
