"""Variants of one model, the limits of a deployment, the Pareto front, and the choice between those that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from utils.cost import edge_metrics
from utils.cost.checks import positive


@dataclass(frozen=True)
class Variant:
    """One form of a model, as measured: right answers of `total`, latency of one batch (ms), bytes of its file.

    `correct` flags the right answers one by one, bool of shape (total,), for paired tests; None where only the count
    was recorded.
    """

    name: str
    right: int
    total: int
    p50_ms: float
    p95_ms: float
    bytes: int
    batch: int = 1
    correct: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.right / self.total

    @property
    def rate_per_s(self) -> float:
        """Results a second when batch follows batch, at the median latency."""
        return 1e3 * self.batch / self.p50_ms

    def usd_per_million(self, usd_per_hour: float, utilization: float) -> float:
        """US dollars for a million results of a rented machine that is busy for this share of the paid time."""
        return edge_metrics.usd_per_million(usd_per_hour, self.rate_per_s, utilization)

    def as_dict(self) -> dict[str, Any]:
        """Name, accuracy, latencies and bytes as plain data."""
        return {"name": self.name, "accuracy": self.accuracy, "p50_ms": self.p50_ms, "p95_ms": self.p95_ms,
                "bytes": self.bytes}


@dataclass(frozen=True)
class ReleaseTarget:
    """What a deployment demands of a variant; None is no limit, and the limit itself is allowed.

    `batch` is the batch at which latency and cost have to be measured. The cost limit is US dollars for a million
    results of a machine of `usd_per_hour` that is busy for the share `utilization` of the time.
    """

    name: str = ""
    max_p95_ms: float | None = None
    max_bytes: int | None = None
    min_accuracy: float | None = None
    max_usd_per_million: float | None = None
    batch: int = 1
    usd_per_hour: float = 1.2
    utilization: float = 0.6

    def __post_init__(self) -> None:
        positive(batch=self.batch)

    def as_dict(self) -> dict[str, Any]:
        """The name, the limits that are set, and the batch; price and use of the machine only with a cost limit."""
        told = {k: v for k, v in asdict(self).items() if v is not None}
        if self.max_usd_per_million is None:
            del told["usd_per_hour"], told["utilization"]
        return told


def broken_limits(variant: Variant | Mapping[str, Any], target: ReleaseTarget) -> list[str]:
    """The limits that a variant breaks, in the order p95_ms, bytes, accuracy, usd_per_million.

    A variant is an object or a mapping with the keys of `Variant.as_dict`; a limit of the cost needs the object.
    """
    broken = [name for name, limit in (("p95_ms", target.max_p95_ms), ("bytes", target.max_bytes))
              if limit is not None and _value(variant, name) > limit]
    if target.min_accuracy is not None and _value(variant, "accuracy") < target.min_accuracy:
        broken.append("accuracy")
    if target.max_usd_per_million is not None:
        usd = variant.usd_per_million(target.usd_per_hour, target.utilization)
        broken += ["usd_per_million"] if usd > target.max_usd_per_million else []
    return broken


def explain_choice(variants: Sequence[Variant], target: ReleaseTarget) -> dict[str, list[str]]:
    """The broken limits of each variant by name; an empty list says that it fits."""
    return {_value(v, "name"): broken_limits(v, target) for v in variants}


def choose(variants: Sequence[Any], target: ReleaseTarget) -> Any | None:
    """Of the variants that break no limit: highest accuracy, then lowest p95, then fewest bytes, then the first.

    None when nobody fits: a broken limit can't be bought back, so the work goes on.
    """
    def rank(v: Any) -> tuple:
        return -_value(v, "accuracy"), _value(v, "p95_ms"), _value(v, "bytes")

    return min((v for v in variants if not broken_limits(v, target)), key=rank, default=None)


def variant_front(variants: Sequence[Variant], *, minimize: Sequence[str] = ("p95_ms",),
                  maximize: Sequence[str] = ("accuracy",)) -> list[Variant]:
    """The variants that no other dominates, in the order given; equal ones are all kept. ValueError for NaN."""
    return [variants[i] for i in edge_metrics.pareto_front(variants, maximize=maximize, minimize=minimize)]


def _value(variant: Any, name: str) -> Any:
    return variant[name] if isinstance(variant, Mapping) else getattr(variant, name)


# --- plain data ---------------------------------------------------------------------------------


def pareto_front(points: list[tuple[str, float, float]]) -> list[str]:
    """Names of the (name, latency, accuracy) points that no other dominates, in the order given.

    A lower latency and a higher accuracy are better. Raises ValueError for NaN.
    """
    rows = [{"latency": latency, "accuracy": accuracy} for _, latency, accuracy in points]
    return [points[i][0] for i in edge_metrics.pareto_front(rows, maximize=["accuracy"], minimize=["latency"])]


LIMITS = ("max_p95_ms", "max_bytes", "min_accuracy")


def choose_variant(variants: list[dict], target: dict) -> str | None:
    """Name of the most accurate variant within the limits, then by lowest p95, fewest bytes, first; or None."""
    chosen = choose(variants, ReleaseTarget(**{name: target.get(name) for name in LIMITS}))
    return None if chosen is None else chosen["name"]
