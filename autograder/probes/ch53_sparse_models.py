"""Probes of chapter 53: one of a pair of functions is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import common


def compress(answer: Sequence[Callable], W: np.ndarray) -> Any:
    """Call the first function of the pair, which compresses a matrix."""
    return common.call(answer[0], [W])


def multiply(answer: Sequence[Callable], values: np.ndarray, meta: np.ndarray, X: np.ndarray) -> Any:
    """Call the second function of the pair, which multiplies a compressed matrix."""
    return common.call(answer[1], [values, meta, X])
