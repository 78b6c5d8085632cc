"""Exercise 01.knee: the last level before the cliff."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import takewhile

import numpy as np

from utils.compression import feasibility

from ...exercise import Case, Exercise, Misconception

SLACK = 1e-12


def _knee(levels: Sequence, accuracies: Sequence, baseline: float, max_drop: float, *, rule: str = "prefix",
          relative: bool = False, strict: bool = False, none=None, checks: bool = True, result: str = "level",
          first_is_baseline: bool = False, slack: float = SLACK):
    """The knee with one mistake; with its defaults it is right (passing flags, then a rule)."""
    if checks and len(levels) != len(accuracies):
        raise ValueError("levels and accuracies must have one length")
    baseline = accuracies[0] if first_is_baseline else baseline
    limit = baseline * (1 - max_drop) if relative else baseline - max_drop
    passing = [a > limit + slack if strict else a >= limit - slack for a in accuracies][: len(levels)]
    good = [i for i, ok in enumerate(passing) if ok and (rule != "prefix" or all(passing[:i]))]
    if rule == "violation":  # the first one that fails
        first = passing.index(False) if False in passing else len(passing) - 1
        return levels[first]
    if not good:
        return levels[-1] if none == "wraps" else none
    if rule == "best":
        return levels[max(good, key=lambda i: accuracies[i])]
    if rule in ("smallest", "largest"):
        return (min if rule == "smallest" else max)(levels[i] for i in good)
    return levels[good[-1]] if result == "level" else good[-1]


def _with_cumulative_minimum(levels, accuracies, baseline, max_drop):
    if len(levels) != len(accuracies):
        raise ValueError("lengths")
    passed = int(np.sum(np.minimum.accumulate(accuracies) >= baseline - max_drop - SLACK))
    return None if passed == 0 else levels[passed - 1]


def _with_takewhile(levels, accuracies, baseline, max_drop):
    pairs = zip(levels, accuracies, strict=True)
    good = list(takewhile(lambda pair: baseline - pair[1] <= max_drop + SLACK, list(pairs)))
    return good[-1][0] if good else None


def _wrong(**how) -> tuple:
    return partial(_knee, **how), partial(_knee, checks=False, **how)


def _misconception(tag: str, message: str, title: str, *hows: dict) -> Misconception:
    answers = [answer for how in hows for answer in _wrong(**how)]
    return Misconception(tag, answers[0], message, title, also=tuple(answers[1:]))


def _draw(rng: np.random.Generator) -> Case:
    """Accuracies on a grid of half points around the limit, so that equality occurs and nothing else is close."""
    n = int(rng.integers(1, 9))
    drop = float(rng.choice([0.0, 0.01, 0.02, 0.05]))
    base = int(rng.integers(100, 199))  # in half points
    steps = rng.choice([-4, -2, -1, 0, 1, 2, 4, 6], n, p=[0.1, 0.1, 0.1, 0.2, 0.15, 0.15, 0.1, 0.1])
    accuracies = [float((base - round(200 * drop) + s) / 200) for s in steps]
    levels = sorted(rng.choice(np.arange(1, 33), n, replace=False).tolist(), reverse=bool(rng.integers(2)))
    return Case(levels, accuracies, base / 200, drop)


knee = Exercise(
    id="01.knee", points=4, difficulty=2, minutes=10, idea="stop at the first level that fails",
    reference=feasibility.knee,
    cases=[Case([2, 4, 8, 16], [0.97, 0.96, 0.90, 0.965], 0.97, 0.02), Case([8, 4, 2], [0.972, 0.970, 0.646], 0.974, 0.02),
           Case([0.5, 0.8], [0.90, 0.85], 0.97, 0.02)],
    hidden=[
        Case([8, 6, 4], [0.97, 0.98, 0.96], 0.97, 0.02), Case([8], [0.97], 0.97, 0.0), Case([8], [0.96], 0.97, 0.0),
        Case([8, 4, 2], [0.95, 0.95, 0.5], 0.97, 0.02), Case([0.1, 0.5, 0.9], [0.70, 0.65, 0.64], 0.7, 0.05),
        Case([1, 2, 3], [0.585, 0.5, 0.59], 0.6, 0.02), Case([8, 4], [0.581, 0.58], 0.6, 0.02),
        Case([16, 8, 4], [0.93, 0.97, 0.97], 0.95, 0.01), Case([32, 8, 4, 3], [0.974, 0.972, 0.97, 0.957], 0.974, 0.02),
        Case([3, 2], [0.95 - 1e-6, 0.9], 0.97, 0.02),
        # 0.93 - 0.1 is 0.8300000000000001 in floating point, and 0.93 - 0.83 is more than 0.1
        Case([8, 4, 2], [0.93, 0.83, 0.5], 0.93, 0.1), Case([4, 2], [0.731, 0.7], 0.931, 0.2),
    ],
    draw=_draw, draws=40,
    raises=[Case([2, 4], [0.9], 0.9, 0.1), Case([2], [0.9, 0.9], 0.9, 0.1), Case([2, 4, 8], [0.9, 0.9], 0.9, 0.1)],
    misconceptions=[
        _misconception(
            "last_passing", "You return the last level that passes. A point behind a failure is luck: the network broke before "
            "it. Stop at the first violation.", "A point behind a failure is luck.", {"rule": "last"}),
        _misconception(
            "relative_drop", "Your allowance is a share of the baseline. Here `max_drop` is in absolute points: 0.02 takes 0.97 "
            "to 0.95.", "max_drop is absolute.", {"relative": True}),
        _misconception(
            "best_accuracy", "You return the level with the best accuracy. The question is how far one may go, as long as the "
            "allowance holds.", "Not the best, the most aggressive.", {"rule": "best"}),
        _misconception(
            "strict", "A level exactly at the limit is refused. It is allowed, and the slack of 1e-12 keeps the last bit of the "
            "subtraction out of it.", "At the limit is allowed.", {"strict": True}),
        _misconception(
            "no_slack", "A level exactly at the limit is refused now and then: 0.93 − 0.1 is 0.8300000000000001 in floating point. "
            "Leave the slack that the task names.", "The last bit decides.", {"slack": 0.0}),
        _misconception(
            "first_violation", "You return the level that fails. Wanted is the last one *before* it.",
            "One step too far.", {"rule": "violation"}),
        _misconception(
            "by_size", "You pick by the size of the number. Bits fall while sparsity rises: the *order* of the list says what "
            "is more aggressive.", "The order counts, not the number.", {"rule": "smallest"}, {"rule": "largest"}),
        _misconception(
            "wraps_around", "Where already the first level fails you return the last one. The level before the first is at index "
            "−1, and in Python that is the end of the list.", "Index −1 is the end.", {"none": "wraps"}),
        _misconception(
            "own_baseline", "You compare with the first accuracy in the list. The baseline is an argument of its own: the network "
            "before any compression.", "The baseline is given.", {"first_is_baseline": True}),
        _misconception(
            "number_for_none", "Where already the first level fails there is no level to return. The answer is None.",
            "No level is None.", {"none": 0}, {"none": -1}),
        _misconception(
            "position", "You return a position in the list. The task asks for the level itself.",
            "That is the position.", {"result": "index"}),
        Misconception(
            "accepts_lengths", partial(_knee, checks=False),
            "The levels are right, but lists of different lengths must end in a ValueError.",
            "Different lengths are accepted."),
    ],
    alternatives=[_knee, _with_cumulative_minimum, _with_takewhile],
    hints=(
        "Walk through both lists together and remember the last level that passed.",
        "Leave the loop at the first accuracy below baseline − max_drop − 1e-12.",
        "What did you remember if the first level fails? And compare the lengths before the loop: zip cuts the longer list.",
    ),
    worth_knowing="The prefix rule also protects you from noise: one lucky measurement behind the cliff does not move the knee.",
)
