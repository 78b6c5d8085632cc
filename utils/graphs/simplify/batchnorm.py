"""Batch normalization of inference scales and shifts each channel: both move into the convolution before it."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from utils.graphs.simplify.rewriting import (
    Fresh,
    PassResult,
    attribute,
    constants_of,
    copy_of,
    drop_nodes,
    is_standard,
    producers,
    uses,
)


def fold_conv_bn(
    w: np.ndarray,
    b: np.ndarray | None,
    gamma: np.ndarray,
    beta: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    *,
    dtype: np.typing.DTypeLike = np.float32,
) -> tuple[np.ndarray, np.ndarray]:
    """(w', b') as arrays of `dtype` such that conv(x; w', b') = BN(conv(x; w, b)), computed in float64.

    w: (out, in/groups, kh, kw), any kernel rank; b: (out,) or None for no bias; gamma, beta, mean, var: (out,).
    Ioffe and Szegedy, 2015, with the stored statistics. Raises ValueError for shapes that do not fit and where
    var + eps is not positive.
    """
    folded_w, folded_b = _fold(np.asarray(w), b, gamma, beta, mean, var, eps)
    return folded_w.astype(dtype), folded_b.astype(dtype)


def _fold(w, b, gamma, beta, mean, var, eps) -> tuple[np.ndarray, np.ndarray]:
    """`fold_conv_bn` in float64."""
    channels = (w.shape[0],) if w.ndim else ()
    named = {"gamma": gamma, "beta": beta, "mean": mean, "var": var, "b": np.zeros(channels) if b is None else b}
    vectors = {name: np.asarray(value, np.float64) for name, value in named.items()}
    for name, value in vectors.items():
        if value.shape != channels or w.ndim < 2:
            raise ValueError(f"{name} must have the shape {channels} of w's output channels, got {value.shape}")
    spread = vectors["var"] + eps
    if not np.all(spread > 0):
        raise ValueError(f"var + eps must be positive, got {spread.min()}")
    scale = vectors["gamma"] / np.sqrt(spread)  # (out,)
    per_channel = scale.reshape(-1, *[1] * (w.ndim - 1))  # (out, 1, 1, 1)
    return w * per_channel, (vectors["b"] - vectors["mean"]) * scale + vectors["beta"]


def fuse_conv_bn(model: ModelProto) -> PassResult:
    """Take BatchNormalization (inference form) into the Conv or ConvTranspose before it.

    Only where nothing else reads the convolution's result, and where weights and statistics are constants. The
    arithmetic is done in float64 and stored in the type of the weights.
    """
    model = copy_of(model)
    graph = model.graph
    constants, made_by, read, fresh = constants_of(model), producers(graph), uses(graph), Fresh(model)
    removed = []
    for norm in graph.node:
        conv = made_by.get(norm.input[0]) if norm.input else None
        if conv is None or not _fits(conv, norm, constants, read):
            continue
        folded = _folded_weights(conv, norm, constants)
        if folded is None:
            continue
        for tensor, slot in zip(folded, ("w", "b")):
            tensor.name = fresh.name(f"{norm.output[0]}_{slot}")
            constants[tensor.name] = tensor
            graph.initializer.append(tensor)
        inputs = [conv.input[0], *(tensor.name for tensor in folded)]
        del conv.input[:]
        conv.input.extend(inputs)
        conv.output[0] = norm.output[0]
        made_by[norm.output[0]] = conv
        removed.append(norm)
    drop_nodes(graph, removed)
    return PassResult(model, len(removed))


def _fits(conv: NodeProto, norm: NodeProto, constants: dict[str, TensorProto], read) -> bool:
    # opset 13 and before have up to five outputs: the further ones are those of training
    inference = not attribute(norm, "training_mode", 0) and not any(norm.output[1:])
    return (
        is_standard(norm, "BatchNormalization")
        and is_standard(conv, "Conv", "ConvTranspose")
        and inference
        and attribute(norm, "spatial", 1) == 1
        and read[conv.output[0]] == 1
        and all(name in constants for name in (*conv.input[1:], *norm.input[1:5]) if name)
    )


def _folded_weights(
    conv: NodeProto, norm: NodeProto, constants: dict[str, TensorProto]
) -> tuple[TensorProto, TensorProto] | None:
    """New weights and bias as tensors; None where var + eps is not positive or the type of the weights overflows."""
    w = numpy_helper.to_array(constants[conv.input[1]])
    bias = conv.input[2] if len(conv.input) > 2 else ""
    b = numpy_helper.to_array(constants[bias]) if bias else None
    gamma, beta, mean, var = (numpy_helper.to_array(constants[name]) for name in norm.input[1:5])
    eps = attribute(norm, "epsilon", 1e-5)
    transposed, groups = conv.op_type == "ConvTranspose", attribute(conv, "group", 1)
    try:
        laid_out = _outputs_first(w, groups) if transposed else w
        new_w, new_b = _fold(laid_out, b, gamma, beta, mean, var, eps)
    except ValueError:
        return None
    if transposed:
        new_w = _inputs_first(new_w, groups)
    with np.errstate(over="ignore"):
        stored = [np.ascontiguousarray(a.astype(w.dtype)) for a in (new_w, new_b)]
    overflow = any(np.isfinite(a).all() and not np.isfinite(s.astype(np.float64)).all()
                   for a, s in zip((new_w, new_b), stored))
    return None if overflow else tuple(numpy_helper.from_array(a) for a in stored)


def _outputs_first(w: np.ndarray, groups: int) -> np.ndarray:
    """ConvTranspose keeps (in, out/groups, ...): brought to (out, in/groups, ...)."""
    grouped = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])  # (g, in/g, out/g, ...)
    return np.swapaxes(grouped, 1, 2).reshape(w.shape[1] * groups, w.shape[0] // groups, *w.shape[2:])


def _inputs_first(w: np.ndarray, groups: int) -> np.ndarray:
    """The inverse of `_outputs_first`."""
    grouped = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])  # (g, out/g, in/g, ...)
    return np.swapaxes(grouped, 1, 2).reshape(w.shape[1] * groups, w.shape[0] // groups, *w.shape[2:])
