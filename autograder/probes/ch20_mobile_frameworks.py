"""Probes of chapter 20: an array with a look at how it lies in memory; a set, which has no plain form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ask import ProbeError


def layout(answer: Callable, w: np.ndarray, groups: int | None = None, fortran: bool = False) -> dict[str, Any]:
    """Call `answer(w, groups)`, or `answer(w)` for groups None, with an array of the answer's own.

    fortran: hand it over in Fortran order. Returns the value and whether it is C-contiguous.
    """
    given = np.array(w, order="F" if fortran else "C")
    value = answer(given) if groups is None else answer(given, groups)
    if not isinstance(value, np.ndarray):
        raise ProbeError(f"expected a NumPy array, got {type(value).__name__}")
    return {"value": value, "c_contiguous": bool(value.flags.c_contiguous)}


def coverage(answer: Callable, layers: list, supported: list[str], cpu_gmacs: float, npu_gmacs: float,
             sync_ms: float) -> Any:
    """Call the answer with a list of tuples and a set of its own."""
    return answer([tuple(layer) for layer in layers], set(supported), cpu_gmacs, npu_gmacs, sync_ms)
