"""Calibration: from sample activations to the range that the integers have to cover."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

Method = Literal["minmax", "percentile", "mse", "entropy"]
METHODS: tuple[str, ...] = get_args(Method)
BINS = 2048  # of the histogram behind "mse" and "entropy"
CLIPS = np.linspace(0.1, 1.0, 91)  # shares of the full range that "mse" tries


def calibrate_range(batches: Iterable[ArrayLike], method: Method, percentile: float = 99.9, *,
                    bits: int = 8) -> tuple[float, float]:
    """The range (lo, hi) of all values in all batches, by one of four methods; it always contains 0.

    "minmax": smallest and largest value. "percentile": the (100 - p)-th and the p-th percentile, with linear
    interpolation. "mse": the share of the full range with the smallest squared error at `bits`. "entropy": the
    threshold on |x| with the smallest Kullback-Leibler divergence (Migacz, 8-bit Inference with TensorRT, GTC 2017).
    Raises ValueError for another method, when no batch holds a value, and for NaN or infinity.

    >>> calibrate_range([np.array([1.0, 2.0]), np.array([5.0, 3.0])], "minmax")
    (0.0, 5.0)
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    pooled = [np.asarray(batch, dtype=np.float64).ravel() for batch in batches]
    values = np.concatenate(pooled) if pooled else np.zeros(0)
    if values.size == 0:
        raise ValueError("batches must hold data, got no values")
    if not np.isfinite(values).all():
        raise ValueError(f"batches must be finite, got {np.count_nonzero(~np.isfinite(values))} NaN or infinite values")
    lo, hi = values.min(), values.max()
    if method == "percentile":
        lo, hi = np.percentile(values, [100 - percentile, percentile])
    elif method == "mse" and hi > lo:
        lo, hi = _mse_range(values, bits)
    elif method == "entropy" and hi > lo:
        threshold = entropy_threshold(values, bits)
        lo, hi = max(lo, -threshold), min(hi, threshold)
    return min(float(lo), 0.0), max(float(hi), 0.0)


def simple_range(batches: Iterable[ArrayLike], method: str, percentile: float = 99.9) -> tuple[float, float]:
    """`calibrate_range` without the methods that search; "mse" and "entropy" raise ValueError like unknown ones."""
    if method not in ("minmax", "percentile"):
        raise ValueError(f"method must be minmax or percentile, got {method!r}")
    return calibrate_range(batches, method, percentile)


def _mse_range(values: np.ndarray, bits: int) -> tuple[float, float]:
    """The clip of [min, max] with the smallest squared error of asymmetric quantization, over a histogram."""
    counts, edges = np.histogram(values, BINS)
    centers = (edges[:-1] + edges[1:]) / 2
    lo, hi = min(values.min(), 0.0), max(values.max(), 0.0)
    errors = []
    for share in CLIPS:
        step = share * (hi - lo) / (2**bits - 1)
        zero = np.rint(-share * lo / step)
        q = np.clip(np.rint(centers / step) + zero, 0, 2**bits - 1)
        errors.append(float(counts @ ((q - zero) * step - centers) ** 2))
    best = CLIPS[int(np.argmin(errors))]
    return best * lo, best * hi


def entropy_threshold(values: np.ndarray, bits: int = 8) -> float:
    """The threshold on |x| whose quantized distribution diverges least from the clipped one.

    The histogram of |x| is cut after i bins; what lies beyond is added to the last bin (P). The same bins merged
    into 2^(bits - 1) levels and spread out again are Q. The i with the smallest KL(P, Q) wins.
    """
    magnitude = np.abs(values)
    counts, edges = np.histogram(magnitude, BINS, range=(0.0, float(magnitude.max()) or 1.0))
    levels = 2 ** (bits - 1)
    first = max(levels, BINS // 64)
    cuts = np.unique(np.r_[np.arange(first, BINS, 32), BINS])
    divergences = [_divergence(counts[:i].astype(np.float64), float(counts[i:].sum()), levels) for i in cuts]
    return float(edges[cuts[int(np.argmin(divergences))]])


def _divergence(kept: np.ndarray, beyond: float, levels: int) -> float:
    """KL(P, Q) of one cut; Q has no counts where P had none before the outliers were added."""
    p = kept.copy()
    p[-1] += beyond
    level = np.arange(len(kept)) * levels // len(kept)  # bin -> level
    filled = kept > 0
    per_level = np.bincount(level, kept, levels) / np.maximum(np.bincount(level, filled, levels), 1)
    q = np.where(filled, per_level[level], 0.0)
    p, q = p / p.sum(), q / max(q.sum(), 1.0)
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / np.maximum(q[used], 1e-12))))
