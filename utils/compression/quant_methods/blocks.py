"""Floating-point block formats: small floats that share a scale, as recent GPUs multiply them.

Sources: OCP Microscaling Formats (MX) Specification v1.0, 2023; NVIDIA Transformer Engine documentation (NVFP4:
blocks of 16 with an E4M3 scale and one FP32 scale a tensor); DeepSeek-V3's README_WEIGHTS.md (E4M3, 128 x 128 blocks).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.params import effective_bits
from utils.numerics.formats import E2M1, E4M3, FloatFormat, round_to_format


@dataclass(frozen=True)
class BlockFormat:
    """A storage format: bits of an element, elements of a block, bits of a block's scale."""

    name: str
    element_bits: int
    block: int
    scale_bits: int

    @property
    def effective_bits(self) -> float:
        """Stored bits a weight, the block's scale included."""
        return effective_bits(self.element_bits, self.block, self.scale_bits)


BLOCK_FORMATS = {f.name: f for f in (BlockFormat("mxfp4", 4, 32, 8), BlockFormat("nvfp4", 4, 16, 8),
                                     BlockFormat("mxfp8", 8, 32, 8), BlockFormat("fp8_128x128", 8, 128 * 128, 32),
                                     BlockFormat("int4_g32", 4, 32, 16), BlockFormat("int4_g128", 4, 128, 16))}


def _finite(W: ArrayLike) -> np.ndarray:
    W = np.asarray(W, dtype=np.float64)
    if W.size == 0 or W.ndim == 0 or not np.isfinite(W).all():
        raise ValueError(f"W must hold finite values along at least one axis, got shape {W.shape}")
    return W


def _by_block(W: np.ndarray, block: int) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """(blocks along the last axis, padded with zeros (..., n, block); the way back to W's shape)."""
    n = W.shape[-1]
    padded = np.pad(W, [(0, 0)] * (W.ndim - 1) + [(0, -n % block)])
    blocks = padded.reshape(*W.shape[:-1], -1, block)
    return blocks, lambda x: x.reshape(padded.shape)[..., :n]


def _absmax(blocks: np.ndarray) -> np.ndarray:
    return np.abs(blocks).max(axis=-1, keepdims=True)


def _scaled(x: np.ndarray, scale: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """x as scale * (a value of the format), saturated; 0 where the scale is 0."""
    safe = np.where(scale > 0, scale, 1.0)
    return np.where(scale > 0, round_to_format(x / safe, fmt, saturate=True) * safe, 0.0)


def _power_of_two_scale(top: np.ndarray, largest_exponent: int) -> np.ndarray:
    """2^(floor(log2 top) - largest_exponent), an E8M0 number: MX v1.0, section 6.3; 2^-127 for an all-zero block."""
    exponent = np.floor(np.log2(np.where(top > 0, top, 1.0))) - largest_exponent
    return np.exp2(np.clip(np.where(top > 0, exponent, -127), -127, 127))


def mxfp4(W: ArrayLike) -> np.ndarray:
    """W in MXFP4: E2M1 elements, one power-of-two scale for 32 neighbours along the last axis; float64 of W's shape.

    The largest of a block may be clipped: its scale is rounded down to a power of two. Raises ValueError unless W is
    finite and not empty.

    >>> mxfp4([[1.0, 7.0, -0.3]]).tolist()
    [[1.0, 6.0, -0.5]]
    """
    blocks, back = _by_block(_finite(W), BLOCK_FORMATS["mxfp4"].block)
    return back(_scaled(blocks, _power_of_two_scale(_absmax(blocks), 2), E2M1))


def mxfp8(W: ArrayLike) -> np.ndarray:
    """W in MXFP8 (E4M3): one power-of-two scale for 32 neighbours; errors as `mxfp4`."""
    blocks, back = _by_block(_finite(W), BLOCK_FORMATS["mxfp8"].block)
    return back(_scaled(blocks, _power_of_two_scale(_absmax(blocks), 8), E4M3))


def nvfp4(W: ArrayLike) -> np.ndarray:
    """W in NVFP4: E2M1 elements, an E4M3 scale for 16 neighbours, one FP32 scale a tensor; errors as `mxfp4`.

    The tensor's scale puts its largest block scale on 448, the largest E4M3 number.
    """
    W = _finite(W)
    blocks, back = _by_block(W, BLOCK_FORMATS["nvfp4"].block)
    whole = float(np.float32(np.abs(W).max() / (E4M3.max_finite * E2M1.max_finite))) or 1.0
    scale = round_to_format(_absmax(blocks) / E2M1.max_finite / whole, E4M3, saturate=True) * whole
    return back(_scaled(blocks, scale, E2M1))


def fp8_blocks(W: ArrayLike, block: int | None = 128) -> np.ndarray:
    """A matrix in E4M3 with one FP32 scale for each `block` x `block` square; None takes one scale for all.

    Squares at the edges may be smaller. Raises ValueError unless W is a matrix and block at least 1, and as `mxfp4`.
    """
    W = _finite(W)
    if W.ndim != 2:
        raise ValueError(f"W must be a matrix, got shape {W.shape}")
    if block is not None and block < 1:
        raise ValueError(f"block must be positive, got {block}")
    rows, columns = W.shape if block is None else (block, block)
    found = np.empty_like(W)
    for i in range(0, W.shape[0], rows):
        for j in range(0, W.shape[1], columns):
            part = W[i:i + rows, j:j + columns]
            scale = np.float64(np.float32(np.abs(part).max() / E4M3.max_finite))
            found[i:i + rows, j:j + columns] = _scaled(part, scale, E4M3)
    return found
