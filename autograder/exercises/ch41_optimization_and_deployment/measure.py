"""Exercise 41.measure: latency percentiles of single calls, by an injected clock."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from utils.delivery import tradeoff

from ...compare import close
from ...exercise import Case, Exercise, Misconception

PROBE = "ch41_optimization_and_deployment.scripted"
Clock = Callable[[], int]


def _timed(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    for _ in range(warmup):
        fn()
    samples = []
    for _ in range(repeats):
        start = clock()
        fn()
        samples.append((clock() - start) / 1e6)
    return samples


def _told(samples: Any, n: int, rank: Callable = np.percentile) -> dict:
    p50, p95, p99 = (float(rank(samples, q)) for q in (50, 95, 99))
    return {"p50": p50, "p95": p95, "p99": p99, "mean": float(np.mean(samples)), "n": n}


def _measured(samples: Callable = _timed, summary: Callable = lambda s, repeats: _told(s, repeats), refuse: bool = True) -> Callable:
    """An answer with a rule for taking samples and one for summing them up; with its defaults it is right."""

    def answer(fn: Callable, clock: Clock, warmup: int, repeats: int) -> dict:
        if refuse and repeats < 1:
            raise ValueError("repeats must be at least 1")
        return summary(samples(fn, clock, warmup, repeats), repeats)

    return answer



def _whole_loop(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    for _ in range(warmup):
        fn()
    start = clock()
    for _ in range(repeats):
        fn()
    return [(clock() - start) / 1e6 / repeats]


def _everything(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    return _timed(fn, clock, 0, warmup + repeats)


def _no_warmup(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    return _timed(fn, clock, 0, repeats)


def _subtracted(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    """Takes the warm-up out of the repeats."""
    return _timed(fn, clock, warmup, repeats - warmup)


def _clock_in_warmup(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    return _timed(fn, clock, 0, warmup + repeats)[warmup:]


def _shared_readings(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    for _ in range(warmup):
        fn()
    at = [clock()]
    for _ in range(repeats):
        fn()
        at.append(clock())
    return [(b - a) / 1e6 for a, b in pairwise(at)]


def _total_too(fn: Callable, clock: Clock, warmup: int, repeats: int) -> list[float]:
    clock()
    samples = _timed(fn, clock, warmup, repeats)
    clock()
    return samples


def _without_slowest(samples: list[float]) -> list[float]:
    return sorted(samples)[:-1] or samples


def _within_sigmas(samples: list[float]) -> list[float]:
    middle, spread = np.mean(samples), np.std(samples)
    return [s for s in samples if abs(s - middle) <= 1.5 * spread] or samples


def _running_means(samples: list[float]) -> list[float]:
    return (np.cumsum(samples) / np.arange(1, len(samples) + 1)).tolist()


def _means_of_pairs(samples: list[float]) -> list[float]:
    return [float(np.mean(samples[i:i + 2])) for i in range(0, len(samples), 2)]


def _percentiles_of(change: Callable) -> Callable:
    """Percentiles of changed samples; mean and n stay those of all."""
    return lambda samples, repeats: {**_told(change(samples), repeats), "mean": float(np.mean(samples))}


def _all_of(change: Callable) -> Callable:
    return lambda samples, repeats: _told(change(samples), len(change(samples)))


def _scaled(factor: float) -> Callable:
    return lambda samples, repeats: _told(factor * np.asarray(samples), repeats)


def _ranked(method: str) -> Callable:
    return lambda samples, repeats: _told(samples, repeats, lambda s, q: np.percentile(s, q, method=method))


def _unsorted(samples: list[float], repeats: int) -> dict:
    """Takes positions in the order measured."""
    return _told(samples, repeats, lambda s, q: s[min(len(s) - 1, int(q / 100 * len(s)))])


# --- right answers ------------------------------------------------------------------------------


def _with_statistics(fn: Callable, clock: Clock, warmup: int, repeats: int) -> dict:
    if repeats < 1:
        raise ValueError("at least one repeat")
    samples = _timed(fn, clock, warmup, repeats)
    cuts = statistics.quantiles(samples, n=100, method="inclusive") if repeats > 1 else samples * 99
    return {"n": repeats, "p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "mean": statistics.fmean(samples)}


def _by_hand(fn: Callable, clock: Clock, warmup: int, repeats: int) -> dict:
    """Interpolates itself, and counts in nanoseconds until the end."""
    if not repeats > 0:
        raise ValueError("repeats")
    durations = []
    for i in range(warmup + repeats):
        if i < warmup:
            fn()
        else:
            start = clock()
            fn()
            stop = clock()
            durations.append(stop - start)
    durations.sort()

    def at(q: float) -> float:
        place = q / 100 * (repeats - 1)
        low = int(place)
        high = min(low + 1, repeats - 1)
        return (durations[low] + (place - low) * (durations[high] - durations[low])) / 1e6

    return {"p50": at(50), "p95": at(95), "p99": at(99), "mean": sum(durations) / repeats / 1e6, "n": repeats}


def _with_arrays(fn: Callable, clock: Clock, warmup: int, repeats: int) -> dict:
    if repeats < 1:
        raise ValueError("repeats < 1")
    [fn() for _ in range(warmup)]
    readings = np.empty((repeats, 2), np.int64)
    for row in readings:
        row[0] = clock()
        fn()
        row[1] = clock()
    ms = np.diff(readings, axis=1)[:, 0] / 1e6
    p50, p95, p99 = np.quantile(ms, [0.5, 0.95, 0.99])
    return {"p50": p50, "p95": p95, "p99": p99, "mean": ms.mean(), "n": len(ms)}


def _case(warmup_ms: list[float], timed_ms: list[float]) -> Case:
    told = f"warm-up {warmup_ms} ms, then {timed_ms} ms" if len(timed_ms) < 9 else f"{len(warmup_ms)} warm-up, {len(timed_ms)} timed calls"
    return Case(durations_ms=[*warmup_ms, *timed_ms], warmup=len(warmup_ms), repeats=len(timed_ms), label=told)


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a millisecond, a slow warm-up, and now and then a very slow call."""
    warmup, repeats = int(rng.integers(0, 4)), int(rng.choice([1, 2, 3, 5, 8, 20, 41]))
    timed = rng.integers(2, 40, repeats) / 4 + np.where(rng.random(repeats) < 0.1, 50, 0)
    return _case((rng.integers(80, 400, warmup) / 4).tolist(), timed.tolist())


def _show(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("result"), dict):
        numbers = ", ".join(f"{k} {v:.4g}" for k, v in value["result"].items())
        order = value["order"] if len(value["order"]) <= 24 else value["order"][:23] + "…"
        return f"{numbers}; order {order}"
    return str(value)


measure = Exercise(
    id="41.measure", points=4, difficulty=2, minutes=10, idea="time single calls, after a warm-up, and keep the tail",
    reference=tradeoff.measure, probe=PROBE,
    cases=[_case([50], [1, 2, 3, 4, 100]), _case([], [2, 4])],
    hidden=[_case([9, 8, 7], [5]), _case([30], [4, 4]), _case([], [7, 1, 3]), _case([100, 60], [*[2.0] * 19, 90.0]),
            _case([50], [*np.arange(1, 101)[::-1].astype(float).tolist()]), _case([20], [8, 1, 6, 2, 9, 4, 30])],
    draw=_draw, draws=25, compare=close(1e-9, 1e-9), show=_show,
    raises=[Case(durations_ms=[], warmup=0, repeats=0, label="repeats=0"), Case(durations_ms=[], warmup=2, repeats=0, label="warmup=2, repeats=0"),
            Case(durations_ms=[], warmup=1, repeats=-3, label="repeats=-3")],
    misconceptions=[
        Misconception(
            "whole_loop",
            _measured(samples=_whole_loop),
            "You time the whole loop and divide. That is the mean of all calls, and every percentile is equal to it: the tail has "
            "vanished. Read the clock around each call.",
            "Only a mean is left.", also=(_measured(samples=_whole_loop, refuse=False),)),
        Misconception(
            "warmup_counted",
            _measured(samples=_everything),
            "The warm-up calls are among your samples. They pay for allocation, cold caches and compilation, which a running service has "
            "behind it.",
            "The warm-up counts.",
            also=(_measured(samples=_everything, refuse=False), _measured(samples=_everything, summary=lambda s, r: _told(s, len(s))),
                  _measured(samples=_everything, summary=lambda s, r: _told(s, len(s)), refuse=False))),
        Misconception(
            "no_warmup",
            _measured(samples=_no_warmup),
            "You never make the warm-up calls, so the slow first calls are timed. Call the function `warmup` times before the first "
            "timed call, in addition to the `repeats` timed ones.",
            "There is no warm-up.", also=(_measured(samples=_no_warmup, refuse=False), _measured(samples=_subtracted),)),
        Misconception(
            "outliers_dropped",
            _measured(summary=_all_of(_without_slowest)),
            "You drop the slowest calls as outliers. Somebody waited for them: the tail is what p99 is about. Keep every timed call.",
            "The tail was thrown away.",
            also=(_measured(summary=_all_of(_without_slowest), refuse=False),
                  _measured(summary=lambda s, r: _told(_without_slowest(s), r)), _measured(summary=_percentiles_of(_without_slowest)),
                  _measured(summary=_all_of(_within_sigmas)), _measured(summary=lambda s, r: _told(_within_sigmas(s), r)))),
        Misconception(
            "percentile_of_means",
            _measured(summary=_percentiles_of(_running_means)),
            "You take percentiles of means. A mean of several calls hides the slow one among them. Percentiles are taken over single calls.",
            "Percentiles of means.",
            also=(_measured(summary=_percentiles_of(_running_means), refuse=False), _measured(summary=_percentiles_of(_means_of_pairs)))),
        Misconception(
            "nearest_rank",
            _measured(summary=_ranked("inverted_cdf")),
            "Your percentiles are single samples: nearest rank, this course's usual rule. Here linear interpolation is asked, which is "
            "what `np.percentile` does by default. The rule belongs into every report, since the two differ.",
            "Another rule for percentiles.",
            also=(_measured(summary=_ranked("inverted_cdf"), refuse=False), _measured(summary=_ranked("higher")),
                  _measured(summary=_ranked("nearest")), _measured(summary=_ranked("lower")))),
        Misconception(
            "unsorted",
            _measured(summary=_unsorted),
            "You index into the samples in the order in which they were measured. A percentile is a place in the sorted list.",
            "Not sorted.", also=(_measured(summary=_unsorted, refuse=False),)),
        Misconception(
            "wrong_unit",
            _measured(summary=_scaled(1e6)),
            "The clock counts nanoseconds and the report is asked in milliseconds: 1 ms is 1,000,000 ns.",
            "Not milliseconds.",
            also=(_measured(summary=_scaled(1e6), refuse=False), _measured(summary=_scaled(1e-3)), _measured(summary=_scaled(1e3)))),
        Misconception(
            "clock_too_often",
            _measured(samples=_clock_in_warmup),
            "The numbers are right, but the clock is read at other times than just before and just after each timed call. Untimed calls "
            "need no clock, and a reading is work too: it belongs outside of what is measured.",
            "A reading too many.", also=(_measured(samples=_clock_in_warmup, refuse=False), _measured(samples=_total_too),)),
        Misconception(
            "shared_readings",
            _measured(samples=_shared_readings),
            "The end of one call is your start of the next. Whatever happens between two calls, storing the sample for example, is then "
            "charged to the next call. Read the clock again just before each one.",
            "One reading for two calls.", also=(_measured(samples=_shared_readings, refuse=False),)),
        Misconception(
            "nothing_measured", _measured(refuse=False),
            "Without a timed call there is no percentile. Say so with a ValueError, instead of NaN or an error from deep inside a library.",
            "No samples, no report."),
    ],
    alternatives=[_with_statistics, _by_hand, _with_arrays],
    hints=(
        "Two loops: one that only calls, one that reads the clock, calls, and reads the clock again.",
        "Collect a list of durations in ms. `(after - before) / 1e6`.",
        "`np.percentile(samples, [50, 95, 99])` interpolates linearly. `n` is `repeats`.",
    ),
    worth_knowing="An injected clock makes timing code testable: this check has not waited for a single millisecond.",
)
