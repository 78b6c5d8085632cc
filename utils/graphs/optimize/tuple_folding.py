"""Constant folding on graphs of plain tuples: what `utils.graphs.simplify` does to ONNX models, in one page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Node = tuple[str, list[str], str, dict[str, Any]]  # operator, inputs, output, attributes
RANDOM = frozenset({"RandomNormal"})


def fold(
    nodes: Sequence[Node], constants: Mapping[str, np.ndarray], outputs: Sequence[str], max_bytes: int = 1 << 20
) -> tuple[list[Node], dict[str, np.ndarray]]:
    """Compute once what depends on constants alone; returns the remaining nodes and the constants that they read.

    Nodes stand in an order in which they can run. A node stays if it makes a graph output, draws random numbers,
    reads what is not constant, or if its result has more than `max_bytes`.
    Raises KeyError for an operator that is not in the table.
    """
    known = {name: np.asarray(value) for name, value in constants.items()}
    kept: list[Node] = []
    for node in nodes:
        op, inputs, output, attrs = node
        if op in RANDOM or output in outputs or not all(name in known for name in inputs):
            kept.append(node)
            continue
        value = np.asarray(OPERATORS[op]([known[name] for name in inputs], attrs))
        if value.nbytes > max_bytes:
            kept.append(node)
        else:
            known[output] = value
    read = {name for _, inputs, _, _ in kept for name in inputs}
    return kept, {name: value for name, value in known.items() if name in read}


def _divide(inputs: list[np.ndarray], attrs: Mapping[str, Any]) -> np.ndarray:
    a, b = inputs
    if a.dtype.kind == "f":
        return a / b
    floor = a // b  # ONNX, like C, rounds integers toward zero; NumPy rounds down
    return floor + ((floor < 0) & (floor * b != a)).astype(a.dtype)


def _unsqueeze(inputs: list[np.ndarray], attrs: Mapping[str, Any]) -> np.ndarray:
    return np.expand_dims(inputs[0], tuple(attrs["axes"]))  # negative axes count in the result, as in ONNX


def _reshape(inputs: list[np.ndarray], attrs: Mapping[str, Any]) -> np.ndarray:
    data, target = inputs
    return data.reshape([data.shape[i] if size == 0 else int(size) for i, size in enumerate(target)])


OPERATORS: dict[str, Callable[[list[np.ndarray], Mapping[str, Any]], Any]] = {
    "Add": lambda inputs, attrs: inputs[0] + inputs[1],
    "Sub": lambda inputs, attrs: inputs[0] - inputs[1],
    "Mul": lambda inputs, attrs: inputs[0] * inputs[1],
    "Div": _divide,
    "Concat": lambda inputs, attrs: np.concatenate(inputs, axis=attrs["axis"]),
    "Gather": lambda inputs, attrs: np.take(inputs[0], inputs[1], axis=attrs.get("axis", 0)),
    "Unsqueeze": _unsqueeze,
    "Cast": lambda inputs, attrs: inputs[0].astype(attrs["to"]),
    "Reshape": _reshape,
    "Transpose": lambda inputs, attrs: np.transpose(inputs[0], attrs.get("perm")),
}
