"""Exercise 05.chain_peak: the peak of inference over a chain with skip connections."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.cost.memory import chain as chain_memory

from ...exercise import Case, Exercise, Misconception


def _peak(sizes: list, skips: list = (), *, frees_first: bool = False, forever: bool = False, early: int = 0,
          twice: bool = False, uses_skips: bool = True) -> int:
    """The peak with one mistake; with its defaults it is right (liveness of every tensor in every step)."""
    skips = list(skips) if uses_skips else []
    found = [sizes[0]]
    for step in range(1, len(sizes)):
        live = [step] if frees_first else [step - 1, step]
        for i, j in skips:
            if i < step and (forever or step <= j - early) and (twice or i not in live):
                live.append(i)
        found.append(sum(sizes[k] for k in live))
    return max(found)


def _sweep(sizes: list, skips: list = ()) -> int:
    """Bytes that appear and disappear, step by step."""
    change = [0] * (len(sizes) + 1)
    for i, size in enumerate(sizes):
        until = max([i + 1, *(j for a, j in skips if a == i)])
        change[i] += size
        change[min(until, len(sizes) - 1) + 1] -= size
    return int(max(np.cumsum(change)))


def _greedy(sizes: list, skips: list = ()) -> int:
    """Runs the chain and frees what nobody needs any more."""
    held, peak = {0: sizes[0]}, sizes[0]
    for step in range(1, len(sizes)):
        held[step] = sizes[step]
        peak = max(peak, sum(held.values()))
        wanted = {i for i, j in skips if j > step}
        held = {i: size for i, size in held.items() if i == step or i in wanted}
    return peak


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(1, 10))
    sizes = [int(s) for s in rng.integers(1, 60, n)]
    if rng.random() < 0.3:
        return Case(sizes)
    skips = []
    for _ in range(int(rng.integers(1, 5)) if n > 1 else 0):
        i = int(rng.integers(0, n - 1))
        skips.append((i, int(rng.integers(i + 1, n))))
    return Case(sizes, skips)


chain_peak = Exercise(
    id="05.chain_peak", points=4, difficulty=2, minutes=15, idea="free a tensor as soon as nobody reads it",
    reference=chain_memory.chain_peak,
    cases=[Case([10, 40, 20]), Case([10, 40, 20], [(0, 2)]), Case([7])],
    hidden=[
        Case([24, 144, 144, 24, 144, 144, 24], [(0, 3), (3, 6)], label="two inverted residuals of MobileNetV2"),
        Case([5, 1, 1, 1, 50, 50], [(0, 2)]), Case([5, 9, 2, 30, 1], [(0, 2), (0, 3)]), Case([5, 9, 2], [(0, 1), (1, 2)]),
        Case([9, 1, 1, 8, 1], [(0, 3), (0, 3), (1, 3)]), Case([1, 2, 3, 4, 5]), Case([5, 4, 3, 2, 1], [(0, 4), (1, 4), (2, 4)]),
        Case([3, 50], [(0, 1)]),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception(
            "sum_of_all", lambda sizes, skips=(): sum(sizes),
            "That is what training would keep. Without a backward pass a tensor can be freed as soon as its last reader "
            "has run.",
            "You keep everything."),
        Misconception(
            "largest_tensor", lambda sizes, skips=(): max(sizes),
            "While a layer computes, its input and its output exist together. One tensor alone is never enough.",
            "One tensor alone is not the peak."),
        Misconception(
            "frees_too_soon", partial(_peak, frees_first=True),
            "The input was freed before the output existed. It is read until the last value of the output is written, so "
            "both are live in that step.",
            "The input is freed too soon."),
        Misconception(
            "ignores_skips", partial(_peak, uses_skips=False),
            "Only neighbours are counted. A skip connection holds a tensor that was made long before, while other layers "
            "run.",
            "The skips were left out."),
        Misconception(
            "keeps_skips_forever", partial(_peak, forever=True),
            "A tensor that a skip holds is free again after the step that reads it. Yours stays to the end.",
            "Skip tensors are never freed."),
        Misconception(
            "skip_ends_early", partial(_peak, early=1),
            "The skip (i, j) is read *in* step j, so its tensor is still live there. Yours is gone one step too early.",
            "The skip ends one step too early."),
        Misconception(
            "counted_twice", partial(_peak, twice=True),
            "A tensor may be held by two skips, or by a skip and by the layer right behind it. It still takes its bytes "
            "once.",
            "A tensor was counted twice."),
    ],
    alternatives=[_peak, _sweep, _greedy],
    hints=(
        "Find for each tensor the last step in which it is read: usually the next one, with a skip perhaps a later one.",
        "For each step, add the sizes of all tensors that exist already and have not seen their last step. The largest sum is the answer.",
        "A chain of one tensor has no step. Start with its size.",
    ),
    worth_knowing="MobileNetV2 adds its residual to the narrow tensor, so the skip holds 24 channels while 144 + 144 are live.",
)
