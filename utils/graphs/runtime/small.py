"""A runtime of nine operators, in plain data: the size at which all of it fits on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.graphs.order import topological_order
from utils.graphs.runtime.registry import KERNELS

MINI_OPS = ("Add", "Mul", "Relu", "MatMul", "Gemm", "Reshape", "Transpose", "Softmax", "Flatten")
PlainNode = tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]


def mini_runtime(
    nodes: Sequence[PlainNode], constants: Mapping[str, np.ndarray], feeds: Mapping[str, np.ndarray],
    outputs: Sequence[str],
) -> list[np.ndarray]:
    """The tensors named in `outputs`, computed by nodes (op, inputs, outputs, attributes) in any order.

    "" marks an absent input. Raises NotImplementedError that names an operator which is not one of `MINI_OPS`, and
    ValueError as `topological_order` does.
    """
    tensors = {**constants, **feeds}
    for op, *_ in nodes:
        if op not in MINI_OPS:
            raise NotImplementedError(f"{op} is not one of the operators {', '.join(MINI_OPS)}")
    for index in topological_order([(ins, outs) for _, ins, outs, _ in nodes], tensors):
        op, ins, outs, attributes = nodes[index]
        tensors[outs[0]] = KERNELS[op].function(*(tensors[n] if n else None for n in ins), **attributes)
    return [tensors[name] for name in outputs]
