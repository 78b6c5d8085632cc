"""Horizontal fusion: convolutions that read the same tensor in the same way become one with more output channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ConvParams:
    """A convolution of the tensor `x`: weight (O, I/groups, kH, kW), bias (O,) or None, pads (top, left, bottom,
    right), and whether a Relu follows in the same kernel."""

    x: str
    weight: np.ndarray
    bias: np.ndarray | None = None
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    relu: bool = False

    @property
    def signature(self) -> dict[str, object]:
        """What two convolutions must share to be merged."""
        return {"x": self.x, "input channels": self.weight.shape[1], "kernel": self.weight.shape[2:],
                "stride": self.stride, "pads": self.pads, "dilation": self.dilation, "groups": self.groups,
                "relu": self.relu, "dtype": str(self.weight.dtype)}


def merge_sibling_convs(convs: Sequence[ConvParams]) -> tuple[ConvParams, list[slice]]:
    """One convolution that computes all of `convs`, and the output channels that belong to each.

    Raises ValueError naming the attribute in which two of them differ, for groups other than 1, and for no
    convolution at all.
    """
    if not convs:
        raise ValueError("convs must not be empty, got no convolution")
    first = convs[0].signature
    for conv in convs:
        for name, value in conv.signature.items():
            if value != first[name]:
                raise ValueError(f"convs must have the same {name}, got {first[name]} and {value}")
    if convs[0].groups != 1:
        raise ValueError(f"convs must have groups of 1, got groups = {convs[0].groups}")
    weight, bias, ranges = merge_convs([c.weight for c in convs], [c.bias for c in convs])
    like = convs[0]
    merged = ConvParams(like.x, weight, bias, like.stride, like.pads, like.dilation, 1, like.relu)
    return merged, [slice(start, stop) for start, stop in ranges]


def merge_convs(
    weights: list[np.ndarray], biases: list[np.ndarray | None]
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Weight, bias and channel ranges (start, stop) of one convolution that stands for several of the same input.

    weights: (O_i, I, kH, kW) each; biases: (O_i,) or None for zeros; the result has the weights' dtype.
    Raises ValueError for an empty list, and where I, kH or kW differ.
    """
    if not weights:
        raise ValueError("weights must not be empty, got no convolution")
    if len({w.shape[1:] for w in weights}) > 1:
        raise ValueError(f"weights must agree in all but the first axis, got {[w.shape for w in weights]}")
    weight = np.concatenate(weights)  # (sum O_i, I, kH, kW)
    filled = [np.zeros(len(w)) if b is None else b for w, b in zip(weights, biases, strict=True)]
    stops = np.cumsum([len(w) for w in weights]).tolist()
    ranges = [(stop - len(w), stop) for w, stop in zip(weights, stops)]
    return weight, np.concatenate(filled).astype(weight.dtype), ranges
