"""Which engine is faster, and do two engines agree? Both are questions about samples, not about two numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.latency import bootstrap_ratio_ci

Winner = Literal["a", "b", "tie"]
FEWEST = 5  # samples a side; with fewer a bootstrap only repeats them
TIE_GAP = 1e-6  # a reference whose two best logits are closer than this names no class


@dataclass(frozen=True)
class LatencyVerdict:
    """Who is faster, by the ratio median(a) / median(b) and its confidence interval."""

    winner: Winner
    ratio: float
    low: float
    high: float

    def as_dict(self) -> dict[str, str | float]:
        """The fields as plain data."""
        return asdict(self)


def compare_latency(
    a: ArrayLike, b: ArrayLike, n_boot: int = 2000, seed: int = 0, alpha: float = 0.05
) -> LatencyVerdict:
    """Compare two engines by latencies in ms, each measured over and over.

    "a" (or "b") is the faster one if the interval of level 1 - `alpha` for median(a) / median(b) lies entirely
    below (above) 1, otherwise it is a "tie". Raises ValueError for fewer than 5 or non-positive samples.
    """
    return _verdict(a, b, np.random.default_rng(seed), n_boot, alpha)


def faster_engine(
    a_ms: ArrayLike, b_ms: ArrayLike, rng: np.random.Generator, n_boot: int = 1000, alpha: float = 0.05
) -> str:
    """Which of two engines is faster, "a", "b" or "tie": a bootstrap of the ratio of their medians."""
    return _verdict(a_ms, b_ms, rng, n_boot, alpha).winner


def _verdict(a: ArrayLike, b: ArrayLike, rng: np.random.Generator, n_boot: int, alpha: float) -> LatencyVerdict:
    for name, samples in (("a", a), ("b", b)):
        if np.size(samples) < FEWEST:
            raise ValueError(f"{name} must hold at least {FEWEST} samples, got {np.size(samples)}")
    found = bootstrap_ratio_ci(a, b, n_boot, rng, alpha)
    winner: Winner = "a" if found.high < 1 else "b" if found.low > 1 else "tie"
    return LatencyVerdict(winner, found.ratio, found.low, found.high)


# --- agreement ----------------------------------------------------------------------------------


def agreement(ref: np.ndarray, out: np.ndarray) -> dict[str, float]:
    """How far logits `out` (rows, classes) are from `ref`: largest difference, cosine, share of equal top classes.

    All in float64. The cosine is of the flattened arrays: 1.0 if both are zero, 0.0 if only one is. In `top1` a row
    whose two largest reference logits are less than 1e-6 apart counts as equal.
    Raises ValueError for another shape, for arrays that are not 2-D or empty, and for NaN in `out`.
    """
    if ref.shape != out.shape:
        raise ValueError(f"out must have the shape of ref, got shape {out.shape} and {ref.shape}")
    if ref.ndim != 2 or ref.size == 0:
        raise ValueError(f"ref must be (rows, classes) with at least one of each, got shape {ref.shape}")
    if np.isnan(out).any():
        raise ValueError("out must be numbers, got NaN")
    ref, out = ref.astype(np.float64), out.astype(np.float64)
    return {"max_abs": float(np.abs(ref - out).max()), "cosine": _cosine(ref, out), "top1": _top1(ref, out)}


def _cosine(ref: np.ndarray, out: np.ndarray) -> float:
    norms = float(np.linalg.norm(ref)), float(np.linalg.norm(out))
    if 0.0 in norms:
        return float(norms[0] == norms[1])
    return float(np.sum(ref * out)) / (norms[0] * norms[1])


def _top1(ref: np.ndarray, out: np.ndarray) -> float:
    same = ref.argmax(axis=1) == out.argmax(axis=1)  # (rows,)
    if ref.shape[1] > 1:
        best = np.sort(ref, axis=1)[:, -2:]  # (rows, 2)
        same |= best[:, 1] - best[:, 0] < TIE_GAP
    return float(same.mean())


def accuracy_report(
    reference: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """`agreement` of every output of a model by name; axis 0 is the batch, all other axes are flattened.

    Raises ValueError when an output is missing, or as `agreement` does.
    """
    report = {}
    for name, ref in reference.items():
        if name not in outputs:
            raise ValueError(f"outputs must hold every output of the reference, got none called {name!r}")
        rows = ref.shape[0] if ref.ndim else 1
        got = np.asarray(outputs[name])
        if got.shape != ref.shape:
            raise ValueError(f"outputs must have the reference's shape, got shape {got.shape} and {ref.shape}: {name}")
        report[name] = agreement(ref.reshape(rows, -1), got.reshape(rows, -1))
    return report
