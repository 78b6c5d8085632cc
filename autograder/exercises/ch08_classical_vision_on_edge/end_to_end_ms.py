"""Exercise 08.end_to_end_ms: Amdahl with copies."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise

import numpy as np

from utils.hardware import classical

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Stages = list[tuple[float, bool]]


def _switches(stages: Stages) -> int:
    places = [False, *(bool(e) for _, e in stages), False]
    return sum(a != b for a, b in pairwise(places))


def _time(*, stage: Callable[[float, bool, float], float] = lambda ms, e, s: ms / s if e else ms, copies: Callable[[Stages], float] = _switches) -> Callable:
    return lambda stages, speedup, copy_ms: float(sum(stage(ms, e, speedup) for ms, e in stages) + copies(stages) * copy_ms)


def _grouped(stages: Stages, speedup: float, copy_ms: float) -> float:
    total = 0.0
    for engine, run in groupby(stages, key=lambda s: s[1]):
        ms = sum(m for m, _ in run)
        total += ms / speedup + 2 * copy_ms if engine else ms
    return total


def _closed(stages: Stages, speedup: float, copy_ms: float) -> float:
    on = [bool(e) for _, e in stages]
    starts = sum(e and not before for e, before in zip(on, [False, *on]))
    return sum(m for m, e in stages if not e) + sum(m for m, e in stages if e) / speedup + 2 * starts * copy_ms


def _amdahl_swapped(stages: Stages, speedup: float, copy_ms: float) -> float:
    return float(sum(ms / speedup if not e else ms for ms, e in stages) + _switches(stages) * copy_ms)


def _draw(rng: np.random.Generator) -> Case:
    stages = [(float(rng.integers(0, 200)) / 8, bool(rng.random() < 0.5)) for _ in range(int(rng.integers(0, 8)))]
    return Case(stages, float(rng.choice([2, 4, 5, 10, 20])), float(rng.choice([0, 0.25, 0.5, 1, 2])))


end_to_end_ms = Exercise(
    id="08.end_to_end_ms", points=3, difficulty=1, minutes=10, idea="what stays on the CPU decides",
    reference=classical.end_to_end_ms,
    cases=[Case([(6, False), (24, True)], 20, 1.0), Case([(6, False), (24, True)], 20, 0.0)],
    hidden=[Case([], 10, 1.0), Case([(8, True)], 4, 0.5), Case([(8, False)], 4, 0.5), Case([(8, True), (4, True)], 4, 0.5), Case([(8, True), (1, False), (4, True)], 4, 0.5), Case([(8, True), (1, False), (4, True), (2, False)], 4, 0.5), Case([(2, False), (8, True), (1, False)], 8, 0.25), Case([(0, True)], 4, 1.0)],
    draw=_draw, draws=30, compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception("per_stage", _time(copies=lambda s: 2 * sum(bool(e) for _, e in s)),
                      "You pay two copies for every stage on the engine. Neighbours on the engine hand their data on there: a copy is paid only where the place changes.", "Copies are paid at changes.",
                      also=(_time(copies=lambda s: sum(bool(e) for _, e in s)),)),
        Misconception("no_return", _time(copies=lambda s: _switches(s) - bool(s and s[-1][1])),
                      "The copy back is missing: the result has to be on the CPU at the end.", "The result must come back."),
        Misconception("no_start", _time(copies=lambda s: _switches(s) - bool(s and s[0][1])),
                      "The first copy is missing: the data begin on the CPU.", "The data start on the CPU."),
        Misconception("no_copies", _time(copies=lambda s: 0),
                      "The copies are missing.", "Copies cost time."),
        Misconception("one_copy", _time(copies=lambda s: bool(any(e for _, e in s))),
                      "You pay one copy in all. Data go to the engine and come back, each time.", "One copy is not enough.", also=(_time(copies=lambda s: 2 * bool(any(e for _, e in s))),)),
        Misconception("all_faster", _time(stage=lambda ms, e, s: ms / s),
                      "You divide every stage by the speedup. Only those on the engine get faster.", "The CPU's stages stay."),
        Misconception("swapped", _amdahl_swapped,
                      "You divide the stages that stay on the CPU. The others are the accelerated ones.", "The wrong stages are divided."),
        Misconception("multiplied", _time(stage=lambda ms, e, s: ms * s if e else ms),
                      "You multiply by the speedup. A speedup of 20 divides the time by 20.", "Faster means less time."),
        Misconception("speed", lambda stages, speedup, copy_ms: (sum(ms for ms, _ in stages) / max(classical.end_to_end_ms(stages, speedup, copy_ms), 1e-12)),
                      "You return how many times faster it is. Asked is the time.", "Milliseconds, not a ratio."),
    ],
    alternatives=[_grouped, _closed],
    hints=("Go through the stages and remember where the data are: on the CPU at first.", "Pay a copy whenever the place changes, and once more at the end if the data are on the engine."),
    worth_knowing="With 6 of 30 ms on the CPU no engine makes it more than 5 times as fast, not even an infinitely fast one.",
)
