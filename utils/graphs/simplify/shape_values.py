"""What is known about integer tensors that are computed from shapes, although some dimensions are symbols."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto

from utils.graphs.simplify.rewriting import TensorType, attribute, constant_value, is_standard, producers

Values = list[int | str]


class ShapeReader:
    """Reads integer vectors that are made of dimensions: numbers where known, symbols where not."""

    def __init__(
        self, graph: GraphProto, types: Mapping[str, TensorType], constants: Mapping[str, TensorProto]
    ) -> None:
        self.types, self.constants, self.made_by = types, constants, producers(graph)

    def dims(self, name: str) -> Values | None:
        """Dimensions of a tensor; an unnamed one gets a symbol that only this tensor and axis share."""
        known = self.types.get(name)
        if known is None or known.dims is None:
            return None
        return [f"{name}[{axis}]" if d is None else d for axis, d in enumerate(known.dims)]

    def values(self, name: str) -> Values | None:
        """The elements of an int64 tensor of rank 0 or 1, or None where they can't be told."""
        value = constant_value(self.constants, name)
        if value is not None:
            return value.reshape(-1).tolist() if value.dtype == np.int64 and value.ndim < 2 else None
        node = self.made_by.get(name)
        rule = _RULES.get(node.op_type) if node is not None and is_standard(node) else None
        return rule(self, node) if rule is not None else None


def _shape(reader: ShapeReader, node: NodeProto) -> Values | None:
    dims = reader.dims(node.input[0])
    return None if dims is None else dims[attribute(node, "start", 0) : attribute(node, "end", None)]


def _gather(reader: ShapeReader, node: NodeProto) -> Values | None:
    values, index = reader.values(node.input[0]), constant_value(reader.constants, node.input[1])
    if values is None or index is None or attribute(node, "axis", 0) != 0 or index.ndim > 1:
        return None
    places = index.reshape(-1).tolist()
    return [values[i] for i in places] if all(-len(values) <= i < len(values) for i in places) else None


def _slice(reader: ShapeReader, node: NodeProto) -> Values | None:
    values = reader.values(node.input[0])
    bounds = [constant_value(reader.constants, name) for name in node.input[1:]]
    if values is None or len(bounds) < 2 or any(b is None or b.size != 1 for b in bounds):
        return None
    start, end = (int(b.item()) for b in bounds[:2])
    step = int(bounds[3].item()) if len(bounds) > 3 else 1
    return values[start:end:step] if step > 0 else None


def _concat(reader: ShapeReader, node: NodeProto) -> Values | None:
    parts = [reader.values(name) for name in node.input]
    return None if any(p is None for p in parts) else [v for part in parts for v in part]


def _same(reader: ShapeReader, node: NodeProto) -> Values | None:
    return reader.values(node.input[0])


def _cast(reader: ShapeReader, node: NodeProto) -> Values | None:
    return reader.values(node.input[0]) if attribute(node, "to") == TensorProto.INT64 else None


_RULES = {
    "Shape": _shape, "Gather": _gather, "Slice": _slice, "Concat": _concat,
    "Identity": _same, "Unsqueeze": _same, "Squeeze": _same, "Cast": _cast,
}  # fmt: skip
