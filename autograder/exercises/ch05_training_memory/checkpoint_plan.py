"""Exercise 05.checkpoint_plan: how many segments make the activations fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from utils.cost.memory import checkpointing

from ...exercise import Case, Exercise, Misconception


def _plan(n_layers: int, budget_units: int, *, units: Callable[[int, int], int] | None = None, divides: bool = True,
          strict: int = 0, pick: Callable = min, none: int | None = None, result: str = "segments") -> int | None:
    """The plan with one mistake; with its defaults it is right (an independent formulation)."""
    units = units or (lambda n, s: s - 1 + n // s)
    fits = [s for s in range(1, n_layers + 1) if not (divides and n_layers % s)
            and units(n_layers, s) + strict <= budget_units]
    if not fits:
        return none
    return pick(fits) if result == "segments" else units(n_layers, pick(fits))


def _units(s: int, n: int) -> int:
    return s - 1 + n // s


def _cheapest(n_layers: int, budget_units: int) -> int | None:
    """The number of segments that needs the least memory, if that fits."""
    best = min((s for s in range(1, n_layers + 1) if n_layers % s == 0), key=lambda s: _units(s, n_layers))
    return best if _units(best, n_layers) <= budget_units else None


def _loop(n_layers: int, budget_units: int) -> int | None:
    segments = 0
    while segments < n_layers:
        segments += 1
        length, rest = divmod(n_layers, segments)
        if rest == 0 and segments + length <= budget_units + 1:
            return segments
    return None


def _by_pairs(n_layers: int, budget_units: int) -> int | None:
    """Divisors come in pairs s and n/s with equal memory, so the smaller halves are enough."""
    low = [s for s in range(1, n_layers + 1) if s * s <= n_layers and n_layers % s == 0]
    return next((s for s in low if _units(s, n_layers) <= budget_units), None)


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.choice([rng.integers(1, 121), rng.choice([12, 24, 32, 36, 48, 60, 64, 72, 96, 100, 120])]))
    if rng.random() < 0.3:
        return Case(n, int(rng.integers(0, n + 3)))
    s = int(rng.choice([d for d in range(1, n + 1) if n % d == 0]))
    return Case(n, max(0, _units(s, n) + int(rng.integers(-1, 2))))


checkpoint_plan = Exercise(
    id="05.checkpoint_plan", points=4, difficulty=1, minutes=5, idea="(s − 1) + n / s units, smallest s that fits",
    reference=checkpointing.checkpoint_plan,
    cases=[Case(32, 11), Case(32, 10), Case(32, 32), Case(32, 20)],
    hidden=[Case(1, 1), Case(1, 0), Case(97, 96), Case(97, 97), Case(36, 11), Case(36, 12), Case(120, 21), Case(120, 20),
            Case(100, 19), Case(2, 2), Case(12, 6), Case(30, 10), Case(30, 12)],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception(
            "least_memory", _cheapest,
            "This is the plan with the least memory. The task asks for the *smallest number of segments* that fits: a "
            "large budget needs fewer of them.",
            "You saved more than you had to."),
        Misconception(
            "counts_last_input", partial(_plan, units=lambda n, s: s + n // s),
            "Your plan needs one unit less than the budget. Either you count s stored inputs, although the last segment "
            "is not checkpointed and keeps its layers instead. Or your comparison refuses an exact fit.",
            "One unit too careful.", also=(partial(_plan, strict=1),)),
        Misconception(
            "uneven", partial(_plan, divides=False, units=lambda n, s: s - 1 - (-n // s)),
            "This number of segments does not divide the number of layers. Only equal segments are allowed here.",
            "The segments are not equal.", also=(partial(_plan, divides=False),)),
        Misconception(
            "more_is_better", partial(_plan, pick=max),
            "This is the largest number of segments that fits. More segments are no gain of their own: with one layer a "
            "segment every input is stored, as without checkpointing.",
            "More segments are not better."),
        Misconception(
            "forgets_last_segment", partial(_plan, units=lambda n, s: max(1, s - 1)),
            "Only the stored inputs are counted. When the forward pass ends, the last segment has all of its layers in "
            "memory as well.",
            "The last segment takes memory too.", also=(partial(_plan, units=lambda n, s: s),)),
        Misconception(
            "only_a_segment", partial(_plan, units=lambda n, s: n // s),
            "Only the layers of one segment are counted. The inputs of the checkpointed segments stay in memory until their "
            "turn comes.",
            "The stored inputs are missing."),
        Misconception(
            "zero_for_none", partial(_plan, none=0),
            "Zero segments would be a plan. Where none fits, the answer is None.",
            "No plan is None, not a number.", also=(partial(_plan, none=-1), partial(_plan, none=1))),
        Misconception(
            "returns_units", partial(_plan, result="units"),
            "You return the memory that the plan needs. The task asks for its number of segments.",
            "This is the memory, not the plan."),
    ],
    alternatives=[_plan, _loop, _by_pairs],
    hints=(
        "Try s = 1, 2, 3, … and stop at the first one that divides `n_layers` and fits.",
        "(s − 1) inputs are stored, and n/s layers of the last segment: compare the sum with the budget.",
        "What should happen after the loop, when nothing fitted?",
    ),
    worth_knowing="The least memory is near s = √n: 11 units for 32 layers, 19 for 100. It costs about one more forward pass.",
)
