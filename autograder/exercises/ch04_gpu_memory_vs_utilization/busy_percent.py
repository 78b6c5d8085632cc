"""Exercise 04.busy_percent: utilisation is the covered share of a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from utils.hardware.gpu_monitor import intervals as room

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Interval = tuple[float, float]


def _checked(percent: Callable[[Sequence[Interval], float, float], float], *, check: bool = True) -> Callable:
    """An answer from its rule, with or without the refusal."""

    def answer(intervals: list[Interval], start: float, end: float) -> float:
        if check and end <= start:
            raise ValueError("end must be after start")
        return percent(intervals, start, end)

    return answer


def _both(*percents: Callable) -> dict:
    answers = [_checked(percent, check=check) for percent in percents for check in (True, False)]
    return {"answer": answers[0], "also": tuple(answers[1:])}


def _clipped(intervals: Sequence[Interval], start: float, end: float) -> list[Interval]:
    inside = [(max(a, start), min(b, end)) for a, b in intervals]
    return [(a, b) for a, b in inside if a < b]


def _union(intervals: Sequence[Interval]) -> float:
    total, reach = 0.0, -np.inf
    for a, b in sorted(intervals):
        total += max(0.0, b - max(a, reach))
        reach = max(reach, b)
    return float(total)


def _sum_clipped(intervals: Sequence[Interval], start: float, end: float) -> float:
    return 100 * sum(b - a for a, b in _clipped(intervals, start, end)) / (end - start)


def _sum_signed(intervals: Sequence[Interval], start: float, end: float) -> float:
    """Without a look at intervals outside: they count as negative."""
    return 100 * sum(min(b, end) - max(a, start) for a, b in intervals) / (end - start)


def _no_clip(intervals: Sequence[Interval], start: float, end: float) -> float:
    return 100 * _union([(a, b) for a, b in intervals if b > a]) / (end - start)


def _mean_share(intervals: Sequence[Interval], start: float, end: float) -> float:
    inside = _clipped(intervals, start, end)
    return 100 * sum(b - a for a, b in inside) / (end - start) / len(inside) if inside else 0.0


def _neighbours_only(intervals: Sequence[Interval], start: float, end: float) -> float:
    """Merges in the order of arrival: an interval joins the latest one or begins a new one."""
    merged: list[list[float]] = []
    for a, b in _clipped(intervals, start, end):
        if merged and a <= merged[-1][1] and b >= merged[-1][0]:
            merged[-1] = [min(merged[-1][0], a), max(merged[-1][1], b)]
        else:
            merged.append([a, b])
    return 100 * sum(b - a for a, b in merged) / (end - start)


def _last_end_wins(intervals: Sequence[Interval], start: float, end: float) -> float:
    """Sorted, but a nested interval moves the end back."""
    total, reach = 0.0, start
    for a, b in sorted(_clipped(intervals, start, end)):
        total += b - max(a, reach) if b > reach else 0.0
        reach = b
    return 100 * total / (end - start)


def _neighbour_overlaps(intervals: Sequence[Interval], start: float, end: float) -> float:
    """Subtracts the overlap with the next interval only."""
    inside = sorted(_clipped(intervals, start, end))
    twice = sum(max(0, min(b, d) - max(a, c)) for (a, b), (c, d) in pairwise(inside))
    return 100 * (sum(b - a for a, b in inside) - twice) / (end - start)


def _ends_included(intervals: Sequence[Interval], start: float, end: float) -> float:
    ticks = set()
    for a, b in intervals:
        ticks |= set(range(int(max(a, start)), int(min(b, end)) + 1))
    return 100 * len(ticks) / (end - start)


def _whole_ticks(intervals: Sequence[Interval], start: float, end: float) -> float:
    """A timeline of whole units: fractions are lost."""
    ticks = set()
    for a, b in intervals:
        ticks |= set(range(int(max(a, start)), int(min(b, end))))
    return 100 * len(ticks) / (end - start)


def _steps_of_one(intervals: Sequence[Interval], start: float, end: float) -> float:
    """Steps of one unit from each start: two kernels that start at fractions miss each other."""
    times = set()
    for a, b in intervals:
        at, stop = max(a, start), min(b, end)
        while at < stop:
            times.add(at)
            at += 1
    return 100 * len(times) / (end - start)


def _of_the_span(intervals: Sequence[Interval], start: float, end: float) -> float:
    inside = _clipped(intervals, start, end)
    return 100 * _union(inside) / (max(b for _, b in inside) - min(a for a, _ in inside)) if inside else 0.0


def _fraction(intervals: Sequence[Interval], start: float, end: float) -> float:
    return _union(_clipped(intervals, start, end)) / (end - start)


def _sweep(intervals: list[Interval], start: float, end: float) -> float:
    """Events of +1 and -1; time counts while the level is above zero."""
    if not start < end:
        raise ValueError("an empty window")
    events = sorted([(a, 1) for a, b in intervals if b > a] + [(b, -1) for a, b in intervals if b > a])
    busy, level, since = 0.0, 0, start
    for at, change in events:
        here = min(max(at, start), end)
        if level > 0:
            busy += here - since
        level, since = level + change, here
    return busy / (end - start) * 100


def _pieces(intervals: list[Interval], start: float, end: float) -> float:
    """Between two neighbouring bounds everything or nothing is covered: ask in the middle."""
    if end <= start:
        raise ValueError("end must be after start")
    bounds = np.unique(np.clip([start, end, *(t for pair in intervals for t in pair)], start, end).astype(float))
    lows, highs = bounds[:-1], bounds[1:]
    begun = np.sort([a for a, b in intervals if b > a])
    ended = np.sort([b for a, b in intervals if b > a])
    middle = (lows + highs) / 2
    running = np.searchsorted(begun, middle, "right") - np.searchsorted(ended, middle, "right")
    return float(100 * np.sum((highs - lows)[running > 0]) / (end - start))


def _sorted_merge(intervals: list[Interval], start: float, end: float) -> float:
    if end - start <= 0:
        raise ValueError("an empty window")
    busy, reach = 0.0, start
    for a, b in sorted(intervals):
        a, b = max(a, reach), min(b, end)
        if b > a:
            busy, reach = busy + (b - a), b
    return 100.0 * busy / (end - start)


def _draw(rng: np.random.Generator) -> Case:
    """Times are quarters, so that sums are exact in binary."""
    n, width = int(rng.integers(0, 12)), int(rng.choice([20, 120, 500]))
    begins = rng.integers(-100, 500, n)
    pairs = [(int(a) / 4, (int(a) + int(w)) / 4) for a, w in zip(begins, rng.integers(0, width, n))]
    start = int(rng.integers(-20, 60)) / 4
    return Case(pairs, start, start + int(rng.integers(1, 400)) / 4)


def _many(n: int) -> Case:
    rng = np.random.default_rng(n)
    begins = rng.integers(-1000, 100_000, n)
    pairs = [(int(a), int(a) + int(w)) for a, w in zip(begins, rng.integers(0, 25, n))]
    return Case(pairs, 0, 90_000, label=f"{n:,} intervals")


EXAMPLE = [(0, 400), (300, 700), (900, 1300)]

busy_percent = Exercise(
    id="04.busy_percent", points=4, difficulty=2, minutes=14, idea="time with at least one kernel: the union of intervals",
    reference=room.utilization,
    cases=[Case(EXAMPLE, 0, 1000), Case([(0, 400), (100, 200), (300, 600)], 0, 800), Case([], 0, 10)],
    hidden=[Case([(5, 6), (1, 2), (1.5, 5.5)], 0, 10), Case([(2, 4), (2, 4), (2, 4)], 0, 10), Case([(0, 2), (2, 4)], 0, 8),
            Case([(-10, -5), (20, 30)], 0, 10), Case([(-10, 30)], 0, 10), Case([(3, 3)], 0, 10), Case([(0.25, 0.5), (0.375, 1.0)], 0.0, 2.0),
            Case([(0, 10), (1, 2), (3, 4), (5, 6)], 0, 20), Case([(8, 9), (0, 1), (4, 5)], 2, 12), Case([(0, 5), (1, 3), (2, 8)], 0, 10),
            Case([(-5, 5), (-4, -1)], -10, 10), Case([(0, 1)], 0, 0.5), _many(5000)],
    draw=_draw, draws=30, raises=[Case(EXAMPLE, 10, 10), Case(EXAMPLE, 10, 5), Case([], 0, 0)], compare=close(1e-9, 1e-9),
    misconceptions=[
        Misconception(
            "summed", **_both(_sum_clipped, _sum_signed),
            message="You add up the durations of all kernels. The time in which two of them overlap counts once.",
            title="Overlaps count twice."),
        Misconception(
            "not_clipped", **_both(_no_clip),
            message="Parts outside the window are counted: more than 100 % is impossible. Cut every interval to the window before you add.",
            title="Outside the window."),
        Misconception(
            "averaged", **_both(_mean_share),
            message="You average over the kernels. The question is about the window: in which part of it did any kernel run?",
            title="A mean over kernels."),
        Misconception(
            "unsorted", **_both(_neighbours_only),
            message="You merge each interval with the one before it in the list. Kernels may come in any order: sort them by their start first.",
            title="The order is not given."),
        Misconception(
            "neighbours", **_both(_last_end_wins, _neighbour_overlaps),
            message="You compare each kernel only with the one that started just before it. A long kernel may cover several: after a short one inside "
                    "it, the rest of the long one is counted again. Keep the latest end that you have seen.",
            title="A kernel inside another."),
        Misconception(
            "ends_included", **_both(_ends_included),
            message="You count both ends of an interval. [0, 400) lasts 400 units: its end belongs to what comes next.",
            title="One unit too many."),
        Misconception(
            "whole_units", **_both(_whole_ticks, _steps_of_one),
            message="You count whole units of time. Starts and ends may be fractions, such as 0.25.",
            title="Fractions are lost."),
        Misconception(
            "of_the_span", **_both(_of_the_span),
            message="You divide by the time from the first kernel to the last. Asked is the share of the window, idle ends included.",
            title="The window counts."),
        Misconception(
            "fraction", **_both(_fraction),
            message="This is a fraction. Asked is a percentage: 80.0 for four fifths.",
            title="Percent."),
    ],
    alternatives=[_sorted_merge, _sweep, _pieces],
    hints=(
        "Cut each interval to the window: max of the starts, min of the ends. What is then empty covers nothing.",
        "Sort by start. Walk through them and remember up to where the time is covered already.",
        "Each interval adds only what lies beyond that mark: b − max(a, mark), if that is positive. Then the mark moves to max(mark, b).",
    ),
    worth_knowing="This number is all that `GPU-Util` says. How many of the GPU's processors were at work does not enter.",
)
