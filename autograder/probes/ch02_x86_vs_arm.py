"""Probes of chapter 02: the product that x86 has, unsigned by signed bytes, with its calls counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def u8s8(answer: Callable, a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    """Call the answer with (a, b, u8s8); its value and how often it called u8s8.

    u8s8 takes a uint8 and an int8 matrix and returns their product as int32. Other dtypes are a TypeError.
    """
    calls = []

    def product(a_u8: np.ndarray, b_s8: np.ndarray) -> np.ndarray:
        left, right = np.asarray(a_u8), np.asarray(b_s8)
        calls.append(left.dtype)
        if left.dtype != np.uint8 or right.dtype != np.int8:
            raise TypeError(f"u8s8 multiplies uint8 by int8, got {left.dtype} by {right.dtype}")
        if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
            raise ValueError(f"u8s8 multiplies (m, k) by (k, n), got {left.shape} by {right.shape}")
        return (left.astype(np.int64) @ right.astype(np.int64)).astype(np.int32)

    value = answer(a.copy(), b.copy(), product)
    return {"value": value, "calls": len(calls)}
