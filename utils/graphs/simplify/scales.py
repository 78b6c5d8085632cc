"""Constant factors and offsets next to a convolution become part of it; factors in a row become one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from utils.graphs.simplify.rewriting import (
    Fresh,
    PassResult,
    constant_value,
    constants_of,
    copy_of,
    drop_nodes,
    is_standard,
    producers,
    uses,
)


def fuse_scales(model: ModelProto) -> PassResult:
    """Take a Mul by constants before or after a Conv, and an Add of constants after it, into weights and bias.

    After the Conv the constant may have a value for each channel, before it it must be a scalar; two Muls by scalars
    in a row become one. Only where nothing else reads the tensor between the two nodes; float64 arithmetic, stored in
    the type of the weights, and left alone where that type over- or underflows.
    """
    model = copy_of(model)
    graph = model.graph
    fuser = _Fuser(Fresh(model), constants_of(model), producers(graph), uses(graph))
    for node in graph.node:
        fuser.fuse(node)
    drop_nodes(graph, fuser.removed)
    graph.initializer.extend(fuser.made)
    return PassResult(model, len(fuser.removed))


@dataclass
class _Fuser:
    fresh: Fresh
    constants: dict[str, TensorProto]
    made_by: dict[str, NodeProto]
    uses: dict[str, int]
    made: list[TensorProto] = field(default_factory=list)
    removed: list[NodeProto] = field(default_factory=list)

    def fuse(self, node: NodeProto) -> None:
        """Take the node into the one that makes its input, or that one into the node, where this is allowed."""
        if is_standard(node, "Conv"):
            while self._take_factor_before(node):
                pass
        if not is_standard(node, "Mul", "Add"):
            return
        before, value = self._operand(node)
        fused = False
        if before is not None and is_standard(before, "Conv"):
            fused = self._take_after(before, node, value)
        elif before is not None and is_standard(before, "Mul") and is_standard(node, "Mul"):
            fused = self._merge_factors(before, node, value)
        if fused:
            before.output[0] = node.output[0]
            self.made_by[node.output[0]] = before
            self.removed.append(node)

    def _operand(self, node: NodeProto) -> tuple[NodeProto | None, np.ndarray | None]:
        """The node that makes the one input, if only this node reads it, and the constant that is the other."""
        for x, c in ((0, 1), (1, 0)):
            value = constant_value(self.constants, node.input[c])
            before = self.made_by.get(node.input[x])
            if value is not None and value.dtype.kind == "f" and before is not None and self.uses[node.input[x]] == 1:
                return before, value
        return None, None

    def _take_after(self, conv: NodeProto, node: NodeProto, value: np.ndarray) -> bool:
        w = self._weights(conv)
        per_channel = None if w is None else _per_channel(value, w)
        if per_channel is None:
            return False
        bias = self._bias(conv, w)
        if bias is None:
            return False
        if node.op_type == "Mul":
            new_w = w * per_channel.reshape(-1, *[1] * (w.ndim - 1))
            new_b = bias * per_channel if len(conv.input) > 2 and conv.input[2] else None
        else:
            new_w, new_b = None, bias + per_channel
        return self._store(conv, w.dtype, new_w, new_b)

    def _take_factor_before(self, conv: NodeProto) -> bool:
        """Zeros of the padding stay zeros under a factor, so that it can move over the padding into the weights."""
        before = self.made_by.get(conv.input[0])
        w = self._weights(conv)
        if before is None or w is None or not is_standard(before, "Mul") or self.uses[conv.input[0]] != 1:
            return False
        for x, c in ((0, 1), (1, 0)):
            value = constant_value(self.constants, before.input[c])
            if value is None or value.size != 1 or value.ndim > w.ndim or value.dtype != w.dtype:
                continue
            if self._store(conv, w.dtype, w * value.astype(np.float64).reshape(()), None):
                conv.input[0] = before.input[x]
                self.removed.append(before)
                return True
        return False

    def _merge_factors(self, first: NodeProto, second: NodeProto, value: np.ndarray) -> bool:
        for c in (0, 1):
            other = constant_value(self.constants, first.input[c])
            if other is None or max(other.ndim, value.ndim) > 0 or other.dtype != value.dtype:
                continue
            product = np.array(other.astype(np.float64) * value.astype(np.float64))
            if _fits(product, value.dtype):
                first.input[c] = self._new(product.astype(value.dtype), f"{second.output[0]}_factor")
                return True
        return False

    def _weights(self, conv: NodeProto) -> np.ndarray | None:
        tensor = self.constants.get(conv.input[1])
        return None if tensor is None else numpy_helper.to_array(tensor)

    def _bias(self, conv: NodeProto, w: np.ndarray) -> np.ndarray | None:
        """The bias, zeros where there is none, or None where it is no constant."""
        if len(conv.input) < 3 or not conv.input[2]:
            return np.zeros(w.shape[0])
        tensor = self.constants.get(conv.input[2])
        return None if tensor is None else numpy_helper.to_array(tensor).astype(np.float64)

    def _store(self, conv: NodeProto, dtype: np.dtype, w: np.ndarray | None, b: np.ndarray | None) -> bool:
        if any(a is not None and not _fits(a, dtype) for a in (w, b)):
            return False
        if w is not None:
            conv.input[1] = self._new(w.astype(dtype), f"{conv.input[1]}_scaled")
        if b is not None:
            name = self._new(b.astype(dtype), f"{conv.output[0]}_bias")
            inputs = [*conv.input[:2], name]
            del conv.input[:]
            conv.input.extend(inputs)
        return True

    def _new(self, value: np.ndarray, stem: str) -> str:
        tensor = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), self.fresh.name(stem))
        self.constants[tensor.name] = tensor
        self.made.append(tensor)
        return tensor.name


def _per_channel(value: np.ndarray, w: np.ndarray) -> np.ndarray | None:
    """A constant that meets the convolution's output as one number for each channel, or None."""
    channels = w.shape[0]
    aligned = (1,) * (w.ndim - value.ndim) + value.shape
    if value.ndim > w.ndim or aligned[0] != 1 or any(d != 1 for d in aligned[2:]) or aligned[1] not in (1, channels):
        return None
    if value.dtype != w.dtype:
        return None
    return np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,))


def _fits(value: np.ndarray, dtype: np.dtype) -> bool:
    """Whether the numbers can be stored: none becomes infinite, and none that is not 0 becomes 0."""
    with np.errstate(over="ignore", under="ignore"):
        stored = value.astype(dtype).astype(np.float64)
    return bool(np.all(np.isfinite(stored) | ~np.isfinite(value)) and np.all((stored != 0) | (value == 0)))
