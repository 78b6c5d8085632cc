"""Latency: percentiles, summaries, lost samples, and a clock that can be replaced in a test.

`utils.cost.tail` says how many samples a percentile needs; `utils.cost.rates` does the arithmetic of batches,
pipelines and tokens; `utils.cost.bootstrap` compares two samples. All can be had from here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.bootstrap import RatioInterval, bootstrap_ratio_ci
from utils.cost.checks import positive
from utils.cost.rates import (
    LLMLatency,
    PipelineRate,
    capacity,
    llm_latency,
    pipeline_rate,
    tpot_from_timestamps,
)
from utils.cost.tail import fanout_tail, mlperf_round, percentile_ci, queries_needed, samples_for_percentile

__all__ = [
    "LLMLatency", "LatencySummary", "PipelineRate", "RatioInterval", "bootstrap_ratio_ci", "capacity", "fanout_tail",
    "hdr_backfill", "llm_latency", "mlperf_round", "percentile", "percentile_ci", "percentile_linear", "pipeline_rate",
    "queries_needed", "samples_for_percentile", "summarise_latency", "summarize", "time_callable", "time_interleaved",
    "tpot_from_timestamps", "undo_omission",
]

NS_PER_MS = 1e6


@dataclass(frozen=True)
class LatencySummary:
    """Latencies of one run: count, mean, nearest-rank percentiles, maximum (ms), throughput (1/s)."""

    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    throughput_per_s: float

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def percentile(samples: ArrayLike, q: float) -> float:
    """The q-th percentile by nearest rank: the ceil(q n / 100)-th smallest sample, always one that was observed.

    This is the convention of HdrHistogram and equals NumPy's `method="inverted_cdf"`, except that q is
    taken as the decimal that it prints: 99.9 % of 1000 samples is rank 999, where binary rounding makes
    NumPy answer 1000. MLPerf's load generator (loadgen/results.cc) takes the sample at index
    int(n q / 100), which is the next one where n q / 100 is whole.
    Raises ValueError for no samples or q outside (0, 100].

    >>> percentile([3, 1, 2, 10], 50)
    2.0
    """
    ordered = _ordered(samples)
    if not 0 < q <= 100:
        raise ValueError(f"q must lie in (0, 100], got {q}")
    rank = math.ceil(Fraction(str(float(q))) * len(ordered) / 100)
    return float(ordered[rank - 1])


def percentile_linear(samples: ArrayLike, q: float) -> float:
    """The q-th percentile with linear interpolation between the two neighbouring samples, NumPy's default.

    Raises ValueError for no samples or q outside [0, 100].
    """
    ordered = _ordered(samples)
    if not 0 <= q <= 100:
        raise ValueError(f"q must lie in [0, 100], got {q}")
    return float(np.percentile(ordered, q))


def summarize(samples_ms: ArrayLike, wall_s: float | None = None) -> LatencySummary:
    """Summary of latencies in ms; `wall_s` is the time from the first start to the last end.

    Without `wall_s` the calls are taken to have run one after another, so the wall time is their sum.
    With overlapping requests it must be given: throughput is then not 1 / mean latency.
    Raises ValueError for no samples or a wall time that is not positive.
    """
    ordered = _ordered(samples_ms)
    wall = float(ordered.sum()) / 1e3 if wall_s is None else wall_s
    if not wall > 0:
        raise ValueError(f"wall_s must be positive, got {wall}")
    p50, p90, p95, p99 = (percentile(ordered, q) for q in (50, 90, 95, 99))
    mean, top = float(ordered.mean()), float(ordered[-1])
    return LatencySummary(len(ordered), mean, p50, p90, p95, p99, top, len(ordered) / wall)


def summarise_latency(samples_ms: list[float], warmup: int) -> dict:
    """Nearest-rank p50, p90, p99, mean and max of the samples after the first `warmup`, in the order measured.

    Raises ValueError if no sample is left.
    """
    if warmup < 0:
        raise ValueError(f"warmup must be at least 0, got {warmup}")
    kept = summarize(samples_ms[warmup:], 1.0)
    return {"p50": kept.p50_ms, "p90": kept.p90_ms, "p99": kept.p99_ms, "mean": kept.mean_ms, "max": kept.max_ms}


def hdr_backfill(samples_ms: ArrayLike, interval_ms: float) -> np.ndarray:
    """The samples, followed by those that a client which waits for its answers has left out.

    A client that should send every `interval_ms` sends nothing during a stall. For each sample v above the interval
    the requests that were due meanwhile are put in: v - interval, v - 2 interval, … while at least the interval
    (HdrHistogram's recordValueWithExpectedInterval). Samples timed from their schedule need no correction and must
    not get one. Raises ValueError for an interval that is not positive.

    >>> hdr_backfill([1, 35], 10).tolist()
    [1.0, 35.0, 25.0, 15.0]
    """
    positive(interval_ms=interval_ms)
    found = [float(v) for v in np.asarray(samples_ms, dtype=np.float64).ravel()]
    for v in tuple(found):
        missing = v - interval_ms
        while missing >= interval_ms:
            found.append(missing)
            missing -= interval_ms
    return np.array(found)  # (n + missing,)


def undo_omission(samples_ms: list[float], interval_ms: float) -> list[float]:
    """The samples with those that a stall kept from being sent, as a list in any order."""
    return hdr_backfill(samples_ms, interval_ms).tolist()


def time_callable(
    fn: Callable[[], object],
    *,
    warmup: int = 5,
    repeats: int = 50,
    clock: Callable[[], int] = time.perf_counter_ns,
    sync: Callable[[], object] | None = None,
) -> np.ndarray:
    """Latency of each of `repeats` calls in ms, in the order measured, after `warmup` calls that are thrown away.

    `clock` returns nanoseconds and is read just before and just after each timed call, at no other
    time. `sync` waits for a device (`torch.cuda.synchronize`): once before the clock starts, so that
    earlier work is not charged, and once before it stops, so that queued work is.
    Raises ValueError for repeats < 1 or warmup < 0.
    """
    _require_counts(warmup, repeats)
    for _ in range(warmup):
        fn()
    return np.array([_time_once(fn, clock, sync) for _ in range(repeats)])  # (repeats,)


def time_interleaved(
    fns: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warmup: int = 1,
    clock: Callable[[], int] = time.perf_counter_ns,
    sync: Callable[[], object] | None = None,
) -> dict[str, np.ndarray]:
    """Latencies in ms of several callables measured in turns: one call of each per round.

    Timed one after another, a machine that slows down makes the last candidate look slow; in turns,
    every candidate meets the same disturbances, and the ratio within a round is meaningful. Each
    round starts with the next candidate, so that none is always first.
    Raises ValueError for no callables, rounds < 1 or warmup < 0.
    """
    _require_counts(warmup, rounds)
    if not fns:
        raise ValueError("fns must not be empty, got no callable")
    names = list(fns)
    for name in names:
        for _ in range(warmup):
            fns[name]()
    samples_ms: dict[str, list[float]] = {name: [] for name in names}
    for k in range(rounds):
        first = k % len(names)
        for name in names[first:] + names[:first]:
            samples_ms[name].append(_time_once(fns[name], clock, sync))
    return {name: np.array(values) for name, values in samples_ms.items()}  # name -> (rounds,)


def _time_once(fn: Callable[[], object], clock: Callable[[], int], sync: Callable[[], object] | None) -> float:
    if sync is not None:
        sync()
    start = clock()
    fn()
    if sync is not None:
        sync()
    return (clock() - start) / NS_PER_MS


def _ordered(samples: ArrayLike | Sequence[float]) -> np.ndarray:
    ordered = np.sort(np.asarray(samples, dtype=np.float64).ravel())
    if ordered.size == 0:
        raise ValueError("samples must not be empty, got 0 samples")
    if np.isnan(ordered[-1]):  # NaN sorts last
        raise ValueError("samples must be numbers, got NaN")
    return ordered


def _require_counts(warmup: int, repeats: int) -> None:
    if warmup < 0:
        raise ValueError(f"warmup must be at least 0, got {warmup}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
