"""Probes of chapter 34: NumPy numbers keep their dtype, and an ONNX model is handed over and taken back as bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .ask import ProbeError
from .common import _own


def folded(answer: Callable, args: Sequence) -> Any:
    """Call the answer; a NumPy number among the constants that it returns becomes an array without axes."""
    result = answer(*[_own(a) for a in args])
    if isinstance(result, (tuple, list)) and len(result) == 2 and isinstance(result[1], dict):
        constants = {k: np.asarray(v) if isinstance(v, np.generic) else v for k, v in result[1].items()}
        return [result[0], constants]
    return result


def edited(answer: Callable, model: bytes, symbol: str | None = None) -> dict:
    """Give the answer a model; the bytes of the one that it returns, and whether it changed what it was given."""
    import onnx

    given = onnx.load_from_string(model)
    before = given.SerializeToString(deterministic=True)
    result = answer(given) if symbol is None else answer(given, symbol)
    if not hasattr(result, "SerializeToString"):
        raise ProbeError(f"expected an ONNX model, got {type(result).__name__}")
    changed = given.SerializeToString(deterministic=True) != before
    return {"model": result.SerializeToString(), "changed": changed}
