"""What INT8 will do to a network's weights, before anything is calibrated."""

from __future__ import annotations

import math

import numpy as np

from utils.networks.reparam import RepVGGBlock


def weight_sqnr_db(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    """SQNR in dB of symmetric quantization: scale max|w| / (2^(bits-1) - 1), round half to even.

    One scale for the tensor, or one for each output channel (axis 0). 10 log10(sum w^2 / sum error^2) over all
    values in float64; inf without error. An all-zero channel has no error.

    >>> round(weight_sqnr_db(np.array([[1.0, 0.5, -0.25]])), 3)
    48.309
    """
    w = np.asarray(w, dtype=np.float64)
    rows = w.reshape(len(w), -1) if per_channel else w.reshape(1, -1)
    scale = np.abs(rows).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1.0
    noise = float(np.sum((rows - np.rint(rows / scale) * scale) ** 2))
    return 10 * math.log10(float(np.sum(rows**2)) / noise) if noise else math.inf


def reparam_sqnr(block: RepVGGBlock, per_channel: bool = False) -> dict[str, float]:
    """SQNR in dB of each branch's kernel with its batch norm folded in, and of the "fused" kernel.

    The block must be in evaluation mode. The identity branch is a kernel too: one value a channel.
    """
    kernels = {name: w.detach().numpy() for name, (w, _) in block.branches().items()}
    kernels["fused"] = block.fuse().weight.detach().numpy()
    return {name: weight_sqnr_db(w, per_channel) for name, w in kernels.items()}


def identity_added(gain: float, channels: int = 32, seed: int = 0) -> np.ndarray:
    """A random 3x3 kernel (C, C, 3, 3) of standard deviation 0.05, with an identity of gains in [0, gain) added."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(0, 0.05, (channels, channels, 3, 3))
    at = np.arange(channels)
    kernel[at, at, 1, 1] += rng.uniform(0, gain, channels) if gain else 0.0
    return kernel
