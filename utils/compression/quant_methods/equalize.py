"""Rescaling channels without changing the function: equalization repairs ranges, `uglify` ruins them.

relu(s z) = s relu(z) for s > 0, so a channel may be scaled down on its way into a ReLU and up again behind it.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def equalize_pair(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(W1, b1, W2) of W2 relu(W1 x + b1) with channel i scaled so that both its ranges are equal, computing the same.

    W1 (h, d), b1 (h,), W2 (o, h); s_i = sqrt(max|W1[i, :]| / max|W2[:, i]|), rows and bias divided, columns
    multiplied; a channel with a zero range on either side keeps s = 1 (Nagel et al., ICCV 2019).

    >>> W1, b1, W2 = equalize_pair(np.array([[8, 0], [0, 0.5]]), np.array([4.0, 1.0]), np.array([[0.5, 0], [0, 2]]))
    >>> W1.tolist(), b1.tolist(), W2.tolist()
    ([[2.0, 0.0], [0.0, 1.0]], [1.0, 2.0], [[2.0, 0.0], [0.0, 1.0]])
    """
    W1, W2 = np.asarray(W1, dtype=np.float64), np.asarray(W2, dtype=np.float64)
    s = channel_factors(np.abs(W1).max(axis=1), np.abs(W2).max(axis=0))
    return W1 / s[:, None], np.asarray(b1) / s, W2 * s


def channel_factors(range_in: np.ndarray, range_out: np.ndarray) -> np.ndarray:
    """sqrt(range_in / range_out), 1 where one of the two is 0."""
    used = (range_in > 0) & (range_out > 0)
    return np.where(used, np.sqrt(np.where(used, range_in, 1.0) / np.where(used, range_out, 1.0)), 1.0)


def weighted_layers(model: nn.Module) -> list[nn.Module]:
    """The convolutions and linear layers of a digits network, in order."""
    return [m for m in model.net if isinstance(m, nn.Conv2d | nn.Linear)]


def _input_view(layer: nn.Module, channels: int) -> torch.Tensor:
    """The weights as (out, channels, rest): a flattened channel brings several inputs, which stand together."""
    weight = layer.weight.data
    return weight.reshape(weight.shape[0], channels, -1)


def input_ranges(layer: nn.Module, channels: int) -> np.ndarray:
    """max|w| of what reads each of the `channels` that come in: (channels,)."""
    return _input_view(layer, channels).abs().amax(dim=(0, 2)).double().numpy()


def output_ranges(layer: nn.Module) -> np.ndarray:
    """max|w| of each output channel: (out,)."""
    return layer.weight.data.flatten(1).abs().amax(dim=1).double().numpy()


def scale_channels(first: nn.Module, second: nn.Module, s: np.ndarray) -> None:
    """Divide the output channels of `first` by s > 0 and multiply what reads them in `second`, in place.

    The two must have only ReLU, max-pooling and flattening between them.
    """
    factor = torch.as_tensor(np.asarray(s), dtype=first.weight.dtype)
    with torch.no_grad():
        first.weight.div_(factor.reshape(-1, *[1] * (first.weight.dim() - 1)))
        first.bias.div_(factor)
        shape = second.weight.shape
        second.weight.copy_((_input_view(second, len(factor)) * factor[None, :, None]).reshape(shape))


def apply_input_scale(linear: nn.Linear, s: np.ndarray, previous: nn.Module | None = None) -> None:
    """Multiply the columns of `linear` by s > 0, in place; `previous` is divided, so that the function stays.

    Without a previous layer the caller has to divide the inputs.
    """
    if previous is not None:
        scale_channels(previous, linear, s)
        return
    with torch.no_grad():
        linear.weight.mul_(torch.as_tensor(np.asarray(s), dtype=linear.weight.dtype))


def cross_layer_equalize(model: Network, iterations: int = 20) -> Network:
    """A copy of a digits network whose neighbouring layers have equal ranges in every channel; the function stays.

    Pairs share layers, so one pass unsettles what the last one settled; it converges within a few.
    """
    equal = copy.deepcopy(model)
    layers = weighted_layers(equal)
    for _ in range(iterations):
        for first, second in pairwise(layers):
            channels = first.weight.shape[0]
            scale_channels(first, second, channel_factors(output_ranges(first), input_ranges(second, channels)))
    return equal


def uglify(model: Network, decades: float = 1.0, seed: int = 0) -> Network:
    """A copy with every hidden channel scaled by 10^U(-decades, decades) and scaled back in the next layer.

    In FP32 it is the same function. Its channels have the unequal ranges that batch normalization folded into
    depthwise layers, or the outlier channels of a language model, leave behind.
    """
    ugly, rng = copy.deepcopy(model), np.random.default_rng(seed)
    layers = weighted_layers(ugly)
    for first, second in pairwise(layers):
        scale_channels(first, second, 10.0 ** rng.uniform(-decades, decades, first.weight.shape[0]))
    return ugly
