"""Latency of one callable: the course's summary, and the plain dictionary with interpolated percentiles."""

from __future__ import annotations

import time
from collections.abc import Callable

from utils.cost.latency import LatencySummary, percentile_linear, summarize, time_callable

Clock = Callable[[], int]


def measure_latency(fn: Callable[[], object], *, warmup: int = 10, repeats: int = 100,
                    clock: Clock = time.perf_counter_ns) -> LatencySummary:
    """Summary (ms, nearest-rank percentiles) of `repeats` calls after `warmup` calls that are not counted.

    No sample is dropped as an outlier. `clock` returns nanoseconds. Raises ValueError for repeats < 1 or warmup < 0.
    """
    return summarize(time_callable(fn, warmup=warmup, repeats=repeats, clock=clock))


def measure(fn: Callable[[], object], clock: Callable[[], int], warmup: int, repeats: int) -> dict:
    """p50, p95, p99 (linear interpolation) and mean in ms of `repeats` calls after `warmup` untimed ones.

    `clock` returns nanoseconds; it is read just before and just after each timed call.
    Raises ValueError for repeats < 1.
    """
    samples_ms = time_callable(fn, warmup=warmup, repeats=repeats, clock=clock)
    p50, p95, p99 = (percentile_linear(samples_ms, q) for q in (50, 95, 99))
    return {"p50": p50, "p95": p95, "p99": p99, "mean": float(samples_ms.mean()), "n": repeats}
