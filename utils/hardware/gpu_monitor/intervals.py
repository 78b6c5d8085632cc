"""Utilisation as NVML defines it: the share of a window in which at least one kernel was running.

>>> utilization([(0, 400), (300, 700), (900, 1300)], 0, 1000)
80.0
"""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[float, float]


def merge_intervals(intervals: Iterable[Interval], start: float, end: float) -> list[Interval]:
    """The union of half-open `intervals` inside [start, end): disjoint, not touching, ascending.

    Intervals may overlap, be nested, stick out, lie outside or be empty (then they cover nothing).
    Raises ValueError if `end` is not after `start`.
    """
    if not end > start:
        raise ValueError(f"end must be after start, got [{start}, {end})")
    merged: list[Interval] = []
    for a, b in sorted((max(a, start), min(b, end)) for a, b in intervals):
        if b <= a:
            continue
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], b))
        else:
            merged.append((a, b))
    return merged


def utilization(intervals: Iterable[Interval], start: float, end: float) -> float:
    """Percent of [start, end) in which at least one of the intervals (one a kernel) is running.

    This is NVML's `utilization.gpu` (nvmlUtilization_t) with the window made explicit; it does not know
    how much of the GPU a kernel fills. Any one unit of time will do. Raises ValueError if end <= start.
    """
    busy = sum(b - a for a, b in merge_intervals(intervals, start, end))
    return 100.0 * busy / (end - start)
