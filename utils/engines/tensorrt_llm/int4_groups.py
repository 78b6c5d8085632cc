"""Weights in 4 bits with one scale for each group of a row; activations stay as they are."""

from __future__ import annotations

import numpy as np

from utils.numerics.int8 import pack_int4, unpack_int4


def quantize_weight_int4(w: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """(packed, scales) of w (rows, cols): symmetric 4-bit codes, one scale for each `group` columns of a row.

    packed (rows, cols / 2) uint8, element 2i in the low nibble, two's complement. scales (rows, cols / group)
    float64. Raises ValueError unless group is even and divides cols.
    """
    w = np.asarray(w, dtype=np.float64)
    rows, cols = w.shape
    if group < 2 or group % 2 or cols % group:
        raise ValueError(f"group must be even and divide the {cols} columns, got {group}")
    grouped = w.reshape(rows, cols // group, group)
    scales = np.abs(grouped).max(axis=2) / 7  # (rows, cols / group)
    scales[scales == 0] = 1.0
    codes = np.clip(np.rint(grouped / scales[..., None]), -8, 7).astype(np.int8)
    return pack_int4(codes).reshape(rows, cols // 2), scales


def dequantize_weight_int4(packed: np.ndarray, scales: np.ndarray, group: int) -> np.ndarray:
    """The weights (rows, cols) float64 that packed (rows, cols / 2) and scales (rows, cols / group) stand for."""
    rows, half = packed.shape
    codes = unpack_int4(packed, 2 * rows * half).reshape(rows, -1, group)
    return (codes * scales[..., None]).reshape(rows, 2 * half)
