"""Preprocessing as part of the graph: folded into the first convolution, or put in front of it as nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto


def fold_normalization(w: np.ndarray, b: np.ndarray, mean: Sequence[float], std: Sequence[float],
                       scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(w', b', pad) such that conv(raw, w', b') = conv((raw * scale - mean) / std, w, b) without padding.

    w: kernel (O, I, kh, kw); b: bias (O,); mean, std: I numbers; scale: above 0. All three results are float64.
    pad (I,): the raw value of each channel that normalises to 0. A convolution that pads has to pad with it.
    Raises ValueError if std contains 0, or mean or std does not have I entries (as for a grouped convolution's kernel).

    >>> w, b, pad = fold_normalization(np.array([[[[2.0]]]]), np.zeros(1), [0.5], [0.25], 1 / 255)
    >>> float(b[0]), float(pad[0])
    (-4.0, 127.5)
    """
    w, b = np.asarray(w, np.float64), np.asarray(b, np.float64)
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    for name, values in (("mean", mean), ("std", std)):
        if values.shape != (w.shape[1],):
            raise ValueError(f"{name} must have an entry for each of {w.shape[1]} input channels, got {values.size}")
    if (std == 0).any():
        raise ValueError("std must not contain 0")
    shift = np.einsum("oihw,i->o", w, mean / std)  # what the mean takes away at every place
    return w * (scale / std)[None, :, None, None], b - shift, mean / scale


def prepend_preprocess(model: ModelProto, mean: Sequence[float], std: Sequence[float],
                       scale: float = 1 / 255) -> ModelProto:
    """A copy of the model that takes raw pixels: uint8 (N, H, W, C) -> Cast, Transpose, Mul, Sub, Div -> the old input.

    The model must have one float32 input (N, C, H, W); the new one is called "raw". Raises ValueError otherwise, or for
    a number of means that is not C.
    """
    from onnx import TensorProto, helper

    result, source = _copied(model)
    dims = source.type.tensor_type.shape.dim
    _put(result, "pre_scale", np.array(scale, np.float32))
    for name, values in (("pre_mean", mean), ("pre_std", std)):
        _put(result, name, _per_channel(values, dims[1].dim_value, name[4:]))
    nodes = [helper.make_node("Cast", ["raw"], ["pre_float"], to=TensorProto.FLOAT),
             helper.make_node("Transpose", ["pre_float"], ["pre_nchw"], perm=[0, 3, 1, 2]),
             helper.make_node("Mul", ["pre_nchw", "pre_scale"], ["pre_scaled"]),
             helper.make_node("Sub", ["pre_scaled", "pre_mean"], ["pre_centred"]),
             helper.make_node("Div", ["pre_centred", "pre_std"], [source.name])]
    size = [d.dim_param or d.dim_value for d in dims]
    raw = helper.make_tensor_value_info("raw", TensorProto.UINT8, [size[0], size[2], size[3], size[1]])
    return _in_front(result, nodes, raw)


def fold_into_first_conv(model: ModelProto, mean: Sequence[float], std: Sequence[float], scale: float = 1 / 255, *,
                         ignore_border: bool = False) -> ModelProto:
    """A copy whose first convolution takes raw float32 values (N, C, H, W); the input is then called "raw".

    Without padding mean, std and scale all go into its weights, and no node is added. With padding the mean can't:
    the zeros at the border would be raw zeros. So one Sub stays in front, and the rest is folded; that is exact.
    `ignore_border=True` folds everything all the same, to show what happens at the border.
    Raises ValueError unless the first reader of the input is an ungrouped Conv with a constant kernel and bias.
    """
    from onnx import TensorProto, helper, numpy_helper

    result, source = _copied(model)
    conv = _first_conv(result, source.name)
    tensors = {t.name: t for t in result.graph.initializer}
    w, b = (numpy_helper.to_array(tensors[name]) for name in conv.input[1:3])
    pads = next((list(a.ints) for a in conv.attribute if a.name == "pads"), [0])
    if any(pads) and not ignore_border:
        middle = np.asarray(mean, np.float64) / scale  # the raw value that normalises to 0
        w, b, _ = fold_normalization(w, b, np.zeros(len(middle)), std, scale)
        _put(result, "pre_middle", _per_channel(middle, len(middle), "mean"))
        nodes = [helper.make_node("Sub", ["raw", "pre_middle"], [source.name])]
    else:
        w, b, _ = fold_normalization(w, b, mean, std, scale)
        conv.input[0], nodes = "raw", []
    for name, values in zip(conv.input[1:3], (w, b)):
        tensors[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
    size = [d.dim_param or d.dim_value for d in source.type.tensor_type.shape.dim]
    raw = helper.make_tensor_value_info("raw", TensorProto.FLOAT, size)
    return _in_front(result, nodes, raw)


def _copied(model: ModelProto):
    """A copy, and its one input. ValueError if it is no (N, C, H, W) of float32."""
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    weights = {t.name for t in result.graph.initializer}
    inputs = [v for v in result.graph.input if v.name not in weights]
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4 or inputs[0].type.tensor_type.elem_type != 1:
        raise ValueError("model must have one float32 input (N, C, H, W)")
    return result, inputs[0]


def _first_conv(model: ModelProto, name: str):
    weights = {t.name for t in model.graph.initializer}
    readers = [node for node in model.graph.node if name in node.input]
    conv = readers[0] if len(readers) == 1 else None
    grouped = conv is not None and any(a.name == "group" and a.i != 1 for a in conv.attribute)
    plain = conv is not None and conv.op_type == "Conv" and len(conv.input) == 3 and weights.issuperset(conv.input[1:])
    if not plain or grouped:
        raise ValueError("the input must be read by one Conv without groups, whose kernel and bias are constants")
    return conv


def _per_channel(values: Sequence[float], channels: int, name: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.shape != (channels,):
        raise ValueError(f"{name} must have {channels} entries, got {values.size}")
    return values.astype(np.float32).reshape(1, -1, 1, 1)


def _put(model: ModelProto, name: str, values: np.ndarray) -> None:
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(values, name))


def _in_front(model: ModelProto, nodes: list, raw) -> ModelProto:
    """The model with `nodes` before its own and `raw` as its only input."""
    import onnx

    old = list(model.graph.node)
    del model.graph.node[:], model.graph.input[:], model.graph.value_info[:]
    model.graph.node.extend([*nodes, *old])
    model.graph.input.append(raw)
    onnx.checker.check_model(model)
    return model
