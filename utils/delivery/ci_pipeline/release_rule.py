"""The quality gate: may a candidate replace the model in production?

Its question is one-sided: is there evidence that the candidate is worse? Other chapters' gates ask otherwise: for an
absolute floor (cost/edge_metrics), by a two-sided test with an allowance (delivery/tradeoff).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.edge_metrics import discordant, mcnemar_p


@dataclass(frozen=True)
class GatePolicy:
    """The limits of the gate, fixed before anybody has seen a candidate. At a limit of drop or ratio is allowed."""

    max_p: float = 0.05
    max_drop: float = 0.01
    max_latency_ratio: float = 1.2
    max_size_ratio: float = 1.1
    min_samples: int = 500

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What is known of a model: right or wrong by sample (bool, (n,)), latencies in ms, bytes of its file.

    `signature` names its inputs and outputs with their types and shapes: a candidate has to have the same.
    """

    correct: np.ndarray
    latency_ms: np.ndarray
    size_bytes: int
    signature: tuple = ()

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(np.mean(self.correct))


@dataclass(frozen=True)
class GateResult:
    """The verdict and the numbers behind it; `drop` is the accuracy lost (negative: gained)."""

    passed: bool
    reasons: tuple[str, ...]
    lost: int
    gained: int
    drop: float
    p_value: float
    latency_ratio: float
    size_ratio: float

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def compare_models(base: Evidence, cand: Evidence, policy: GatePolicy) -> GateResult:
    """Judge a candidate by the policy; all reasons that apply, `signature` first, then as `quality_gate` names them.

    Raises ValueError as `quality_gate` does.
    """
    base_ok, cand_ok = np.asarray(base.correct), np.asarray(cand.correct)
    base_ms, cand_ms = np.asarray(base.latency_ms, float), np.asarray(cand.latency_ms, float)
    for name, values in (("correct", base_ok), ("latency_ms", base_ms), ("latency_ms", cand_ms)):
        if values.size == 0:
            raise ValueError(f"{name} must not be empty, got 0 values")
    for values in (base_ms, cand_ms):
        if not (values > 0).all():
            raise ValueError(f"latency_ms must be positive, got {values[~(values > 0)][0]}")
    lost, gained = discordant(base_ok, cand_ok)
    drop, p = (lost - gained) / base_ok.size, mcnemar_p(lost, gained, "greater")
    slower = float(np.median(cand_ms) / np.median(base_ms))
    larger = cand.size_bytes / base.size_bytes
    broken = {
        "signature": base.signature != cand.signature,
        "samples": base_ok.size < policy.min_samples,
        "accuracy": drop > policy.max_drop or p <= policy.max_p,
        "latency": slower > policy.max_latency_ratio,
        "size": larger > policy.max_size_ratio,
    }
    reasons = tuple(name for name, bad in broken.items() if bad)
    return GateResult(not reasons, reasons, lost, gained, drop, p, slower, larger)


def quality_gate(base_ok: ArrayLike, cand_ok: ArrayLike, base_ms: ArrayLike, cand_ms: ArrayLike, base_bytes: int,
                 cand_bytes: int, policy: Mapping[str, float]) -> tuple[bool, list[str]]:
    """(passed, reasons) of a candidate, from the flags, latencies (ms) and sizes (bytes) of both models.

    Reasons, in this order: `samples` (fewer than `min_samples`), `accuracy` (a drop above `max_drop`, or an exact
    one-sided McNemar p of at most `max_p`), `latency` and `size` (a ratio of medians, or of bytes, above its limit).
    Raises ValueError for flags whose shapes differ, an empty array, or a latency that is not positive.
    """
    base, cand = Evidence(base_ok, base_ms, base_bytes), Evidence(cand_ok, cand_ms, cand_bytes)
    result = compare_models(base, cand, GatePolicy(**policy))
    return result.passed, list(result.reasons)
