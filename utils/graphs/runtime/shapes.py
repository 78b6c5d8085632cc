"""Shape inference: types and shapes of all tensors of a graph, without running it on data.

A dimension is an int, a symbol such as "N", or None when unknown. Small integer tensors, from which graphs compute
shapes (Shape, Gather, Concat, Reshape …), are carried along with their values, symbols included: "data propagation".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.graphs.order import topological_order
from utils.graphs.protobuf import RawModel, RawNode, RawTensor, RawValue, numpy_dtype, tensor_to_numpy
from utils.graphs.runtime.interpreter import as_raw
from utils.graphs.runtime.registry import CONTEXT, KERNELS
from utils.graphs.runtime.shape_rules import RULES, Shape

if TYPE_CHECKING:
    from onnx import ModelProto

SMALL = 1024  # elements up to which a tensor's value is carried along

# Operators that move elements only: their kernels work on symbols too.
_MOVING = frozenset({"Identity", "Reshape", "Squeeze", "Unsqueeze", "Concat", "Gather", "Slice", "Transpose", "Split"})


@dataclass(frozen=True)
class TensorType:
    """dtype and shape of a tensor; None for what is not known (a shape of None: not even the rank)."""

    dtype: str | None
    shape: Shape | None

    def __str__(self) -> str:
        dims = "?" if self.shape is None else ", ".join("?" if d is None else str(d) for d in self.shape)
        return f"{self.dtype or '?'}[{dims}]"


def infer_shapes(
    model: ModelProto | RawModel | bytes | str | Path, inputs: Mapping[str, Sequence[int | str | None]] | None = None
) -> dict[str, TensorType]:
    """The type of every input, initializer and node output. `inputs` replaces the declared shapes of inputs.

    An operator without a rule leaves its outputs unknown. Where the file declares a shape (a graph output, a
    value_info), the declaration fills what inference leaves open.
    Raises ValueError where shapes contradict each other, for a replaced shape of another rank or an unknown input,
    and as `topological_order` does.
    """
    raw = as_raw(model)
    state = _State(raw)
    for name in inputs or {}:
        if name not in {v.name for v in raw.graph.inputs}:
            raise ValueError(f"inputs must name inputs of the graph, got {name!r}")
    for value in raw.graph.inputs:
        if value.name not in state.types:
            state.types[value.name] = _declared(value, (inputs or {}).get(value.name))
    declared = {} if inputs else {v.name: v for v in (*raw.graph.value_info, *raw.graph.outputs)}
    nodes = raw.graph.nodes
    for index in topological_order(nodes, state.types):
        _infer_node(state, nodes[index])
        for name in nodes[index].output:
            if name in declared:
                state.types[name] = _filled(state.types[name], _declared(declared[name], None), name)
    return state.types


@dataclass
class _State:
    """Types, and the values that are known: plain arrays, or object arrays that hold symbols (None: unknown)."""

    model: RawModel
    types: dict[str, TensorType] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tensor in self.model.graph.initializers:
            dtype = numpy_dtype(tensor.data_type)
            self.types[tensor.name] = TensorType(dtype.name, tuple(tensor.dims))
            if int(np.prod(tensor.dims)) <= SMALL:
                self.values[tensor.name] = tensor_to_numpy(tensor, self.model.folder)


def _declared(value: RawValue, shape: Sequence[int | str | None] | None) -> TensorType:
    if shape is not None and value.shape is not None and len(shape) != len(value.shape):
        raise ValueError(f"the shape of {value.name!r} must have the rank of {value.shape}, got {tuple(shape)}")
    dtype = numpy_dtype(value.elem_type).name if value.elem_type else None
    return TensorType(dtype, value.shape if shape is None else tuple(shape))


def _filled(inferred: TensorType, declared: TensorType, name: str) -> TensorType:
    """What is inferred, with the declaration where that is open."""
    dtype = inferred.dtype or declared.dtype
    if inferred.shape is None or declared.shape is None:
        return TensorType(dtype, declared.shape if inferred.shape is None else inferred.shape)
    if len(inferred.shape) != len(declared.shape):
        raise ValueError(f"the shape of {name!r} must be {declared}, as the file declares, got {inferred}")
    for one, other in zip(inferred.shape, declared.shape):
        if isinstance(one, int) and isinstance(other, int) and one != other:
            raise ValueError(f"the shape of {name!r} must be {declared}, as the file declares, got {inferred}")
    # A number says more than a symbol, a symbol more than nothing; of two symbols the inferred one is kept.
    shape = tuple(b if a is None or (isinstance(a, str) and isinstance(b, int)) else a
                  for a, b in zip(inferred.shape, declared.shape))  # fmt: skip
    return TensorType(dtype, shape)


# -- one node -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class NodeContext:
    """What a rule may look at: attributes, and of each input dtype, shape and value (None where unknown)."""

    node: RawNode
    opset: int
    attributes: dict[str, Any]
    dtypes: tuple[str | None, ...]
    shapes: tuple[Shape | None, ...]
    values: tuple[np.ndarray | None, ...]

    def has(self, index: int) -> bool:
        """Whether the node has an input of this index."""
        return index < len(self.node.input) and self.node.input[index] != ""

    def ints(self, index: int, attribute: str = "") -> list[int] | None:
        """Numbers that are an attribute in old opsets and an input in new ones; None if absent or not all known."""
        if self.has(index):
            value = self.values[index]
            known = value is not None and all(isinstance(v, int | np.integer) for v in value.ravel())
            return [int(v) for v in value.ravel()] if known else None  # type: ignore[union-attr]
        found = self.attributes.get(attribute)
        return None if found is None else list(found)


def _infer_node(state: _State, node: RawNode) -> None:
    context = _context(state, node)
    for name in node.output:
        state.types[name] = TensorType(None, None)
    if node.domain:
        return
    value = _value_of(context)
    if value is not None:
        for name, array in zip(node.output, value):
            state.types[name] = TensorType("int64" if array.dtype == object else array.dtype.name, array.shape)
            if array.size <= SMALL:
                state.values[name] = array
        return
    rule = RULES.get(node.op_type)
    if rule is None:
        return
    try:
        results = rule(context)
    except ValueError as error:
        shapes = ", ".join(str(s) for s in context.shapes)
        raise ValueError(f"{node.op_type} {node.name!r} must get fitting shapes, got {shapes}: {error}") from error
    for name, (dtype, shape) in zip(node.output, results):
        state.types[name] = TensorType(dtype, shape)


def _context(state: _State, node: RawNode) -> NodeContext:
    types = [state.types[name] if name else TensorType(None, None) for name in node.input]
    attributes = {
        name: tensor_to_numpy(value, state.model.folder) if isinstance(value, RawTensor) else value
        for name, value in node.attributes.items()
    }
    return NodeContext(
        node, state.model.opset.get("", 1), attributes, tuple(t.dtype for t in types),
        tuple(t.shape for t in types), tuple(state.values.get(name) if name else None for name in node.input),
    )  # fmt: skip


def _value_of(context: NodeContext) -> list[np.ndarray] | None:
    """The node's outputs as values, if its inputs are known well enough."""
    op = context.node.op_type
    if op == "Shape":
        return _shape_value(context)
    present = [v for v, name in zip(context.values, context.node.input) if name]
    if op not in KERNELS or any(v is None for v in present):
        return None
    if any(v.dtype == object for v in present):  # type: ignore[union-attr]
        if op in _ARITHMETIC:
            return [np.asarray(np.frompyfunc(_ARITHMETIC[op], 2, 1)(*present), object)]
        if op == "Cast":
            return [present[0]] if context.attributes.get("to") in (6, 7) else None  # type: ignore[list-item]
        movable = op in _MOVING and all(v.dtype != object for v in present[1:] if op != "Concat")  # type: ignore[union-attr]
        if not movable:
            return None
    return _run_kernel(context)


def _shape_value(context: NodeContext) -> list[np.ndarray] | None:
    if context.shapes[0] is None:
        return None
    start, end = context.attributes.get("start", 0), context.attributes.get("end")
    dims = list(context.shapes[0][slice(start, end)])
    known = all(isinstance(d, int) for d in dims)
    return [np.array(dims, np.int64 if known else object)]


def _run_kernel(context: NodeContext) -> list[np.ndarray] | None:
    kernel = KERNELS[context.node.op_type]
    if set(context.attributes) - kernel.attributes and not kernel.open:
        return None
    if context.node.op_type in ("Expand", "ConstantOfShape", "Tile", "Range") and not _makes_little(context):
        return None
    around = {"opset": context.opset, "n_outputs": len(context.node.output)}
    keywords = {**context.attributes, **{name: around[name] for name in CONTEXT & kernel.keywords}}
    result = kernel.function(*context.values, **keywords)
    return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]



def _makes_little(context: NodeContext) -> bool:
    """Whether an operator that makes arrays of any size stays small."""
    if context.node.op_type == "Range":
        start, limit, delta = (float(v) for v in context.values)  # type: ignore[arg-type]
        return abs(limit - start) <= SMALL * abs(delta)
    return abs(int(np.prod([int(n) for n in context.values[-1]] or [1]))) <= SMALL  # type: ignore[union-attr]


def _arithmetic(function: Any, neutral: int, left_too: bool) -> Any:
    """Integer arithmetic on dimensions: a symbol survives only the neutral element."""

    def compute(a: Any, b: Any) -> Any:
        if isinstance(a, int | np.integer) and isinstance(b, int | np.integer):
            return function(int(a), int(b))
        if isinstance(b, int | np.integer) and int(b) == neutral:
            return a
        return b if left_too and isinstance(a, int | np.integer) and int(a) == neutral else None

    return compute


_ARITHMETIC = {
    "Add": _arithmetic(lambda a, b: a + b, 0, True),
    "Sub": _arithmetic(lambda a, b: a - b, 0, False),
    "Mul": _arithmetic(lambda a, b: a * b, 1, True),
    "Div": _arithmetic(lambda a, b: int(a / b) if b else None, 1, False),
}
