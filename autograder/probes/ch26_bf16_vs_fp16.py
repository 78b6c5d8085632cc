"""Probes of chapter 26: a random rounding can only be asked many times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ask import ProbeError


def frequencies(answer: Callable, x: np.ndarray, seed: int, repeats: int) -> dict[str, Any]:
    """Call the answer `repeats` times on `x` with one generator, and report what came per element.

    Returns dtype and shape of the first result, then per element the least, the greatest and the mean
    value, and the standard deviation over the calls of the result's mean (all draws alike: large).
    """
    rng = np.random.default_rng(seed)
    results = [np.asarray(answer(x.copy(), rng)) for _ in range(repeats)]
    if any(r.shape != results[0].shape or r.dtype.kind != "f" for r in results):
        raise ProbeError(f"expected a float array of shape {x.shape}, got {results[0].dtype} {results[0].shape}")
    told = {"dtype": str(results[0].dtype), "shape": results[0].shape}
    stack = np.stack([r.astype(np.float64) for r in results])  # (repeats, *shape)
    means = stack.reshape(repeats, -1).mean(axis=1)
    return {**told, "least": stack.min(axis=0), "greatest": stack.max(axis=0), "mean": stack.mean(axis=0),
            "spread": float(means.std())}


def chains(answer: Callable, count: int, steps: int, step: float, seed: int) -> float:
    """Start `count` weights at 1.0, add `step` to each `steps` times and round after each; their mean."""
    rng, w = np.random.default_rng(seed), np.ones(count, np.float32)
    for _ in range(steps):
        w = np.asarray(answer((w + np.float32(step)).astype(np.float32), rng), np.float32)
    return float(w.mean())
