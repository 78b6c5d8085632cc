"""The tensors of an ONNX graph: their bytes by shape inference, and when they live."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from utils.cost.arena.op_graph import GraphOp, TensorGraph
from utils.cost.arena.tensor_use import TensorUse

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

# Operators that may write over their first input if that has as many bytes: one value in, one value out, in one place.
ELEMENTWISE = frozenset(("Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Erf", "Exp",
                         "Sqrt", "Neg", "Abs", "Add", "Sub", "Mul", "Div", "BatchNormalization"))
VIEWS = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"))

RANDOM = frozenset(("RandomNormal", "RandomUniform"))  # without inputs, and new in every run


def uses_from_onnx(model: ModelProto, dtype_bytes: int | None = None) -> list[TensorUse]:
    """Bytes and lifetimes of the tensors that an ONNX graph holds while it runs, weights left out.

    Step i runs the i-th operator of the file. Graph inputs live from step 0 to their last reader, graph outputs to
    the end, constants not at all. `dtype_bytes` replaces the bytes of every element (1 for an INT8 twin).
    Raises ValueError where a shape is not known: "symbolic" dimensions need a number first.
    """
    return list(named_uses_from_onnx(model, dtype_bytes).values())


def named_uses_from_onnx(model: ModelProto, dtype_bytes: int | None = None) -> dict[str, TensorUse]:
    """As `uses_from_onnx`, by the tensors' names: first the graph inputs, then the operators' outputs in order."""
    nodes, constants, sizes = _read(model, dtype_bytes)
    end = max(0, len(nodes) - 1)
    first = {v.name: 0 for v in model.graph.input if v.name not in constants}
    last = {v.name: end for v in model.graph.output}
    for step, node in enumerate(nodes):
        for name in filter(None, node.output):
            first[name] = step
            last.setdefault(name, step)
        for name in node.input:
            if name in first:
                last[name] = max(last.get(name, step), step)
    return {name: TensorUse(_size(sizes, name), at, last.get(name, end)) for name, at in first.items()}


def graph_from_onnx(model: ModelProto, dtype_bytes: int | None = None) -> TensorGraph:
    """The operators of an ONNX graph whose order may change, elementwise ones and views marked as in place.

    Raises ValueError for an operator with several outputs that are used, and as `uses_from_onnx` does.
    """
    nodes, constants, sizes = _read(model, dtype_bytes)
    used = {name for node in nodes for name in node.input} | {v.name for v in model.graph.output}
    ops = []
    for node in nodes:
        made = [name for name in node.output if name in used] or [node.output[0]]
        if len(made) > 1:
            raise ValueError(f"model must have one output an operator, got {len(made)} of {node.op_type} {node.name!r}")
        reads = tuple(dict.fromkeys(name for name in node.input if name and name not in constants))
        size = _size(sizes, made[0])
        inplace_ok = node.op_type in ELEMENTWISE | VIEWS and bool(reads) and _size(sizes, reads[0]) == size
        ops.append(GraphOp(made[0], reads, size, inplace_ok))
    inputs = {v.name: _size(sizes, v.name) for v in model.graph.input if v.name not in constants}
    return TensorGraph(tuple(ops), inputs, tuple(v.name for v in model.graph.output if v.name not in constants))


def _read(model: ModelProto, dtype_bytes: int | None) -> tuple[list[NodeProto], set[str], dict[str, int | None]]:
    """The operators, the names of constants, and the bytes of every tensor (None where the shape is not known)."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    constants, nodes = {t.name for t in graph.initializer}, []
    for node in graph.node:
        if all(name in constants for name in node.input if name) and node.op_type not in RANDOM:
            constants.update(node.output)  # computed once and kept, like the weights that it is made of
        else:
            nodes.append(node)
    values = (*graph.input, *graph.value_info, *graph.output)
    return nodes, constants, {value.name: _value_bytes(value, dtype_bytes) for value in values}


def _value_bytes(value: ValueInfoProto, dtype_bytes: int | None) -> int | None:
    import onnx

    kind = value.type.tensor_type
    if not kind.HasField("shape") or not all(d.HasField("dim_value") for d in kind.shape.dim):
        return None
    each = dtype_bytes or onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
    return math.prod(d.dim_value for d in kind.shape.dim) * each


def _size(sizes: Mapping[str, int | None], name: str) -> int:
    size = sizes.get(name)
    if size is None:
        raise ValueError(f"model must have known shapes, got an unknown or symbolic one for {name!r}")
    return size
