"""Exercise 49.windowed_util: what a monitor prints, one number a window."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from utils.hardware.gpu_monitor import plain

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Intervals = list[tuple[float, float]]


def _whole(period: float, start: float, end: float) -> int:
    return math.floor((end - start) / period + 1e-6)


def _covered(intervals: Intervals, a: float, b: float) -> float:
    """Length of the union inside [a, b)."""
    total, reached = 0.0, a
    for x, y in sorted(intervals):
        x, y = max(x, reached), min(y, b)
        if y > x:
            total, reached = total + y - x, y
    return total


def _windows(share: Callable[[Intervals, float, float], float], *, count: Callable = _whole, check: bool = True,
             shorter_last: bool = False) -> Callable:
    """An answer: `share` in percent of each of `count` windows."""

    def answer(intervals: Intervals, period: float, start: float, end: float) -> list[float]:
        if period <= 0:
            if check:
                raise ValueError("period must be positive")
            return []
        found = []
        for i in range(count(period, start, end)):
            a, b = start + i * period, start + (i + 1) * period
            found.append(share(intervals, a, min(b, end) if shorter_last else b))
        return found

    return answer


def _share(intervals: Intervals, a: float, b: float) -> float:
    return 100 * _covered(intervals, a, b) / (b - a)


def _by_start(intervals: Intervals, a: float, b: float) -> float:
    """Whole kernels, in the window in which they start."""
    return 100 * sum(y - x for x, y in intervals if a <= x < b) / (b - a)


def _by_start_capped(intervals: Intervals, a: float, b: float) -> float:
    return min(100.0, _by_start(intervals, a, b))


def _union_by_start(intervals: Intervals, a: float, b: float) -> float:
    merged: Intervals = []
    for x, y in sorted(intervals):
        if merged and x <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(y, merged[-1][1]))
        elif y > x:
            merged.append((x, y))
    return _by_start(merged, a, b)


def _instant(intervals: Intervals, a: float, b: float) -> float:
    return 100.0 * any(x <= a < y for x, y in intervals)


def _instant_end(intervals: Intervals, a: float, b: float) -> float:
    return 100.0 * any(x < b <= y for x, y in intervals)


def _middle(intervals: Intervals, a: float, b: float) -> float:
    return 100.0 * any(x <= (a + b) / 2 < y for x, y in intervals)


def _touched(intervals: Intervals, a: float, b: float) -> float:
    return 100.0 * any(max(x, a) < min(y, b) for x, y in intervals)


def _summed(intervals: Intervals, a: float, b: float) -> float:
    return 100 * sum(max(0.0, min(y, b) - max(x, a)) for x, y in intervals) / (b - a)


def _summed_capped(intervals: Intervals, a: float, b: float) -> float:
    return min(100.0, _summed(intervals, a, b))


def _fraction(intervals: Intervals, a: float, b: float) -> float:
    return _share(intervals, a, b) / 100


def _up(period: float, start: float, end: float) -> int:
    return math.ceil((end - start) / period - 1e-6)


def _floor(period: float, start: float, end: float) -> int:
    return max(0, math.floor((end - start) / period))


def _floordiv(period: float, start: float, end: float) -> int:
    return max(0, int((end - start) // period))


def _step_by_step(period: float, start: float, end: float) -> int:
    n, t = 0, start
    while t + period <= end:
        n, t = n + 1, t + period
    return n


def _while_before_end(period: float, start: float, end: float) -> int:
    n, t = 0, start
    while t < end:
        n, t = n + 1, t + period
    return n


def _by_busy_time(intervals: Intervals, period: float, start: float, end: float) -> list[float]:
    """Differences of the busy time so far."""
    if not period > 0:
        raise ValueError("period")
    edges = [start + i * period for i in range(round(max(0, (end - start) / period - 0.5 + 1e-6)) + 1)]
    edges = [e for e in edges if e <= end + period / 1e6]
    low = min([start, *(x for x, _ in intervals)])
    so_far = [_covered(intervals, low, e) if e > low else 0.0 for e in edges]
    return [100 * (b - a) / period for a, b in pairwise(so_far)]


def _by_numpy(intervals: Intervals, period: float, start: float, end: float) -> list[float]:
    """Pieces between all edges, each given to its window."""
    if period <= 0:
        raise ValueError("the period must be positive")
    n = int(np.floor((end - start) / period + 1e-6))
    if n < 1:
        return []
    edges = start + period * np.arange(n + 1)
    inside = np.clip(np.asarray([t for k in intervals for t in k], float), edges[0], edges[-1])
    cuts = np.unique(np.concatenate([edges, inside]))
    middles = (cuts[:-1] + cuts[1:]) / 2
    busy = np.zeros(len(middles), bool)
    for x, y in intervals:
        busy |= (x <= middles) & (middles < y)
    window = np.clip(np.searchsorted(edges, middles, side="right") - 1, 0, n - 1)
    return (100 * np.bincount(window, np.diff(cuts) * busy, n) / period).tolist()


def _merged_loop(intervals: Intervals, period: float, start: float, end: float) -> list[float]:
    if period <= 0:
        raise ValueError("period must be positive")
    result, i = [], 1
    while start + i * period <= end + 1e-9:
        result.append(min(100.0, _share(intervals, start + (i - 1) * period, start + i * period)))
        i += 1
    return result


def _draw(rng: np.random.Generator) -> Case:
    """A number of windows that is whole but for rounding, or at least a tenth of a window away from it."""
    period = float(rng.choice([0.1, 0.25, 0.5, 1.0, 1 / 6, 0.2, 0.3]))
    n = int(rng.integers(1, 13))
    start = int(rng.integers(0, 9)) / 4
    end = start + period * (n + (0.0 if rng.random() < 0.5 else float(rng.integers(1, 10)) / 10))
    intervals = []
    for _ in range(int(rng.integers(1, 9))):
        a = round(float(rng.uniform(start - period, end)), 3)
        intervals.append((a, round(a + float(rng.exponential(0.8 * period)), 3)))
    return Case(intervals, period, start, end)


_LOST = ("Your last window is lost to rounding: (0.3 − 0) / 0.1 is 2.9999999999999996 in floats, and 0.1 + 0.1 + 0.1 is a little more "
         "than 0.3. Allow a small tolerance where you count the windows, and compute each edge from its index.")

windowed_util = Exercise(
    id="49.windowed_util", points=3, difficulty=2, minutes=9, idea="a reading is an average over a window, not an instant",
    reference=plain.windowed_util,
    cases=[Case([(0, 0.2), (1.0, 1.5)], 0.5, 0, 2), Case([(0.05, 0.15), (0.1, 0.2)], 0.1, 0, 0.3)],
    hidden=[Case([(0.3, 1.7)], 0.5, 0, 2), Case([(0, 5)], 1, 0, 2.5), Case([(0, 5)], 1, 0, 2.9), Case([(0.4, 0.6), (0.5, 0.9)], 0.5, 0, 1),
            Case([], 0.5, 0, 1), Case([(0, 1)], 1 / 6, 0, 1), Case([(0.1, 0.2)], 1 / 6, 0, 2), Case([(0, 1)], 2, 0, 1),
            Case([(-3, -1), (9, 12)], 1, 0, 2), Case([(0, 0.6)], 0.1, 0, 0.6), Case([(0, 0.7)], 0.1, 0, 0.7),
            Case([(1.2, 1.3), (0.1, 0.4), (0.2, 0.3)], 0.5, 0, 1.5), Case([(0, 0.3), (1, 1.3), (2, 2.3)], 0.5, 0.25, 2.25),
            Case([(0.5, 0.5)], 1, 0, 1), Case([(0, 0.2), (0.2, 0.4)], 0.4, 0, 0.8), Case([(0, 2)], 0.1, 0, 1.2)],
    draw=_draw, draws=30, compare=close(1e-6, 1e-6),
    raises=[Case([(0, 1)], 0, 0, 1), Case([(0, 1)], -0.5, 0, 1)],
    misconceptions=[
        Misconception(
            "by_start", _windows(_by_start),
            "You give a kernel to the window in which it starts. A kernel that crosses an edge is busy in both windows: give each its "
            "part.",
            "Kernels cross window edges.",
            also=(_windows(_by_start_capped), _windows(_union_by_start), _windows(_by_start, check=False),
                  _windows(_by_start_capped, check=False))),
        Misconception(
            "instant", _windows(_instant),
            "You look at one instant of each window. What NVML reports is an average: the share of the window in which a kernel was "
            "running.",
            "An instant is not a window.",
            also=(_windows(_instant_end), _windows(_middle), _windows(_instant, check=False), _windows(_touched))),
        Misconception(
            "partial_window", _windows(_share, count=_up),
            "You also return the incomplete window at the end. Its share would be of something shorter: leave it out.",
            "The last window is not complete.",
            also=(_windows(_share, count=_up, shorter_last=True), _windows(_share, count=_while_before_end),
                  _windows(_share, count=lambda p, s, e: round((e - s) / p)),
                  _windows(_share, count=_up, check=False), _windows(_share, count=_up, shorter_last=True, check=False))),
        Misconception(
            "rounding_loses_a_window", _windows(_share, count=_step_by_step), _LOST,
            "A window is lost to rounding.",
            also=(_windows(_share, count=_floor), _windows(_share, count=_floordiv),
                  _windows(_share, count=_floor, check=False), _windows(_share, count=_floordiv, check=False))),
        Misconception(
            "overlap_twice", _windows(_summed),
            "Where two kernels overlap you count the time twice. The question is whether *any* kernel runs: take the union.",
            "The same time, twice.",
            also=(_windows(_summed_capped), _windows(_summed, check=False), _windows(_summed_capped, check=False))),
        Misconception(
            "a_fraction", _windows(_fraction),
            "Your results are fractions. Percent are asked: multiply by 100.",
            "Not in percent.", also=(_windows(_fraction, check=False),)),
        Misconception(
            "no_period", _windows(_share, check=False),
            "A period of zero or less makes no windows. It must be refused with ValueError.",
            "A period must be positive."),
    ],
    alternatives=[_by_busy_time, _by_numpy, _merged_loop],
    hints=(
        "First count the whole windows: `math.floor((end - start) / period + 1e-6)`.",
        "For window i go through the sorted intervals, clip each to the window, and add only what lies after the part counted already.",
        "The edges are start + i · period and start + (i + 1) · period. Adding the period again and again collects rounding errors.",
    ),
    worth_knowing="If the windows cover the whole, their mean is its utilisation, whatever the period. Only the spread depends on it.",
)
