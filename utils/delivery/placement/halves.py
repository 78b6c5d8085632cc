"""A real ONNX model cut in two: where it can be cut, what crosses, how long each part takes, and the two files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto
from onnx.utils import Extractor

from utils.graphs.onnx_tools import make_session


@dataclass(frozen=True)
class CutPoint:
    """A tensor through which everything flows: cutting there leaves one tensor to send.

    `nodes` is the number of nodes before it, 0 for the model's input.
    """

    tensor: str
    nodes: int
    after: str  # operator that makes it, or "input"


def cut_points(model: ModelProto) -> list[CutPoint]:
    """The tensors at which a model with one input and one output can be cut, from the input to the output.

    A tensor qualifies when no other one (initializers aside) made before it is read after it. Raises ValueError for a
    model with several inputs or outputs.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in constants]
    outputs = [value.name for value in graph.output]
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"model must have one input and one output, got {len(inputs)} and {len(outputs)}")
    constants |= {name for node in graph.node if not _depends(node, constants) for name in node.output}
    found, live = [CutPoint(inputs[0], 0, "input")], {inputs[0]}
    for i, node in enumerate(graph.node):
        if node.output[0] in constants:
            continue
        later = {name for other in graph.node[i + 1:] for name in other.input} | set(outputs)
        live = {name for name in live | set(node.output) if name in later}
        if len(live) == 1:
            found.append(CutPoint(*live, i + 1, node.op_type))
    return found


def _depends(node: onnx.NodeProto, constants: set[str]) -> bool:
    return any(name and name not in constants for name in node.input)


def split_onnx(model: ModelProto, tensor: str) -> tuple[ModelProto, ModelProto]:
    """(head, tail): two models that compute what `model` does, with `tensor` between them.

    Raises ValueError when the model can't be cut there, or a half would be empty.
    """
    names = [point.tensor for point in cut_points(model)]
    if tensor not in names[1:-1]:
        raise ValueError(f"tensor must be one of {names[1:-1]}, got {tensor!r}")
    extractor = Extractor(onnx.shape_inference.infer_shapes(model))
    inputs = [names[0]]
    return extractor.extract_model(inputs, [tensor]), extractor.extract_model([tensor], [names[-1]])


@dataclass(frozen=True)
class LayerCost:
    """One piece between two cut points: its operator, its time (ms), and what leaves it (bytes, shape)."""

    name: str
    ms: float
    out_bytes: int
    shape: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def time_onnx_prefixes(model: ModelProto, x: np.ndarray, repeats: int = 30) -> list[LayerCost]:
    """The input and each piece of a model, really timed on this machine: the model up to each cut point is run.

    The pieces' times are differences of the prefixes' shortest times of `repeats` interleaved rounds, never below 0.
    The first row is the input, with 0 ms. One thread. Raises ValueError for fewer than one round.
    """
    from utils.cost.latency import time_interleaved

    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    points = cut_points(model)
    extractor = Extractor(onnx.shape_inference.infer_shapes(model))
    sessions = [make_session(extractor.extract_model([points[0].tensor], [p.tensor])) for p in points[1:]]
    feeds = {points[0].tensor: x}
    tensors = [session.run(None, feeds)[0] for session in sessions]
    runs = {str(i): (lambda s=session: s.run(None, feeds)) for i, session in enumerate(sessions)}
    shortest = [float(np.min(times)) for times in time_interleaved(runs, repeats).values()]
    rows, before = [LayerCost("input", 0.0, x.nbytes, x.shape)], 0.0
    for point, tensor, ms in zip(points[1:], tensors, shortest):
        rows.append(LayerCost(point.after, max(0.0, ms - before), tensor.nbytes, tensor.shape))
        before = max(before, ms)
    return rows


def quantize_activation(x: np.ndarray) -> tuple[np.ndarray, float, float]:
    """(uint8 array, scale, lowest value): x is about q * scale + low, off by at most half a scale.

    A tensor of one value gets the scale 1.0. Raises ValueError for an empty tensor or values that are not finite.
    """
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError("x must hold finite values, got none or NaN or infinity")
    low, high = float(x.min()), float(x.max())
    scale = (high - low) / 255 or 1.0
    return np.rint((x - low) / scale).astype(np.uint8), scale, low


def dequantize_activation(q: np.ndarray, scale: float, low: float) -> np.ndarray:
    """The float32 tensor that `quantize_activation` coded."""
    return (q.astype(np.float32) * np.float32(scale) + np.float32(low)).astype(np.float32)


def digits_onnx(channels: Sequence[int] = (8, 16), hidden: int = 32, batch: int = 1, seed: int = 0) -> ModelProto:
    """A digits CNN, trained for some epochs, as ONNX for (batch, 1, 8, 8) float32; tensors "input" and "output"."""
    import torch

    from utils.graphs.onnx_tools import export_torch
    from utils.networks.digits import DigitsCNN, load_digits_split, seeded, train_classifier

    X, _, y, _ = load_digits_split()
    model = train_classifier(seeded(lambda: DigitsCNN(tuple(channels), hidden), seed), X, y, epochs=6, seed=seed)
    return export_torch(model.net, torch.zeros(batch, 1, 8, 8))
