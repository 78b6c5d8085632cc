"""Cycles of warps with a branch: a warp issues each path that at least one of its threads takes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from utils.cost.checks import non_negative, positive

IDLE, FIRST, SECOND = 0, 1, 2


def warp_issue_cycles(pred: np.ndarray, cost_true: int, cost_false: int, warp: int = 32) -> tuple[int, float]:
    """(cycles over all warps, share of lane slots with work) for a boolean per thread; 0 threads are (0, 1.0).

    The lanes that a partial last warp lacks count as slots without work. Raises ValueError for negative costs and
    warps below 1.
    """
    non_negative(cost_true=cost_true, cost_false=cost_false)
    positive(warp=warp)
    pred = np.asarray(pred, bool)
    cycles = divergence_cycles(pred, cost_true, cost_false, warp)
    work = int(pred.sum()) * cost_true + int((~pred).sum()) * cost_false
    return cycles, work / (cycles * warp) if cycles else 1.0


def divergence_cycles(pred: np.ndarray, a: int, b: int, warp: int = 32) -> int:
    """Cycles of all warps: each pays `a` if any of its threads is true, and `b` if any is false.

    >>> even = np.arange(64) % 2 == 0
    >>> divergence_cycles(even, 10, 6), divergence_cycles(np.sort(even), 10, 6)
    (32, 16)
    """
    groups = [pred[i : i + warp] for i in range(0, len(pred), warp)]
    return sum(a * bool(np.any(g)) + b * bool(not np.all(g)) for g in groups)


def lane_timeline(pred: np.ndarray, a: int, b: int, warp: int = 32) -> np.ndarray:
    """What each lane does in each cycle of its warp: 0 nothing, 1 the true path, 2 the false path.

    Shape (threads rounded up to whole warps, cycles of the longest warp). The true path is issued first.
    """
    positive(warp=warp)
    pred = np.asarray(pred, bool)
    warps = -(-len(pred) // warp)
    grid = np.full((warps * warp, a + b), IDLE)
    for i in range(warps):
        mine = pred[i * warp : (i + 1) * warp]
        lanes, at = i * warp + np.arange(len(mine)), 0
        for taken, cost, path in ((mine, a, FIRST), (~mine, b, SECOND)):
            if taken.any():
                grid[lanes[taken], at : at + cost] = path
                at += cost
    return grid[:, : max(1, grid.any(0).nonzero()[0].max(initial=-1) + 1)]


def predicate(pattern: Literal["alternating", "blocked", "random"], share: float, threads: int = 128,
              seed: int = 0) -> np.ndarray:
    """A boolean per thread with about `share` true: spread evenly, all at the beginning, or drawn.

    Raises ValueError for a share outside 0 to 1, KeyError for an unknown pattern.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    count, index = round(share * threads), np.arange(threads)
    spread = (index + 1) * count // threads > index * count // threads
    drawn = np.random.default_rng(seed).permutation(threads) < count
    return {"alternating": spread, "blocked": index < count, "random": drawn}[pattern]
