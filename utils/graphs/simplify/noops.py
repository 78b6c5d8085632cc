"""Nodes that return what they are given: found, taken out, and their readers rewired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from utils.graphs.simplify.rewriting import (
    PassResult,
    Renames,
    TensorType,
    attribute,
    constant_value,
    constants_of,
    copy_of,
    is_random,
    is_standard,
    tensor_types,
    uses,
)

UNITS = {"Mul": 1, "Div": 1, "Add": 0, "Sub": 0}


def eliminate_noops(model: ModelProto) -> PassResult:
    """Take out nodes that change nothing; the graph's inputs and outputs keep their names.

    These are Identity; Dropout outside training whose mask nobody reads; Cast to the type that the tensor has;
    Mul or Div by ones and Add or Sub of zeros, if the shape stays; Transpose without effect; Reshape, Flatten,
    Expand and Pad that give the shape they get; Concat of one tensor.
    Adding 0.0 turns -0.0 into 0.0, so that the sign of a zero may differ afterwards.
    """
    model = copy_of(model)
    facts = _Facts(tensor_types(model), constants_of(model), uses(model.graph))
    renames, removed = Renames(model.graph), []
    for node in model.graph.node:
        source = _source(node, facts)
        if source and renames.bypass(node.output[0], source):
            removed.append(node)
    renames.apply(removed)
    return PassResult(model, len(removed))


@dataclass(frozen=True)
class _Facts:
    types: Mapping[str, TensorType]
    constants: Mapping[str, TensorProto]
    uses: Mapping[str, int]

    def same_shape(self, a: str, b: str) -> bool:
        """Whether two tensors provably have one shape: equal numbers or equal symbols on every axis."""
        one, other = self.types.get(a), self.types.get(b)
        if one is None or other is None or one.dims is None or other.dims is None:
            return False
        return len(one.dims) == len(other.dims) and all(p == q and p is not None for p, q in zip(one.dims, other.dims))


def _source(node: NodeProto, facts: _Facts) -> str:
    """The input that the node's first output equals, or ""."""
    if not is_standard(node) or not node.input or not node.output:
        return ""
    if node.op_type in UNITS:
        return _unit_source(node, facts)
    rule = _RULES.get(node.op_type)
    return node.input[0] if rule is not None and rule(node, facts) else ""


def _unit_source(node: NodeProto, facts: _Facts) -> str:
    """x * 1, 1 * x, x / 1, x + 0, 0 + x, x - 0, where the constant does not enlarge x by broadcasting."""
    unit = UNITS[node.op_type]
    sides = [(0, 1), (1, 0)] if node.op_type in ("Mul", "Add") else [(0, 1)]
    for x, c in sides:
        value = constant_value(facts.constants, node.input[c])
        if value is None or value.size == 0 or not np.all(np.asarray(value) == unit):
            continue
        if value.ndim == 0 or facts.same_shape(node.input[x], node.output[0]):
            return node.input[x]
    return ""


def _dropout(node: NodeProto, facts: _Facts) -> bool:
    mask_read = len(node.output) > 1 and bool(node.output[1]) and facts.uses[node.output[1]] > 0
    training = constant_value(facts.constants, node.input[2]) if is_random(node) else np.False_
    return not mask_read and training is not None and not bool(training)


def _cast(node: NodeProto, facts: _Facts) -> bool:
    known = facts.types.get(node.input[0])
    return known is not None and known.elem_type == attribute(node, "to")


def _transpose(node: NodeProto, facts: _Facts) -> bool:
    perm = attribute(node, "perm")
    if perm is None:  # reversed axes: no effect on a vector or a scalar
        known = facts.types.get(node.input[0])
        return known is not None and known.dims is not None and len(known.dims) < 2
    return list(perm) == list(range(len(perm)))


def _reshape(node: NodeProto, facts: _Facts) -> bool:
    return facts.same_shape(node.input[0], node.output[0]) or _copies_all_but_one(node, facts)


def _copies_all_but_one(node: NodeProto, facts: _Facts) -> bool:
    """A constant target that repeats every dimension but one, which follows: [0, 16] or [-1, 16] for (?, 16)."""
    known = facts.types.get(node.input[0])
    target = constant_value(facts.constants, node.input[1]) if len(node.input) > 1 else None
    if known is None or known.dims is None or target is None or len(target) != len(known.dims):
        return False
    if attribute(node, "allowzero", 0):
        return False
    same = [t == 0 or (t == d and t > 0) for t, d in zip(target.tolist(), known.dims)]
    open_axes = [i for i, ok in enumerate(same) if not ok]
    return not open_axes or (len(open_axes) == 1 and target[open_axes[0]] == -1 and 0 not in known.dims)


def _pad(node: NodeProto, facts: _Facts) -> bool:
    pads = attribute(node, "pads") if len(node.input) < 2 else constant_value(facts.constants, node.input[1])
    return pads is not None and not np.any(pads)


def _same_shape(node: NodeProto, facts: _Facts) -> bool:
    return facts.same_shape(node.input[0], node.output[0])


_RULES = {
    "Identity": lambda node, facts: True,
    "Dropout": _dropout,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _same_shape,
    "Expand": _same_shape,
    "Pad": _pad,
    "Concat": lambda node, facts: len(node.input) == 1,
}
