"""Graphs to practise on: a CNN as exporters leave it, two graphs whose files grow when folded, and a sabotage."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from utils.graphs.onnx_tools import make_model


def messy_cnn(seed: int = 0, batch: int | str = 1) -> ModelProto:
    """A small CNN with 25 nodes of which 7 do the work: identities, dropout, unfused batch norm, shape arithmetic.

    Input x: float32 (batch, 3, 16, 16), output y: float32 (batch, 10); `batch` is a number or a symbol such as "N".
    Opset 17, IR version 8. The weights are drawn from `seed`.
    """
    weights = _cnn_weights(np.random.default_rng(seed))
    nodes = [*_features(), *_flatten(), *_head(), *_dead_branch()]
    return make_model(nodes, {"x": (batch, 3, 16, 16)}, {"y": (batch, 10)}, weights)


def _features() -> list[NodeProto]:
    """Two blocks of convolution, batch norm and Relu; then a round trip to NHWC and back, and the global pool."""
    node = helper.make_node
    return [
        node("Identity", ["x"], ["x0"]),
        node("Conv", ["x0", "w1", "b1"], ["c1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c1", "g1", "o1", "m1", "v1"], ["n1"], epsilon=1e-5),
        node("Relu", ["n1"], ["r1"]),
        node("Dropout", ["r1"], ["d1"]),
        node("Conv", ["d1", "w2"], ["c2"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c2", "g2", "o2", "m2", "v2"], ["n2"], epsilon=1e-3),
        node("Relu", ["n2"], ["r2"]),
        node("Transpose", ["r2"], ["nhwc"], perm=[0, 2, 3, 1]),
        node("Transpose", ["nhwc"], ["nchw"], perm=[0, 3, 1, 2]),
        node("GlobalAveragePool", ["nchw"], ["pooled"]),
    ]


def _flatten() -> list[NodeProto]:
    """What `x.reshape(x.shape[0], -1)` is traced to."""
    node = helper.make_node
    return [
        node("Shape", ["pooled"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Unsqueeze", ["batch", "axis0"], ["batch1"]),
        node("Concat", ["batch1", "minus1"], ["target"], axis=0),
        node("Reshape", ["pooled", "target"], ["flat"]),
    ]


def _head() -> list[NodeProto]:
    """A cast to the type it has, a factor of one written out, a factor (2 + 3) / 5, the classifier."""
    node = helper.make_node
    return [
        node("Cast", ["flat"], ["cast"], to=TensorProto.FLOAT),
        node("Mul", ["cast", "one"], ["scaled1"]),
        node("Add", ["two", "three"], ["sum"]),
        node("Div", ["sum", "five"], ["factor"]),
        node("Mul", ["scaled1", "factor"], ["scaled2"]),
        node("Gemm", ["scaled2", "wf", "bf"], ["logits"], transB=1),
        node("Identity", ["logits"], ["y"]),
    ]


def _dead_branch() -> list[NodeProto]:
    """An auxiliary head of training whose output nobody asks for."""
    return [
        helper.make_node("Conv", ["d1", "wd"], ["aux"], kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["aux"], ["aux_out"]),
    ]


def _cnn_weights(rng: np.random.Generator) -> dict[str, np.ndarray]:
    def normal(*shape: int, scale: float) -> np.ndarray:
        return (rng.normal(size=shape) * scale).astype(np.float32)

    def norm_of(suffix: str, channels: int) -> dict[str, np.ndarray]:
        return {
            f"g{suffix}": rng.uniform(0.5, 1.5, channels).astype(np.float32),
            f"o{suffix}": normal(channels, scale=0.2),
            f"m{suffix}": normal(channels, scale=0.2),
            f"v{suffix}": rng.uniform(0.5, 1.5, channels).astype(np.float32),
        }

    return {
        "w1": normal(8, 3, 3, 3, scale=0.27), "b1": normal(8, scale=0.1), **norm_of("1", 8),
        "w2": normal(16, 8, 3, 3, scale=0.17), **norm_of("2", 16),
        "zero": np.int64(0), "axis0": np.array([0], np.int64), "minus1": np.array([-1], np.int64),
        "one": np.float32(1), "two": np.float32(2), "three": np.float32(3), "five": np.float32(5),
        "wf": normal(10, 16, scale=0.25), "bf": normal(10, scale=0.1),
        "wd": normal(1, 8, 1, 1, scale=0.35),
    }  # fmt: skip


def constant_of_shape(rows: int = 1024, columns: int = 1024) -> ModelProto:
    """x + a tensor of twos that ConstantOfShape makes at run time: 16 bytes in the file, 4 bytes an element folded."""
    two = helper.make_tensor("value", TensorProto.FLOAT, [1], [2.0])
    nodes = [
        helper.make_node("ConstantOfShape", ["dims"], ["twos"], value=two),
        helper.make_node("Add", ["x", "twos"], ["y"]),
    ]
    shape = (rows, columns)
    return make_model(nodes, {"x": shape}, {"y": shape}, {"dims": np.array(shape, np.int64)})


def large_expand(rows: int = 512, columns: int = 256, seed: int = 0) -> ModelProto:
    """x + one row of weights that Expand repeats: `columns` floats in the file, rows * columns folded."""
    row = np.random.default_rng(seed).normal(size=(1, columns)).astype(np.float32)
    nodes = [
        helper.make_node("Expand", ["row", "dims"], ["repeated"]),
        helper.make_node("Add", ["x", "repeated"], ["y"]),
    ]
    shape = (rows, columns)
    return make_model(nodes, {"x": shape}, {"y": shape}, {"row": row, "dims": np.array(shape, np.int64)})


def with_doubled(model: ModelProto, name: str) -> ModelProto:
    """A copy of the model in which the initializer `name` is doubled: sabotage that a check should find.

    Raises ValueError when the model has no initializer of that name.
    """
    changed = ModelProto()
    changed.CopyFrom(model)
    tensor = next((t for t in changed.graph.initializer if t.name == name), None)
    if tensor is None:
        known = ", ".join(t.name for t in model.graph.initializer)
        raise ValueError(f"name must be an initializer of the model ({known}), got {name!r}")
    tensor.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(tensor), name))
    return changed
