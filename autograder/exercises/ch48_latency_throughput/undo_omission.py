"""Exercise 48.undo_omission: put in the requests that a stall kept from being sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from utils.cost import latency

from ...compare import close, prop
from ...exercise import Case, Exercise, Misconception

_WITHIN = close(1e-9, 1e-9, dtype="any")


def _same_values(case: Any, expected: list, got: Any) -> str | None:
    """The same numbers in any order, as often."""
    got = got.tolist() if isinstance(got, np.ndarray) else got
    if not isinstance(got, (list, tuple)):
        return "expected a list"
    if len(got) != len(expected):
        return f"{len(got)} samples, expected {len(expected)}"
    return _WITHIN(sorted(expected), sorted(got), case)


def _agree(one: Any, other: Any, case: Any = None) -> str | None:
    """Whether two answers hold the same numbers, for telling mistakes; `pure` wraps them."""
    wrapped = isinstance(one, dict) and isinstance(other, dict)
    if wrapped and bool(one["changed"]) != bool(other["changed"]):
        return "only one changes its argument"
    return _same_values(case, *((one["value"], other["value"]) if wrapped else (one, other)))


def _filled(fill: Callable[[float, float], Iterable[float]]) -> Callable[[list[float], float], list[float]]:
    """An answer that adds `fill(v, interval)` for each sample above the interval."""

    def answer(samples_ms: list[float], interval_ms: float) -> list[float]:
        told = list(samples_ms)
        for v in samples_ms:
            if v > interval_ms:
                told.extend(fill(v, interval_ms))
        return told

    return answer


def _down(v: float, interval: float, floor: float, strict: bool = False) -> list[float]:
    found, left = [], v - interval
    while left > floor if strict else left >= floor:
        found.append(left)
        left -= interval
    return found


def _right(v: float, interval: float) -> list[float]:
    return _down(v, interval, interval)


def _only_the_missing(samples_ms: list[float], interval_ms: float) -> list[float]:
    return [m for v in samples_ms for m in _right(v, interval_ms)]


def _replaced(samples_ms: list[float], interval_ms: float) -> list[float]:
    """The stalled samples give way to the ones put in."""
    return [m for v in samples_ms for m in (_right(v, interval_ms) or [v])]


def _while_growing(samples_ms: list[float], interval_ms: float) -> list[float]:
    """Samples that were put in are corrected again."""
    told = list(samples_ms)
    for v in told:
        if v > interval_ms and len(told) < 5000:
            told.extend(_right(v, interval_ms))
    return told


def _without_duplicates(samples_ms: list[float], interval_ms: float) -> list[float]:
    return sorted(set(_filled(_right)(samples_ms, interval_ms)))


def _scaled(samples_ms: list[float], interval_ms: float) -> list[float]:
    """Adds the interval to each slow sample."""
    return [v + interval_ms if v > interval_ms else v for v in samples_ms]


def _in_place(samples_ms: list[float], interval_ms: float) -> list[float]:
    samples_ms.extend(_only_the_missing(list(samples_ms), interval_ms))
    return samples_ms


def _by_count(samples_ms: list[float], interval_ms: float) -> list[float]:
    """How many are missing by a division, then a range."""
    told = [float(v) for v in samples_ms]
    for v in samples_ms:
        told += [v - k * interval_ms for k in range(1, int(v // interval_ms)) if v > interval_ms]
    return told


def _with_arange(samples_ms: list[float], interval_ms: float) -> list[float]:
    parts = [np.asarray(samples_ms, float)]
    for v in samples_ms:
        steps = v - interval_ms * np.arange(1, int(v / interval_ms) + 2)
        parts.append(steps[steps >= interval_ms])
    return np.concatenate(parts).tolist()


def _recursive(samples_ms: list[float], interval_ms: float) -> list[float]:
    def chain(v: float) -> list[float]:
        told = [v]
        while told[-1] - interval_ms >= interval_ms:
            told.append(told[-1] - interval_ms)
        return told

    return sorted((m for v in samples_ms for m in chain(v)), reverse=True)


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a millisecond, which binary floats hold exactly, so that the last step is never in doubt."""
    interval = int(rng.integers(4, 120)) / 4
    n = int(rng.integers(1, 9))
    samples = rng.integers(1, 6 * int(interval * 4), n) / 4
    exact_multiples = interval * rng.integers(1, 7, n)
    return Case(np.where(rng.random(n) < 0.3, exact_multiples, samples).tolist(), interval)


undo_omission = Exercise(
    id="48.undo_omission", points=4, difficulty=2, minutes=12, idea="a stalled client leaves out its worst samples",
    reference=latency.undo_omission,
    cases=[Case([1, 35], 10), Case([4, 4, 20], 10)],
    hidden=[
        Case([1] * 999 + [1000], 10, label="999 × 1 ms and one stall of 1,000 ms, every 10 ms"), Case([], 5), Case([10], 10),
        Case([19.75, 20, 20.25], 10), Case([30, 30], 10), Case([100, 1, 55, 1], 10), Case([7.5, 2.5, 40], 2.5), Case([5], 8),
        Case([1000, 800, 1], 250),
    ],
    draw=_draw, draws=30, pure=True, compare=prop(_same_values, same=_agree),
    misconceptions=[
        Misconception(
            "down_to_zero", _filled(lambda v, i: _down(v, i, 0, strict=True)),
            "You go down to zero. A request that would have waited for less than one interval was sent on time: it is in your "
            "samples already. Stop when the next value is below the interval.",
            "The last one was not left out.",
            also=(_filled(lambda v, i: _down(v, i, 0)), _filled(lambda v, i: [v - k * i for k in range(1, int(v // i) + 1)]))),
        Misconception(
            "stops_before_the_interval", _filled(lambda v, i: _down(v, i, i, strict=True)),
            "A value that equals the interval belongs in: the request that was due one interval before the answer waited exactly "
            "that long.",
            "The value at the interval is missing."),
        Misconception(
            "copies", _filled(lambda v, i: [v] * len(_right(v, i))),
            "You put in copies of the stalled sample. The later a request was due during the stall, the less of it was left to "
            "wait for: each one is an interval shorter than the one before.",
            "Not everyone waited for the whole stall.",
            also=(_filled(lambda v, i: [v] * int(v // i)),)),
        Misconception(
            "one_each", _filled(lambda v, i: _right(v, i)[:1]),
            "You put in one request for each stall. A stall of 1,000 ms at one request every 10 ms kept 99 of them back.",
            "A long stall hides many requests.",
            also=(_filled(lambda v, i: [v - i]),)),
        Misconception(
            "counts_up", _filled(lambda v, i: [k * i for k in range(1, len(_right(v, i)) + 1)]),
            "You count in whole intervals from below. The requests were due at whole intervals after the start of the "
            "stalled one, so their waits are counted down from the sample itself.",
            "Count down from the sample.",
            also=(lambda samples, i: [*samples, *(m for v in samples for m in np.arange(i, v, i).tolist())],)),
        Misconception(
            "originals_lost", _replaced,
            "The stalled samples are gone. They were measured: keep every one of them, and add the missing ones.",
            "A measured sample was thrown away.", also=(_only_the_missing,)),
        Misconception(
            "corrects_again", _while_growing,
            "Samples that you put in are corrected again, because the loop goes over the list that it makes longer. "
            "The first sample of a stall accounts for all of it.",
            "The corrections are corrected."),
        Misconception(
            "duplicates_lost", _without_duplicates,
            "Equal samples were merged. 999 requests of 1 ms are 999 samples, or the percentiles change.",
            "Duplicates count.",
            also=(lambda samples, i: list({*samples, *_only_the_missing(samples, i)}),)),
        Misconception(
            "scales", _scaled,
            "You made the slow samples larger. They are right as they are. What is missing are other requests, which were never "
            "sent: the list has to become longer.",
            "Nothing was put in.",
            also=(lambda samples, i: [v * 2 if v > i else v for v in samples],)),
        Misconception(
            "changes_the_list", _in_place,
            "The values are right, but you appended to the caller's list. Start from a copy.",
            "The argument was changed."),
    ],
    alternatives=[_by_count, _with_arange, _recursive],
    hints=(
        "Draw a line for a sample of 35 ms at an interval of 10 ms. Requests were due at 10, 20 and 30 ms. How long would each have waited?",
        "25 and 15 ms. The one at 30 ms would have waited 5 ms, and it was sent right after the answer: it is not missing.",
        "For each v: put in v − interval, then one interval less, while the value is at least the interval.",
    ),
    worth_knowing="Correct only what a waiting client has measured. Latencies timed from their schedule hold these waits already, and would count them twice.",
)
