"""Chains of layers: what training keeps of them, and what inference needs at its worst moment.

>>> saved_bytes([("linear", 200), ("relu",), ("linear", 50)], batch=32, in_features=100)
38400
>>> chain_peak([10, 40, 20]), chain_peak([10, 40, 20], skips=[(0, 2)])
(60, 70)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from utils.cost.arena import TensorUse, live_peak

FP32_BYTES = 4
KEEPS_OUTPUT = ("relu", "tanh", "sigmoid")


def saved_bytes(layers: Sequence[tuple], batch: int, in_features: int) -> int:
    """Bytes that autograd keeps of a float32 chain for the backward pass, as PyTorch does on the CPU.

    A linear layer keeps its input, an activation its output, a dropout a mask of the tensor's own width. A tensor
    that two layers need is stored once; parameters do not count. Raises ValueError for an unknown layer.
    """
    width, current = in_features, "input"  # current: the name of the tensor between two layers
    kept: dict[str, int] = {}  # name of a tensor -> values for each sample
    for i, (kind, *options) in enumerate(layers):
        if kind == "linear":
            kept[current] = width
            width = options[0]
        elif kind == "dropout":
            kept[f"mask {i}"] = width
        elif kind in KEEPS_OUTPUT:
            kept[f"output {i}"] = width
        else:
            raise ValueError(f"layers must be linear, relu, tanh, sigmoid or dropout, got {kind!r}")
        current = f"output {i}"
    return FP32_BYTES * batch * sum(kept.values())


def chain_peak(sizes: Sequence[int], skips: Iterable[tuple[int, int]] = ()) -> int:
    """Peak of inference over a chain x0 -> x1 -> ..., in the unit of `sizes`.

    In step i both x[i-1] and x[i] are live. A skip (i, j) keeps x[i] until x[j] is made, step j included. A tensor
    counts once. Raises ValueError for an empty chain or a skip that does not go forward inside it.
    """
    if not sizes:
        raise ValueError("sizes must hold at least one tensor, got none")
    last = [min(i + 1, len(sizes) - 1) for i in range(len(sizes))]
    for i, j in skips:
        if not 0 <= i < j < len(sizes):
            raise ValueError(f"skips must go forward inside the chain, got {(i, j)}")
        last[i] = max(last[i], j)
    return live_peak([TensorUse(size, i, until) for i, (size, until) in enumerate(zip(sizes, last))])


def inference_peak_bytes(tensor_sizes: Sequence[int], residual: Mapping[int, int] | None = None) -> int:
    """`chain_peak` with its skips as a mapping from a tensor's index to the step that last reads it."""
    return chain_peak(tensor_sizes, (residual or {}).items())
