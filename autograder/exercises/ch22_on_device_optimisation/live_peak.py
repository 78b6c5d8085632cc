"""Exercise 22.live_peak: the bytes that live at the fullest step."""

from __future__ import annotations

import itertools

import numpy as np

from utils.cost import arena

from ...exercise import Case, Exercise, Misconception

Uses = list[tuple[int, int, int]]


def live_peak_reference(uses: Uses) -> int:
    """The reference under the exercise's arguments."""
    return arena.live_peak([arena.TensorUse(*use) for use in uses])


def _check(uses: Uses) -> None:
    if any(last < first for _, first, last in uses):
        raise ValueError("last before first")


def _sweep(uses: Uses) -> int:
    _check(uses)
    events = sorted([(first, 1, size) for size, first, _ in uses] + [(last + 1, 0, -size) for size, _, last in uses])
    level = peak = 0
    for _, _, change in events:
        level += change
        peak = max(peak, level)
    return peak


def _at_lasts(uses: Uses) -> int:
    _check(uses)
    return max([sum(s for s, a, b in uses if a <= step <= b) for step in {last for _, _, last in uses}], default=0)


def _with_numpy(uses: Uses) -> int:
    _check(uses)
    if not uses:
        return 0
    size, first, last = np.array(uses).T
    alive = (first[:, None] >= first) & (first[:, None] <= last)
    return int((alive * size).sum(1).max())


def _exclusive(uses: Uses) -> int:
    _check(uses)
    return max([sum(s for s, a, b in uses if a <= step < b) for step in {first for _, first, _ in uses}], default=0)


def _draw(rng: np.random.Generator) -> Case:
    top = int(rng.choice([3, 8, 10**9]))
    uses = []
    for _ in range(int(rng.integers(1, 10))):
        ends = sorted(int(v) for v in rng.integers(0, top + 1, 2))
        uses.append((int(rng.integers(0, 50)), *ends))
    return Case(uses)


live_peak = Exercise(
    id="22.live_peak", points=3, difficulty=1, minutes=10, idea="what lives at the same step adds up",
    reference=live_peak_reference,
    cases=[Case([(4, 0, 1), (3, 1, 2), (2, 2, 3), (5, 3, 4)]), Case([(4, 0, 3), (9, 1, 1), (6, 2, 2)])],
    hidden=[Case([]), Case([(7, 2, 2)]), Case([(0, 0, 5)]), Case([(5, 0, 10**9), (6, 10**9, 10**9), (7, 0, 10**9 - 1)], label="steps up to 10^9"), Case([(3, 0, 1), (3, 2, 3)]), Case([(3, 0, 2), (3, 2, 3)]), Case([(1, 0, 9), (1, 1, 8), (1, 2, 7), (9, 9, 9)]), Case([(8, 5, 6), (1, 0, 9), (4, 0, 1), (5, 6, 7)])],
    draw=_draw, draws=40,
    raises=[Case([(4, 2, 1)], word="last before first"), Case([(4, 0, 1), (3, 5, 4)], word="last before first")],
    misconceptions=[
        Misconception("exclusive", _exclusive,
                      "You let a tensor end before its last step. An operator needs its inputs while it writes its output: both ends belong to the lifetime.", "The last step counts."),
        Misconception("largest", lambda uses: _check(uses) or max([s for s, _, _ in uses], default=0),
                      "You return the largest tensor. Several live at once: add them at each step.", "Tensors live together."),
        Misconception("two_largest", lambda uses: _check(uses) or sum(sorted([s for s, _, _ in uses])[-2:]),
                      "You add the two largest tensors. Do they live at the same time? And may there be a third?", "Look at the lifetimes."),
        Misconception("all", lambda uses: _check(uses) or sum(s for s, _, _ in uses),
                      "You add all tensors. Those whose lifetimes do not meet can share bytes.", "Not all live together."),
        Misconception("neighbours", lambda uses: _check(uses) or max([a[0] + b[0] for a, b in itertools.pairwise(uses)], default=max([s for s, _, _ in uses], default=0)),
                      "You add neighbours in the list. The list is not sorted by time, and a tensor may live longer than to the next step.", "Neighbours in the list are not all."),
        Misconception("count", lambda uses: _check(uses) or max([sum(1 for _, a, b in uses if a <= step <= b) for step in {f for _, f, _ in uses}], default=0),
                      "You count tensors. Add their bytes.", "Bytes, not tensors."),
        Misconception("at_zero", lambda uses: _check(uses) or sum(s for s, a, _ in uses if a == 0),
                      "You look at the first step alone. The fullest step may come later.", "The peak may come later."),
        Misconception("unchecked", lambda uses: max([sum(s for s, a, b in uses if a <= step <= b) for step in {f for _, f, _ in uses}], default=0),
                      "A tensor that ends before it begins passes. Raise ValueError and say \"last before first\".", "A bad lifetime is not refused."),
        Misconception("empty", lambda uses: _check(uses) or max(sum(s for s, a, b in uses if a <= step <= b) for step in {f for _, f, _ in uses}),
                      "An empty list ends in an error. Nothing lives: 0 bytes.", "An empty list is 0."),
    ],
    alternatives=[_sweep, _at_lasts, _with_numpy],
    hints=("The sum grows only where a tensor begins. So which steps do you have to look at?", "At such a step add the sizes of all tensors with first <= step <= last."),
    worth_knowing="No plan of this order can use fewer bytes: it is the lower bound for every arena.",
)
