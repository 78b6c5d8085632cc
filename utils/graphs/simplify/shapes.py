"""Fixed input shapes, and what follows from them through the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import ModelProto, ValueInfoProto

from utils.graphs.simplify.rewriting import copy_of


def infer_static_shapes(
    model: ModelProto, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> ModelProto:
    """The model with the given input shapes and the shapes that follow, as ONNX's shape inference tells them.

    `input_shapes` maps names of inputs to their dimensions, numbers of 1 or more. Intermediate tensors are annotated
    (value_info) anew. Raises ValueError for an unknown input, another rank, a fixed dimension that would change, and
    shapes for which the graph makes no sense.
    """
    model = copy_of(model)
    if input_shapes:
        _set_inputs(model, input_shapes)
        del model.graph.value_info[:]
        _free_outputs(model)
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ValueError(f"input_shapes must fit the graph, got {dict(input_shapes or {})}: {error}") from error


def with_input_shapes(model: ModelProto, input_shapes: Mapping[str, Sequence[int]]) -> ModelProto:
    """The model with fixed input shapes and the output shapes that follow; intermediate tensors are not annotated."""
    fixed = infer_static_shapes(model, input_shapes)
    known = {value.name: value for value in model.graph.output}
    for value in fixed.graph.output:
        if not value.type.tensor_type.HasField("shape"):  # not to be inferred: better the old shape than none
            value.CopyFrom(known[value.name])
    del fixed.graph.value_info[:]
    return fixed


def _set_inputs(model: ModelProto, input_shapes: Mapping[str, Sequence[int]]) -> None:
    inputs = {value.name: value for value in model.graph.input}
    for name, dims in input_shapes.items():
        if name not in inputs:
            raise ValueError(f"input_shapes must name inputs of the model ({', '.join(inputs)}), got {name!r}")
        _set_dims(inputs[name], [int(d) for d in dims])


def _set_dims(value: ValueInfoProto, dims: Sequence[int]) -> None:
    tensor_type = value.type.tensor_type
    if any(d < 1 for d in dims):
        raise ValueError(f"input_shapes must hold dimensions of 1 or more, got {list(dims)} for {value.name!r}")
    if not tensor_type.HasField("shape"):
        for _ in dims:
            tensor_type.shape.dim.add()
    old = tensor_type.shape.dim
    if len(old) != len(dims):
        raise ValueError(f"input_shapes must keep the rank {len(old)} of {value.name!r}, got {list(dims)}")
    for axis, (before, d) in enumerate(zip(old, dims)):
        if before.HasField("dim_value") and before.dim_value != d:
            raise ValueError(
                f"input_shapes must keep fixed dimensions: axis {axis} of {value.name!r} is {before.dim_value}, got {d}"
            )
        before.dim_value = d


def _free_outputs(model: ModelProto) -> None:
    """Forget the declared output shapes, so that inference writes the new ones."""
    for value in model.graph.output:
        if value.type.WhichOneof("value") == "tensor_type":
            value.type.tensor_type.ClearField("shape")
