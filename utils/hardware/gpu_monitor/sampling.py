"""GPU-Util as a monitor sees it: averages of consecutive windows, against looking now and then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.cost.checks import positive

from .intervals import Interval, merge_intervals

CLOSE = 1e-6  # a window that is short by less than this share of it is whole: 0.3 / 0.1 is 2.9999999999999996


def window_count(period: float, start: float, end: float) -> int:
    """Whole windows of `period` in [start, end). Raises ValueError for a period that is not positive."""
    positive(period=period)
    return max(0, int((end - start) / period + CLOSE))


def busy_before(intervals: Sequence[Interval], times: np.ndarray) -> np.ndarray:
    """Busy time from the earliest interval up to each of `times` (in the intervals' unit)."""
    if not intervals:
        return np.zeros(len(times))
    merged = merge_intervals(intervals, min(a for a, _ in intervals) - 1, max(b for _, b in intervals) + 1)
    if not merged:
        return np.zeros(len(times))
    edges = np.asarray(merged, float)  # (n, 2)
    lengths = edges[:, 1] - edges[:, 0]
    done = np.concatenate([[0.0], np.cumsum(lengths)])  # (n + 1,)
    begun = np.searchsorted(edges[:, 0], times, side="right")  # intervals begun at each time
    last = np.maximum(begun, 1) - 1
    open_for = np.clip(times - edges[last, 0], 0, lengths[last])
    return np.where(begun > 0, done[last] + open_for, 0.0)


def sample_series(intervals: Sequence[Interval], period: float, start: float, end: float) -> np.ndarray:
    """GPU-Util in percent of each whole window [start + i·period, start + (i + 1)·period) before `end`.

    A last window that is short only by rounding counts as whole; an incomplete one is left out. Window edges are
    computed from their index, so no error adds up. Raises ValueError for a period that is not positive.

    >>> sample_series([(0, 0.2), (1.0, 1.5)], 0.5, 0, 2).tolist()
    [40.0, 0.0, 100.0, 0.0]
    """
    edges = start + np.arange(window_count(period, start, end) + 1) * period
    return 100.0 * np.clip(np.diff(busy_before(intervals, edges)) / period, 0.0, 1.0)


def point_sample(intervals: Sequence[Interval], period: float, start: float, end: float) -> np.ndarray:
    """What polling at the start of each window sees: 100 where a kernel runs at that instant, else 0.

    This is not what NVML reports; it is here to be compared with. Raises ValueError like `sample_series`.
    """
    times = start + np.arange(window_count(period, start, end)) * period
    return np.array([100.0 * any(a <= t < b for a, b in intervals) for t in times])
