"""Reshapes whose target is computed at run time although it could be written down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from utils.graphs.simplify.rewriting import (
    Fresh,
    PassResult,
    attribute,
    constants_of,
    copy_of,
    is_standard,
    tensor_types,
)
from utils.graphs.simplify.shape_values import ShapeReader, Values


def reshape_target(in_shape: list[int | str], target: list[int | str]) -> list[int] | None:
    """A constant for ONNX Reshape (allowzero=0) that does what the computed `target` does, or None.

    in_shape: dimensions of the input, numbers of 1 or more or symbols; target: the same, and at most one -1.
    A symbol that the input has at the same index becomes 0 (copy this dimension); of the other symbols one may
    become -1 (what is left over), if the target has no -1 yet. Raises ValueError for a number below 1 that is not
    the one -1 of the target.

    >>> reshape_target(["N", 16, 1, 1], ["N", -1])
    [0, -1]
    """
    _check_dims("in_shape", in_shape, 0)
    _check_dims("target", target, 1)
    constant = [0 if isinstance(d, str) and in_shape[i : i + 1] == [d] else d for i, d in enumerate(target)]
    unknown = [i for i, d in enumerate(constant) if isinstance(d, str)]
    if len(unknown) > 1 or (unknown and -1 in constant):
        return None
    return [-1 if isinstance(d, str) else d for d in constant]


def _check_dims(name: str, dims: list[int | str], most_open: int) -> None:
    numbers = [d for d in dims if not isinstance(d, str)]
    if numbers.count(-1) > most_open or any(d < 1 and d != -1 for d in numbers):
        raise ValueError(f"{name} must hold numbers of 1 or more, symbols and at most {most_open} -1, got {dims}")


def rewrite_dynamic_reshape(model: ModelProto) -> PassResult:
    """Give Reshapes a constant target where the computed one provably says the same with 0 and -1.

    The chain that computed the target (Shape, Gather, Unsqueeze, Concat) is left for `eliminate_dead`.
    """
    return _rewrite(model, reshape_target)


def open_reshape(model: ModelProto) -> PassResult:
    """Give Reshapes a constant target where one dimension of the computed one is unknown and none is -1.

    This is what onnxsim does by default (fuse_concat_into_reshape): it uses -1 only, where
    `rewrite_dynamic_reshape` copies dimensions with 0 as well.
    """
    return _rewrite(model, lambda in_shape, target: reshape_target([], target))


def _rewrite(model: ModelProto, rule: Callable[[Values, Values], list[int] | None]) -> PassResult:
    model = copy_of(model)
    reader = ShapeReader(model.graph, tensor_types(model), constants_of(model))
    fresh, changes = Fresh(model), 0
    for node in model.graph.node:
        target = _constant_target(node, reader, rule)
        if target is not None:
            name = fresh.name(f"{node.output[0]}_target")
            model.graph.initializer.append(numpy_helper.from_array(np.array(target, np.int64), name))
            node.input[1] = name
            changes += 1
    return PassResult(model, changes)


def _constant_target(
    node: NodeProto, reader: ShapeReader, rule: Callable[[Values, Values], list[int] | None]
) -> list[int] | None:
    if not is_standard(node, "Reshape") or len(node.input) < 2 or attribute(node, "allowzero", 0):
        return None
    if node.input[1] in reader.constants:
        return None
    in_shape, target = reader.dims(node.input[0]), reader.values(node.input[1])
    if in_shape is None or target is None:
        return None
    try:
        return rule(in_shape, target)
    except ValueError:  # a dimension of 0, for which 0 and -1 mean something else
        return None
