"""A network that takes a few milliseconds a run, so that the queue is what one measures and not Python."""

from __future__ import annotations

import numpy as np

from utils.cost.checks import positive


def stage_compute_model(d: int = 1024, layers: int = 10, seed: int = 0) -> bytes:
    """An ONNX model of `layers` fully connected layers `d` x `d` with ReLU: input (N, d), output (N, d), float32.

    The weights are random and 4 d^2 layers bytes large, 42 MB by default: a run with one row reads them all, which
    takes some 5 ms on a core of a desktop. Raises ValueError for sizes that are not positive.
    """
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    positive(d=d, layers=layers)
    rng = np.random.default_rng(seed)
    nodes, weights, value = [], {}, "input"
    for k in range(layers):
        # sqrt(2 / d) keeps the size of the activations through ReLU (He et al., 2015)
        weights[f"w{k}"] = rng.standard_normal((d, d), np.float32) * np.float32((2 / d) ** 0.5)
        made = "output" if k == layers - 1 else f"h{k}"
        nodes += [helper.make_node("MatMul", [value, f"w{k}"], [f"m{k}"]), helper.make_node("Relu", [f"m{k}"], [made])]
        value = made
    return make_model(nodes, {"input": ("N", d)}, {"output": ("N", d)}, weights).SerializeToString()
