"""Exercise 48.summarise_latency: percentiles by nearest rank, without the warm-up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from utils.cost import latency

from ...compare import close
from ...exercise import Case, Exercise, Misconception

QS = (50, 90, 99)


def _summary(*, drop: Callable[[list, int], list] = lambda samples, warmup: samples[warmup:],
             rank: Callable[[list, int], float] | None = None, refuse: bool = True,
             p99: Callable[[list], float] | None = None, **replaced: Callable[[list], float]) -> Callable:
    """An answer from a rule for the warm-up and one for a percentile of sorted samples."""

    def answer(samples_ms: list[float], warmup: int) -> dict:
        kept = drop(samples_ms, warmup)
        if refuse and (warmup >= len(samples_ms) or not kept):
            raise ValueError("nothing is left after the warm-up")
        ordered = sorted(kept)
        found = {f"p{q}": float((rank or _nearest_rank)(ordered, q)) for q in QS}
        found |= {"mean": float(sum(kept) / len(kept)), "max": float(max(kept))}
        if p99 is not None:
            found["p99"] = float(p99(kept))
        return found | {key: float(value(kept)) for key, value in replaced.items()}

    return answer


def _nearest_rank(ordered: Sequence[float], q: int) -> float:
    return ordered[-(-q * len(ordered) // 100) - 1]


def _at(index: Callable[[int, int], int]) -> Callable[[Sequence[float], int], float]:
    """The sample at an index made of (n, q), kept inside the list."""
    return lambda ordered, q: ordered[min(max(index(len(ordered), q), 0), len(ordered) - 1)]


def _inverted_cdf(samples_ms: list[float], warmup: int) -> dict:
    kept = np.array(samples_ms[warmup:], dtype=float)
    if kept.size == 0:
        raise ValueError("no samples")
    p50, p90, p99 = np.percentile(kept, QS, method="inverted_cdf")
    return {"p50": p50, "p90": p90, "p99": p99, "mean": kept.mean(), "max": kept.max()}


def _by_counting(samples_ms: list[float], warmup: int) -> dict:
    """The smallest sample with at least q percent of all at or below it."""
    kept = list(samples_ms)[warmup:]
    if len(kept) < 1:
        raise ValueError("no samples are left")
    found = {f"p{q}": min(x for x in kept if 100 * sum(y <= x for y in kept) >= q * len(kept)) for q in QS}
    return {**found, "mean": math.fsum(kept) / len(kept), "max": sorted(kept)[-1]}


def _from_the_top(samples_ms: list[float], warmup: int) -> dict:
    """How many samples may lie above a percentile."""
    slowest_first = sorted(samples_ms[warmup:], reverse=True)
    if not slowest_first:
        raise ValueError("no samples are left")
    n = len(slowest_first)
    found = {f"p{q}": slowest_first[(100 - q) * n // 100] for q in QS}
    return {**found, "mean": sum(slowest_first) / n, "max": slowest_first[0]}


def _changing(samples_ms: list[float], warmup: int) -> dict:
    if warmup >= len(samples_ms):
        raise ValueError("nothing is left")
    del samples_ms[:warmup]
    return _summary()(samples_ms, 0)


def _sorting_the_argument(samples_ms: list[float], warmup: int) -> dict:
    told = _summary()(list(samples_ms), warmup)
    samples_ms.sort()
    return told


def _sigma(factor: float, ddof: int = 0) -> Callable[[list], float]:
    return lambda kept: float(np.mean(kept) + factor * np.std(kept, ddof=min(ddof, len(kept) - 1)))


def _draw(rng: np.random.Generator) -> Case:
    n, warmup = int(rng.integers(1, 160)), int(rng.integers(0, 25))
    steady = rng.lognormal(2, 0.5, n)
    slow_start = steady.mean() * rng.uniform(1, 20, warmup)
    samples = np.round(np.concatenate((slow_start, steady)), 3).tolist()
    return Case(samples, warmup, label=f"{len(samples)} samples, warm-up {warmup}")


_STEADY = [float(v) for v in range(1, 11)]
_COLD = [250.0, 40.0, 9.0, 10.0, 11.0, 8.0, 12.0]

summarise_latency = Exercise(
    id="48.summarise_latency", points=3, difficulty=1, minutes=10, idea="a percentile is a sample, not an average",
    reference=latency.summarise_latency,
    cases=[Case(_STEADY, 0), Case(_COLD, 2)],
    hidden=[
        Case([7.5], 0), Case([90.0, 7.5], 1), Case([3.0, 1.0, 2.0], 0), Case([5.0, 5.0, 5.0, 5.0], 2),
        Case([1.0] * 999 + [1000.0], 0, label="999 × 1 ms, then 1,000 ms"),
        Case([1.0] * 99 + [1000.0], 0, label="99 × 1 ms, then 1,000 ms"),
        Case([float(v) for v in range(200, 0, -1)], 0, label="200, 199, … 1"),
        Case([*(900.0 - v for v in range(20)), *(float(v) for v in range(101, 0, -1))], 20, label="20 slow calls, then 101, 100, … 1"),
    ],
    draw=_draw, draws=30, pure=True,
    raises=[Case([], 0), Case([1.0, 2.0], 2), Case([1.0, 2.0], 3), Case([], 4)],
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "interpolates", _summary(rank=lambda ordered, q: np.percentile(ordered, q)),
            "Your percentiles lie between two samples: of 1 to 10 you get 9.1 as p90. That is linear interpolation, NumPy's "
            "default. Nearest rank returns a latency that somebody waited for. Look at the `method` of `np.percentile`, "
            "or take an index of the sorted list.",
            "A percentile between two samples.",
            also=(_summary(rank=lambda ordered, q: np.percentile(ordered, q), refuse=False),
                  _summary(rank=lambda ordered, q: np.percentile(ordered, q, method="median_unbiased")),
                  _summary(p50=lambda kept: np.median(kept), rank=lambda ordered, q: np.percentile(ordered, q))),
        ),
        Misconception(
            "index_too_high", _summary(rank=_at(lambda n, q: q * n // 100)),
            "Of ten samples you return the tenth as p90. The rank ceil(q·n/100) counts from 1, and a Python list counts "
            "from 0.",
            "One sample too far.",
            also=(_summary(rank=_at(lambda n, q: -(-q * n // 100))), _summary(rank=_at(lambda n, q: q * n // 100), refuse=False),
                  _summary(rank=_at(lambda n, q: -(-q * n // 100)), refuse=False)),
        ),
        Misconception(
            "rank_rounded_down", _summary(rank=_at(lambda n, q: q * n // 100 - 1)),
            "Where q·n/100 is not whole you take the rank below. Then fewer than q percent of the samples lie at or below "
            "your answer. Round the rank up.",
            "The rank is not rounded up.",
            also=(_summary(rank=_at(lambda n, q: q * n // 100 - 1), refuse=False),
                  _summary(rank=_at(lambda n, q: round(q * n / 100) - 1)), _summary(rank=_at(lambda n, q: round(q * (n - 1) / 100))),
                  _summary(rank=_at(lambda n, q: int(q * (n - 1) / 100)))),
        ),
        Misconception(
            "sorts_before_dropping", _summary(drop=lambda samples, warmup: sorted(samples)[warmup:]),
            "You sorted first and then dropped the start of the list: those are the fastest samples. The warm-up is what was "
            "measured first. Drop it while the list is still in the order of the measurement.",
            "You dropped the fastest, not the first.",
            also=(_summary(drop=lambda samples, warmup: sorted(samples)[warmup:], refuse=False),),
        ),
        Misconception(
            "drops_the_slowest", _summary(drop=lambda samples, warmup: sorted(samples)[: len(samples) - warmup]),
            "You dropped the slowest samples. Some of them may be warm-up, but others are the tail that p99 is about. "
            "What makes a sample a warm-up is when it was measured, not how long it took.",
            "The tail was dropped with the warm-up.",
            also=(_summary(drop=lambda samples, warmup: sorted(samples)[: len(samples) - warmup], refuse=False),
                  _summary(drop=lambda samples, warmup: samples[: len(samples) - warmup]))),
        Misconception(
            "keeps_the_warmup", _summary(drop=lambda samples, warmup: samples),
            "The first `warmup` samples are still in. They hold allocations, cold caches and compilation: slow calls that a "
            "running service does not have.",
            "The warm-up counts.",
            also=(_summary(drop=lambda samples, warmup: samples, refuse=False),
                  _summary(max=lambda kept: max(kept), drop=lambda samples, warmup: samples[max(warmup - 1, 0):]))),
        Misconception(
            "mean_plus_sigma", _summary(p99=_sigma(2)),
            "Your p99 is the mean plus some standard deviations. That holds for a bell curve. Latencies have a long tail on "
            "one side: count the samples instead.",
            "Latencies are not a bell curve.",
            also=(_summary(p99=_sigma(2), refuse=False), _summary(p99=_sigma(3)), _summary(p99=_sigma(2.326)), _summary(p99=_sigma(2, 1)),
                  _summary(p99=_sigma(2.326, 1)))),
        Misconception(
            "changes_the_list", _changing,
            "The numbers are right, but the caller's list is not what it was: it got shorter, or sorted. Work on a copy. A "
            "slice or `sorted` makes one.",
            "The argument was changed.", also=(_sorting_the_argument,)),
    ],
    alternatives=[_inverted_cdf, _by_counting, _from_the_top],
    hints=(
        "Slice first, sort second: `sorted(samples_ms[warmup:])`.",
        "With n samples left, the q-th percentile is the sample of rank ceil(q·n/100). Rank 1 stands at index 0.",
        "`math.ceil(q * n / 100) - 1` is the index. NumPy calls the rule `inverted_cdf`.",
    ),
    worth_knowing="With fewer than 100 samples the p99 is simply the maximum.",
)
