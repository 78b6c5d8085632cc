"""trtexec's performance summary of a trace, and the trace as JSON.

A trace is a list of mappings with trtexec's own keys, all in ms since the start and ordered by
`startH2dMs`: startEnqMs, endEnqMs, startH2dMs, endH2dMs, startComputeMs, endComputeMs, startD2hMs,
endD2hMs. The rules are those of samples/common/sampleReporting.cpp (TensorRT 8.6 to 11.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Trace = Sequence[Mapping[str, float]]

ENQUEUE_BOUND = 0.8  # a median enqueue time above this share of the median compute time draws a warning
UNSTABLE_PCT = 2.5  # so does a coefficient of variation above this (1.0 in 8.6)
PHASES = ("Enq", "H2d", "Compute", "D2h")


@dataclass(frozen=True)
class Timing:
    """Statistics of one metric in ms; `percentiles_ms` maps 90.0 to the 90th percentile by trtexec's rule.

    `cv_pct` is the coefficient of variation in percent, None where a log does not tell it.
    """

    min_ms: float
    max_ms: float
    mean_ms: float
    median_ms: float
    percentiles_ms: dict[float, float]
    cv_pct: float | None = None


@dataclass(frozen=True)
class PerformanceSummary:
    """What trtexec prints at the end of a run.

    `latency` of a query is H2D + compute + D2H, without the waits between them; throughput is queries
    over wall time. `queries`, `warmups` and `warmup_ms` are None where a log does not tell them.
    """

    throughput_qps: float
    latency: Timing
    enqueue: Timing
    h2d: Timing
    compute: Timing
    d2h: Timing
    wall_s: float
    total_compute_s: float
    queries: int | None = None
    warmups: int | None = None
    warmup_ms: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def enqueue_bound(self) -> bool:
        """Whether the host may be the bottleneck: enqueueing takes more than 0.8 of the compute time."""
        return self.enqueue.median_ms > ENQUEUE_BOUND * self.compute.median_ms

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def trtexec_percentile_index(percentile: float, count: int) -> int:
    """Index of a percentile among `count` ascending samples, in the 32-bit floats of trtexec.

    It drops int((1 - p/100) n) samples from the top. In float32 99 % of 100 drops 0.99999905, hence
    none: trtexec's p99 of 100 queries is the maximum, and differs from nearest rank.
    Raises ValueError for a percentile outside [0, 100] or count < 1.

    >>> trtexec_percentile_index(99, 100), trtexec_percentile_index(95, 100)
    (99, 94)
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must lie in [0, 100], got {percentile}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    share = np.float32(1) - np.float32(percentile) / np.float32(100)
    return max(count - 1 - int(share * np.float32(count)), 0)


def trace_record(
    enqueue: tuple[float, float], h2d: tuple[float, float], compute: tuple[float, float], d2h: tuple[float, float]
) -> dict[str, float]:
    """One query of a trace, from the (start, end) of its four phases in ms."""
    spans = zip(PHASES, (enqueue, h2d, compute, d2h))
    return {f"{edge}{phase}Ms": t for phase, span in spans for edge, t in zip(("start", "end"), span)}


def split_warmup(trace: Trace, warmup_ms: float) -> tuple[int, list[Mapping[str, float]]]:
    """(number of warm-up queries, the others): warm-up ends with the first compute at or after `warmup_ms`.

    Raises ValueError when no query is left.
    """
    first = next((i for i, query in enumerate(trace) if query["startComputeMs"] >= warmup_ms), None)
    if first is None:
        raise ValueError(f"trace must hold a query after the warm-up of {warmup_ms} ms, got {len(trace)} before it")
    return first, list(trace[first:])


def summarize(
    trace: Trace, warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0), streams: int = 1
) -> PerformanceSummary:
    """trtexec's summary of a trace; `streams` only decides whether the latencies are called inaccurate.

    Raises ValueError for a trace without a query after the warm-up, or a percentile outside [0, 100].
    """
    warmups, kept = split_warmup(trace, warmup_ms)
    enqueue, h2d, compute, d2h = (phase_durations(kept, phase) for phase in PHASES)  # each (queries,)
    wall_ms = kept[-1]["endD2hMs"] - kept[0]["startH2dMs"]
    timings = [_timing(values, percentiles) for values in (h2d + compute + d2h, enqueue, h2d, compute, d2h)]
    return PerformanceSummary(
        len(kept) / wall_ms * 1e3 if wall_ms > 0 else float("inf"),
        *timings,
        wall_s=wall_ms / 1e3,
        total_compute_s=float(compute.sum()) / 1e3,
        queries=len(kept),
        warmups=warmups,
        warmup_ms=float(warmup_ms),
        warnings=tuple(_warnings(*timings[1:], streams)),
    )


def phase_durations(trace: Trace, phase: str) -> np.ndarray:
    """Duration of one of the PHASES in ms, one value a query."""
    return np.array([query[f"end{phase}Ms"] - query[f"start{phase}Ms"] for query in trace], dtype=np.float64)


def _timing(values: np.ndarray, percentiles: Sequence[float]) -> Timing:
    ordered, mean = np.sort(values), float(values.mean())
    return Timing(
        min_ms=float(ordered[0]),
        max_ms=float(ordered[-1]),
        mean_ms=mean,
        median_ms=float(np.median(ordered)),
        percentiles_ms={float(p): float(ordered[trtexec_percentile_index(p, len(ordered))]) for p in percentiles},
        cv_pct=float(values.std()) / mean * 100 if mean else float("inf"),
    )


def _warnings(enqueue: Timing, h2d: Timing, compute: Timing, d2h: Timing, streams: int) -> list[str]:
    warnings = []
    if enqueue.median_ms > ENQUEUE_BOUND * compute.median_ms:
        warnings.append("Throughput may be bound by Enqueue Time rather than compute")
    if h2d.median_ms >= compute.median_ms:
        warnings.append("Throughput may be bound by the transfers of the inputs rather than compute")
    if d2h.median_ms >= compute.median_ms:
        warnings.append("Throughput may be bound by the transfers of the outputs rather than compute")
    if compute.cv_pct is not None and compute.cv_pct > UNSTABLE_PCT:
        warnings.append(f"Compute time is unstable, with coefficient of variance = {compute.cv_pct:g}%")
    if streams > 1:
        warnings.append("Several streams: queries overlap, read Throughput and not Latency")
    return warnings


def summarize_trace(
    trace: list[dict], warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0)
) -> dict[str, Any]:
    """The summary as plain data: queries, warmups, throughput_qps, latency (min, max, mean, median, p90, ...),
    compute_cv_pct, enqueue_bound.

    Raises ValueError for a trace without a query after the warm-up.
    """
    summary = summarize(trace, warmup_ms, percentiles)
    latency = {name: getattr(summary.latency, f"{name}_ms") for name in ("min", "max", "mean", "median")}
    return {
        "queries": summary.queries,
        "warmups": summary.warmups,
        "throughput_qps": summary.throughput_qps,
        "latency": latency | {f"p{p:g}": value for p, value in summary.latency.percentiles_ms.items()},
        "compute_cv_pct": summary.compute.cv_pct,
        "enqueue_bound": summary.enqueue_bound,
    }


def trace_json(trace: Trace, warmup_ms: float) -> str:
    """The trace as trtexec's --exportTimes writes it: JSON, warm-up queries excluded, durations added."""
    _, kept = split_warmup(trace, warmup_ms)
    rows = []
    for query in kept:
        stamps = {f"{edge}{phase}Ms": float(query[f"{edge}{phase}Ms"]) for phase in PHASES for edge in ("start", "end")}
        spans = {f"{p.lower()}Ms": stamps[f"end{p}Ms"] - stamps[f"start{p}Ms"] for p in PHASES[1:]}
        rows.append(json.dumps(stamps | spans | {"latencyMs": sum(spans.values())}))
    return "[\n  " + "\n, ".join(rows) + "\n]\n"
