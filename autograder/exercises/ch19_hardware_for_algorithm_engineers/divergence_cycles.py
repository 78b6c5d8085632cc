"""Exercise 19.divergence_cycles: what a branch costs, warp by warp."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import simt

from ...exercise import Case, Exercise, Misconception


def _per_warp(cost: Callable[[np.ndarray, int, int], float], *, warp_of: Callable[[int], int] = lambda warp: warp) -> Callable:
    """An answer that adds a cost over the warps."""
    def answer(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
        size = warp_of(warp)
        return sum(cost(np.asarray(pred[i : i + size], bool), a, b) for i in range(0, len(pred), size))

    return answer


def _right(g: np.ndarray, a: int, b: int) -> int:
    return a * bool(g.any()) + b * bool((~g).any())


def _padded(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
    """Phantom threads fill the last warp, with the value False."""
    pred = np.asarray(pred, bool)
    full = np.concatenate([pred, np.zeros(-len(pred) % warp, bool)]).reshape(-1, warp)
    return int(a * full.any(1).sum() + b * (~full).any(1).sum())


def _whole_grid(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
    pred = np.asarray(pred, bool)
    return math.ceil(len(pred) / warp) * (a * bool(pred.any()) + b * bool((~pred).any()))


def _dropped(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
    whole = len(pred) // warp * warp
    return _per_warp(_right)(pred[:whole], a, b, warp)


def _by_edges(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
    """Paddings that repeat the last thread: no path is invented."""
    pred = np.asarray(pred, bool)
    if pred.size == 0:
        return 0
    rows = np.pad(pred, (0, -len(pred) % warp), mode="edge").reshape(-1, warp)
    return int((a * rows.any(axis=1) + b * ~rows.all(axis=1)).sum())


def _by_sets(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
    pairs = {(i // warp, bool(p)) for i, p in enumerate(pred)}
    return sum(a if p else b for _, p in pairs)


def _draw(rng: np.random.Generator) -> Case:
    n, warp = int(rng.integers(1, 150)), int(rng.choice([8, 16, 32, 32, 64]))
    share = float(rng.choice([0, 0.03, 0.5, 0.97, 1]))
    pred = rng.random(n) < share
    if rng.random() < 0.5:
        pred = np.sort(pred)[:: int(rng.choice([-1, 1]))].copy()
    return Case(pred, int(rng.integers(0, 21)), int(rng.integers(0, 21)), warp, label=f"{n} threads, {int(pred.sum())} true, warps of {warp}")


_I = np.arange(64)

divergence_cycles = Exercise(
    id="19.divergence_cycles", points=4, difficulty=2, minutes=12, idea="a path costs as soon as one thread takes it",
    reference=simt.divergence_cycles,
    cases=[Case(_I % 2 == 0, 10, 6, label="64 threads, alternating"), Case(_I < 32, 10, 6, label="64 threads, the first 32 true"), Case(_I < 40, 10, 6, label="64 threads, the first 40 true")],
    hidden=[
        Case(np.zeros(0, bool), 10, 6, label="no threads"), Case(np.ones(40, bool), 10, 6, label="40 threads, all true"), Case(np.zeros(40, bool), 10, 6, label="40 threads, all false"), Case(np.arange(33) < 32, 10, 6, label="33 threads, the last one false"),
        Case(_I < 40, 10, 6, 64, label="one warp of 64"), Case(np.ones(5, bool), 7, 3, label="5 threads, all true"), Case(np.array([True, False, False, False]), 9, 2, 2, label="warps of 2"), Case(np.array([False]), 9, 2, label="one thread, false"),
        Case(_I % 2 == 0, 5, 5, label="equal costs, alternating"), Case(_I % 2 == 0, 0, 6, label="the true path is empty"),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("longer_path", _per_warp(lambda g, a, b: max(a * bool(g.any()), b * bool((~g).any()))),
                      "A warp of yours that takes both paths pays the longer one. The lanes share one instruction stream: the paths are issued one after the other.", "Both paths are issued."),
        Misconception("average", _per_warp(lambda g, a, b: a * g.mean() + b * (1 - g.mean())),
                      "You weigh the paths by the share of threads. One thread is enough to make a path cost its full length.", "Shares don't matter."),
        Misconception("majority", _per_warp(lambda g, a, b: a if g.mean() >= 0.5 else b),
                      "Your warps take the path of the majority. The minority has to be computed as well.", "The minority counts."),
        Misconception("per_thread", lambda pred, a, b, warp=32: int(np.sum(np.where(np.asarray(pred, bool), a, b))) if len(pred) else 0,
                      "You add the costs of threads. The threads of a warp run together: count for each warp.", "Threads are not issued one by one."),
        Misconception("whole_grid", _whole_grid,
                      "You look at all threads at once, and every warp pays for both paths if any thread anywhere needs them. Warps go their own ways.", "Each warp decides for itself."),
        Misconception("one_warp", lambda pred, a, b, warp=32: _right(np.asarray(pred, bool), a, b),
                      "You count the threads as one warp. There are as many as `warp` threads each make.", "There are several warps."),
        Misconception("always_both", _per_warp(lambda g, a, b: a + b),
                      "Every warp of yours pays for both paths. A path that no thread of the warp takes is skipped.", "A path without threads is skipped."),
        Misconception("phantoms", _padded,
                      "The last warp is filled up with threads that do not exist, and they take a path. Only real threads count.", "Phantom threads take a path."),
        Misconception("dropped", _dropped,
                      "The last, partial warp is missing. It is issued like any other.", "The partial warp is lost."),
        Misconception("fixed_warp", _per_warp(_right, warp_of=lambda warp: 32),
                      "You always take 32 threads. `warp` may be another number.", "The warp size is an argument."),
        Misconception("swapped", _per_warp(lambda g, a, b: b * bool(g.any()) + a * bool((~g).any())),
                      "The costs have changed places: `a` belongs to threads whose predicate is true.", "The paths are swapped."),
    ],
    alternatives=[_by_edges, _by_sets],
    hints=("Cut the threads into warps; the last one may be shorter.", "For each warp two questions: is any thread true? Is any thread false?"),
    worth_knowing="Sorting the work by the branch that it takes removes divergence without removing work. Ray tracers and particle codes do so.",
)
