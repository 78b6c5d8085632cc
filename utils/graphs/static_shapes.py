"""Shapes of a model's inputs: what they are, and a copy of the model in which they are fixed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

Dims = tuple[int | str, ...]


def network_inputs(model: ModelProto | str | os.PathLike) -> dict[str, Dims]:
    """Inputs of an ONNX model or file that are no weights; a number is static, a name is a dynamic dimension.

    A dimension without a name is called "?".
    """
    import onnx

    if not isinstance(model, onnx.ModelProto):
        model = onnx.load(os.fspath(model), load_external_data=False)
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        value.name: tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or "?"
                          for d in value.type.tensor_type.shape.dim)
        for value in model.graph.input if value.name not in weights
    }


def make_static(model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> ModelProto:
    """A copy of `model` whose inputs have the given shapes; a symbol gets its value everywhere.

    Inputs that `shapes` leaves out keep theirs. Raises ValueError for a name that is no input, for another rank or
    another size than the model fixes, and for a symbol with two values.
    """
    import onnx

    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    del bound.graph.value_info[:]
    inputs, symbols = network_inputs(model), {}
    for name, shape in shapes.items():
        if name not in inputs:
            raise ValueError(f"shapes must name inputs of the model, got {name!r}")
        if len(shape) != len(inputs[name]):
            raise ValueError(f"the shape of {name!r} must have {len(inputs[name])} dimensions, got {tuple(shape)}")
        for size, dim in zip(shape, inputs[name]):
            if isinstance(dim, int) and dim != size:
                raise ValueError(f"the shape of {name!r} must keep the model's {dim}, got {tuple(shape)}")
            if isinstance(dim, str) and dim != "?" and symbols.setdefault(dim, size) != size:
                raise ValueError(f"the symbol {dim} must have one value, got {symbols[dim]} and {size}")
    for value in bound.graph.input:
        for axis, size in enumerate(shapes.get(value.name, ())):
            value.type.tensor_type.shape.dim[axis].dim_value = size
    for value in (*bound.graph.input, *bound.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_value = symbols[dim.dim_param]
    return bound
