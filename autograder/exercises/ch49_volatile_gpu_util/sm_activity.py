"""Exercise 49.sm_activity: the share of the SMs that have work, over time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from utils.hardware.gpu_monitor import plain

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Trace = list[tuple[float, float, int]]


def _clip(kernels: Trace, start: float, end: float) -> Trace:
    return [(max(a, start), min(b, end), sms) for a, b, sms in kernels if min(b, end) > max(a, start)]


def _check(start: float, end: float, num_sms: int) -> None:
    if end <= start or num_sms < 1:
        raise ValueError("end must be after start, and num_sms at least 1")


def _busy(kernels: Trace) -> float:
    """Length of the union."""
    total, reached = 0.0, -np.inf
    for a, b, _ in sorted(kernels):
        total += max(0.0, b - max(a, reached))
        reached = max(reached, b)
    return total


def _pieces(kernels: Trace, start: float, end: float) -> list[tuple[float, list[int]]]:
    """(length, SMs of each running kernel) of the stretches between two changes."""
    times = sorted({start, end, *(t for k in kernels for t in k[:2] if start < t < end)})
    return [(b - a, [sms for x, y, sms in kernels if x <= a and b <= y]) for a, b in pairwise(times)]


def _answer(percent: Callable[[Trace, float, float, int], float], *, clip: bool = True, check: bool = True) -> Callable:
    def answer(kernels: Trace, start: float, end: float, num_sms: int) -> float:
        if check:
            _check(start, end, num_sms)
        return float(percent(_clip(kernels, start, end) if clip else kernels, start, end, num_sms))

    return answer


def _sum(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    return 100 * sum((b - a) * sms for a, b, sms in kernels) / num_sms / (end - start)


def _sum_capped_at_the_end(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    return min(100.0, _sum(kernels, start, end, num_sms))


def _each_capped(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    return _sum([(a, b, min(sms, num_sms)) for a, b, sms in kernels], start, end, num_sms)


def _util_times_mean(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    if not kernels:
        return 0.0
    return 100 * _busy(kernels) / (end - start) * np.mean([k[2] for k in kernels]) / num_sms


def _largest_wins(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    """Of overlapping kernels only the largest counts."""
    area = sum(length * min(max(running, default=0), num_sms) for length, running in _pieces(kernels, start, end))
    return 100 * area / num_sms / (end - start)


def _latest_wins(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    """Each kernel ends when the next one starts."""
    ordered = sorted(kernels)
    cut = [(a, min(b, ordered[i + 1][0]) if i + 1 < len(ordered) else b, sms) for i, (a, b, sms) in enumerate(ordered)]
    return _each_capped([k for k in cut if k[1] > k[0]], start, end, num_sms)


def _over_busy_time(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    busy = _busy(kernels)
    return plain.sm_activity(kernels, start, end, num_sms) * (end - start) / busy if busy else 0.0


def _over_span(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    if not kernels:
        return 0.0
    span = max(b for _, b, _ in kernels) - min(a for a, _, _ in kernels)
    return plain.sm_activity(kernels, start, end, num_sms) * (end - start) / span


def _presence(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    return 100 * _busy(kernels) / (end - start)


def _not_clipped(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    times = sorted({t for k in kernels for t in k[:2]})
    area = sum((b - a) * min(num_sms, sum(s for x, y, s in kernels if x <= a and b <= y))
               for a, b in pairwise(times))
    return 100 * area / num_sms / (end - start)


def _only_inside(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    """Kernels that stick out of the window are left out."""
    return plain.sm_activity([k for k in kernels if start <= k[0] and k[1] <= end], start, end, num_sms)


def _fraction(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    return plain.sm_activity(kernels, start, end, num_sms) / 100


def _sweep(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    """Events in order of time; the number of busy SMs between two of them."""
    if not end > start or num_sms < 1:
        raise ValueError("bad window or no SMs")
    events = sorted([(max(a, start), sms) for a, b, sms in _clip(kernels, start, end)]
                    + [(b, -sms) for a, b, sms in _clip(kernels, start, end)])
    area, level, now = 0.0, 0, start
    for at, change in events:
        area += min(level, num_sms) * (at - now)
        level, now = level + change, at
    return 100 * area / (num_sms * (end - start))


def _breakpoints(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    """NumPy: kernels against the stretches between all end points."""
    _check(start, end, num_sms)
    edges = np.unique([start, end, *(np.clip(t, start, end) for k in kernels for t in k[:2])])
    middles, lengths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    busy = np.zeros(len(middles))
    for a, b, sms in kernels:
        busy += sms * ((a <= middles) & (middles < b))
    return float(100 * np.minimum(busy, num_sms) @ lengths / (num_sms * (end - start)))


def _ticks(kernels: Trace, start: float, end: float, num_sms: int) -> float:
    """Quarter units of time: all times of the checks are multiples of a quarter."""
    _check(start, end, num_sms)
    count = round(4 * (end - start))
    total = 0
    for i in range(count):
        t = start + (i + 0.5) / 4
        total += min(num_sms, sum(sms for a, b, sms in kernels if a <= t < b))
    return 100 * total / (num_sms * count)


def _draw(rng: np.random.Generator) -> Case:
    """Times are multiples of a quarter; kernels overlap, stick out, and are larger than the GPU now and then."""
    num_sms, start = int(rng.integers(2, 40)), int(rng.integers(-8, 20)) / 4
    length = int(rng.integers(20, 120)) / 4
    kernels = []
    for _ in range(int(rng.integers(1, 9))):
        a = start + int(rng.integers(-16, int(4 * length))) / 4
        kernels.append((a, a + int(rng.integers(1, 60)) / 4, int(rng.integers(1, num_sms + 3))))
    return Case(kernels, start, start + length, num_sms)


sm_activity = Exercise(
    id="49.sm_activity", points=4, difficulty=2, minutes=10, idea="SM activity counts how many SMs have work, not only whether one has",
    reference=plain.sm_activity,
    cases=[Case([(0, 10, 4), (5, 15, 4), (20, 30, 8)], 0, 40, 8), Case([(0, 10, 6), (5, 15, 6)], 0, 20, 8)],
    hidden=[Case([], 0, 10, 4), Case([(-5, 25, 2)], 0, 20, 8), Case([(0, 20, 99)], 0, 20, 8), Case([(30, 40, 8)], 0, 20, 8),
            Case([(0, 20, 1)], 0, 20, 132), Case([(0, 8, 2), (8, 16, 2)], 0, 16, 4),
            Case([(0, 16, 3), (2, 14, 3), (4, 12, 3)], 0, 16, 8), Case([(5, 15, 4), (20, 30, 8), (0, 10, 4)], 0, 40, 8),
            Case([(2.5, 7.5, 1)], 5, 10, 2), Case([(0, 10, 1)], 0, 10, 1), Case([(-10, 0, 8), (10, 20, 8)], 0, 10, 8)],
    draw=_draw, draws=30, compare=close(1e-9, 1e-9),
    raises=[Case([(0, 1, 1)], 10, 10, 4), Case([(0, 1, 1)], 10, 5, 4), Case([], 0, 1, 0), Case([(0, 1, 1)], 0, 1, -3)],
    misconceptions=[
        Misconception(
            "no_cap", _answer(_sum),
            "You add the SM time of all kernels. Where they overlap and together ask for more SMs than there are, some blocks "
            "wait: at no instant can more than `num_sms` be busy. Look at the second example between 5 and 10.",
            "More SMs than there are.",
            also=(_answer(_sum, check=False), _answer(_sum_capped_at_the_end),
                  _answer(_sum_capped_at_the_end, check=False))),
        Misconception(
            "each_capped", _answer(_each_capped),
            "You limit each kernel to `num_sms`. The limit is for all that run at the same time, together.",
            "The cap is for the sum.",
            also=(_answer(_each_capped, check=False),)),
        Misconception(
            "util_times_mean_sms", _answer(_util_times_mean),
            "You multiply the busy share of the time by the mean SMs of the kernels. A long small kernel then weighs as much as a "
            "short large one, and overlap is lost. Weight the SMs by the time for which they are busy.",
            "A product of two averages.",
            also=(_answer(_util_times_mean, check=False),)),
        Misconception(
            "overlap_ignored", _answer(_largest_wins),
            "Where two kernels overlap you count only one of them. Here they run on different SMs, so their SMs add up, as far as "
            "there are any.",
            "Kernels run side by side.",
            also=(_answer(_latest_wins), _answer(_largest_wins, check=False), _answer(_latest_wins, check=False))),
        Misconception(
            "over_busy_time", _answer(_over_busy_time),
            "You divide by the time in which something runs. The gaps belong to the window too: an SM that waits for the next kernel "
            "is an SM without work.",
            "Gaps count as idle SMs.",
            also=(_answer(_over_span), _answer(_over_busy_time, check=False), _answer(_over_span, check=False))),
        Misconception(
            "utilisation", _answer(_presence),
            "This is GPU-Util: the share of the time with at least one kernel. It does not look at how many SMs the kernels take.",
            "Presence, not activity.",
            also=(_answer(_presence, check=False),)),
        Misconception(
            "not_clipped", _answer(_not_clipped, clip=False),
            "You count the whole of a kernel that begins before the window or ends after it. Only the part inside belongs to it.",
            "Outside of the window.",
            also=(_answer(_not_clipped, clip=False, check=False), _answer(_only_inside, clip=False),
                  _answer(_only_inside, clip=False, check=False))),
        Misconception(
            "a_fraction", _answer(_fraction),
            "Your result is a fraction. Percent are asked: multiply by 100.",
            "Not in percent.",
            also=(_answer(lambda *a: _sum(*a) / 100), _answer(_fraction, check=False))),
    ],
    alternatives=[_sweep, _breakpoints, _ticks],
    hints=(
        "Between two neighbouring start or end times nothing changes. Cut the window at all of them.",
        "In each piece add the SMs of the kernels that run there, and take `min(…, num_sms)`. Multiply by the length of the piece.",
        "Sum the pieces, divide by num_sms · (end − start), and multiply by 100.",
    ),
    worth_knowing="SM activity can never exceed GPU-Util: where an SM is busy, a kernel is present.",
)
