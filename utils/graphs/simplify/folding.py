"""Constant folding: what depends on no input is computed once, by ONNX's own reference implementation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from utils.graphs.simplify.rewriting import (
    PassResult,
    TensorType,
    attribute,
    constants_of,
    copy_of,
    is_random,
    is_standard,
    set_nodes,
    subgraphs,
    tensor_bytes,
    tensor_types,
    uses,
)
from utils.graphs.simplify.shape_values import ShapeReader

# folding these would store INT8 weights as FP32 and take the quantization out of the model
QUANTIZATION_OPS = frozenset({"DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear"})
FREE_BYTES = 1024  # `growth_limit` does not look at results up to this size


def fold_constants(
    model: ModelProto, max_tensor_bytes: int = 1 << 20, growth_limit: float | None = None
) -> PassResult:
    """Replace nodes whose inputs are all constants by their results, stored as initializers.

    Shape and Size of a tensor with a static shape fold too, and so do Gather and Slice that pick known dimensions of
    a shape which is known in part. Constant nodes become initializers. Left alone are
    random operators, control flow, quantization, operators of other domains, and nodes that make an output of the
    graph. A result above `max_tensor_bytes` is stored only if constants of that size go away with it.
    With `growth_limit` a result of more than 1,024 bytes may have at most that many bytes for each byte of the
    node's constants. What was not folded for its size is in `notes`. ValueError for a negative limit.
    """
    if max_tensor_bytes < 0 or (growth_limit is not None and growth_limit < 0):
        limits = f"{max_tensor_bytes}, {growth_limit}"
        raise ValueError(f"max_tensor_bytes and growth_limit must not be negative, got {limits}")
    model = copy_of(model)
    folder = _Folder(model, max_tensor_bytes, growth_limit)
    kept = [node for node in model.graph.node if not folder.fold(node)]
    folded = len(model.graph.node) - len(kept)
    set_nodes(model.graph, kept)
    model.graph.initializer.extend(folder.made)
    return PassResult(model, folded, tuple(folder.notes))


class _Folder:
    def __init__(self, model: ModelProto, max_tensor_bytes: int, growth_limit: float | None) -> None:
        self.opsets = model.opset_import
        self.max_tensor_bytes, self.growth_limit = max_tensor_bytes, growth_limit
        self.outputs = {value.name for value in model.graph.output}
        self.types, self.uses = tensor_types(model), uses(model.graph)
        self.constants = constants_of(model)
        self.reader = ShapeReader(model.graph, self.types, self.constants)
        self.made: list[TensorProto] = []
        self.notes: list[str] = []

    def fold(self, node: NodeProto) -> bool:
        """Compute the node now, if that is allowed; its results join the constants."""
        if not self._foldable(node):
            return False
        results = _static_shape(node, self.types) or self._picked_dims(node)
        if results is None:
            if any(name and name not in self.constants for name in node.input) or self._too_large(node):
                return False
            results = self._evaluate(node)
        tensors = [numpy_helper.from_array(value, name) for name, value in results.items()] if results else []
        if not tensors or not all(self._as_inferred(t) for t in tensors) or self._grows(node, tensors):
            return False
        self.constants.update((t.name, t) for t in tensors)
        self.made += tensors
        return True

    def _foldable(self, node: NodeProto) -> bool:
        return (
            is_standard(node)
            and not is_random(node)
            and node.op_type not in QUANTIZATION_OPS
            and not any(True for _ in subgraphs(node))
            and not self.outputs.intersection(node.output)
        )

    def _picked_dims(self, node: NodeProto) -> dict[str, np.ndarray] | None:
        """Known dimensions that Gather or Slice takes out of a shape, or None."""
        known = self.types.get(node.output[0])
        if node.op_type not in ("Gather", "Slice") or known is None or known.dims is None or len(known.dims) > 1:
            return None
        values = self.reader.values(node.output[0])
        if values is None or any(isinstance(v, str) for v in values) or (not known.dims and len(values) != 1):
            return None
        return {node.output[0]: np.array(values if known.dims else values[0], np.int64)}

    def _too_large(self, node: NodeProto) -> bool:
        """Whether the inferred result is out of question, so that it need not be computed to find out."""
        sizes = [_type_bytes(self.types.get(name)) for name in node.output if name]
        if None in sizes:
            return False
        return self._refused(node, sum(sizes))

    def _grows(self, node: NodeProto, tensors: list[TensorProto]) -> bool:
        return self._refused(node, sum(map(tensor_bytes, tensors)))

    def _refused(self, node: NodeProto, n_bytes: int) -> bool:
        read = {name for name in node.input if name in self.constants}
        freed = sum(tensor_bytes(self.constants[name]) for name in read if self.uses[name] == 1)
        over = n_bytes > max(self.max_tensor_bytes, freed)
        if self.growth_limit is not None and n_bytes > FREE_BYTES:
            over |= n_bytes > self.growth_limit * sum(tensor_bytes(self.constants[name]) for name in read)
        if over:
            self.notes.append(f"{node.op_type} -> {node.output[0]} was not folded: its result has {n_bytes:,} bytes")
        return over

    def _evaluate(self, node: NodeProto) -> dict[str, np.ndarray] | None:
        """The node's outputs, or None where ONNX's reference implementation can't tell them."""
        from onnx.reference import ReferenceEvaluator

        feeds = {name: numpy_helper.to_array(self.constants[name]) for name in node.input if name}
        names = [name for name in node.output if name]
        graph = helper.make_graph(
            [node],
            "fold",
            [helper.make_empty_tensor_value_info(name) for name in feeds],
            [helper.make_empty_tensor_value_info(name) for name in names],
        )
        try:
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(helper.make_model(graph, opset_imports=self.opsets)).run(None, feeds)
        except Exception:  # an operator that it lacks, or a run that fails: the runtime decides about this node
            return None
        arrays = [np.asarray(r) if isinstance(r, np.ndarray | np.generic) else None for r in results]
        return None if any(a is None for a in arrays) else dict(zip(names, arrays))

    def _as_inferred(self, tensor: TensorProto) -> bool:
        """Guards against a reference implementation that returns another type than the operator's definition."""
        known = self.types.get(tensor.name)
        return known is None or known.elem_type in (0, tensor.data_type)


def _static_shape(node: NodeProto, types: Mapping[str, TensorType]) -> dict[str, np.ndarray] | None:
    """The result of Shape or Size where the input's shape is known; else None."""
    if node.op_type not in ("Shape", "Size"):
        return None
    known = types.get(node.input[0])
    if known is None or not known.is_static:
        return None
    dims = np.array(known.dims, np.int64)
    if node.op_type == "Size":
        return {node.output[0]: np.array(dims.prod(), np.int64)}
    return {node.output[0]: dims[attribute(node, "start", 0) : attribute(node, "end", None)]}


def _type_bytes(known: TensorType | None) -> int | None:
    if known is None or not known.is_static or not known.elem_type or known.elem_type == TensorProto.STRING:
        return None
    return tensor_bytes(TensorProto(data_type=known.elem_type, dims=known.dims))
