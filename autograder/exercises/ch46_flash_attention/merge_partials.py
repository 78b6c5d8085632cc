"""Exercise 46.merge_partials: attention over two halves of the keys, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch  # here and not where it is used: its import must not count as an answer's time

from utils.attention import flash, merge

from ...compare import close
from ...exercise import Case, Exercise, Misconception
from .shared import NEG_INF


def _two_parts(o1: Any, lse1: Any, o2: Any, lse2: Any, label: str) -> Case:
    return Case(*(np.asarray(a, np.float64) for a in (o1, lse1, o2, lse2)), label=label)


def _weighted(weight: Callable, total: Callable = np.logaddexp) -> Callable:
    """A merge with weights weight(lse1, lse2), weight(lse2, lse1) of shape (N, 1), and lse by `total`."""

    def merged(o1: np.ndarray, lse1: np.ndarray, o2: np.ndarray, lse2: np.ndarray) -> tuple:
        return weight(lse1, lse2) * o1 + weight(lse2, lse1) * o2, total(lse1, lse2)

    return merged


def _share(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    """exp(mine) / (exp(mine) + exp(other)), without overflow and without NaN."""
    both = np.isneginf(mine) & np.isneginf(other)
    return np.where(both, 0, 1 / (1 + np.exp(np.where(both, 0, other - mine))))[:, None]


def _naive_share(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (np.exp(mine) / (np.exp(mine) + np.exp(other)))[:, None]


def _shifted_share(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    top = np.maximum(mine, other)
    return (np.exp(mine - top) / (np.exp(mine - top) + np.exp(other - top)))[:, None]


def _log_share(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (mine / (mine + other))[:, None]


def _naive_lse(lse1: np.ndarray, lse2: np.ndarray) -> np.ndarray:
    return np.log(np.exp(lse1) + np.exp(lse2))


def _shifted_lse(lse1: np.ndarray, lse2: np.ndarray) -> np.ndarray:
    top = np.maximum(lse1, lse2)
    return top + np.log(np.exp(lse1 - top) + np.exp(lse2 - top))


def _along_features(o1: np.ndarray, lse1: np.ndarray, o2: np.ndarray, lse2: np.ndarray) -> tuple:
    w1, w2 = _share(lse1, lse2)[:, 0], _share(lse2, lse1)[:, 0]
    return w1 * o1 + w2 * o2, np.logaddexp(lse1, lse2)


def _by_stack(o1: np.ndarray, lse1: np.ndarray, o2: np.ndarray, lse2: np.ndarray) -> tuple:
    """Softmax over the stacked log-sum-exps, in torch; rows without a key are filled in afterwards."""
    lses = torch.from_numpy(np.stack([lse1, lse2]))
    outs = torch.from_numpy(np.stack([o1, o2]))
    weights = torch.softmax(lses, dim=0).nan_to_num(0.0)
    return (weights[..., None] * outs).sum(dim=0), torch.logsumexp(lses, dim=0)


def _by_row(o1: np.ndarray, lse1: np.ndarray, o2: np.ndarray, lse2: np.ndarray) -> tuple:
    o, lse = np.zeros_like(o1), np.full(len(o1), NEG_INF)
    for i, (a, b) in enumerate(zip(lse1.tolist(), lse2.tolist())):
        if a == b == NEG_INF:
            continue
        big, small = max(a, b), min(a, b)
        lse[i] = big + np.log1p(np.exp(small - big))
        o[i] = np.exp(a - lse[i]) * o1[i] + np.exp(b - lse[i]) * o2[i]
    return o, lse


def _draw_parts(rng: np.random.Generator) -> Case:
    """Two parts of one attention, with rows that see no key on one side or on both."""
    n, d = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    sides = []
    for _ in range(2):
        q, (k, v) = rng.normal(size=(n, 3)) * rng.choice([1.0, 30.0]), rng.normal(size=(2, int(rng.integers(1, 8)), 3))
        o, lse = flash.flash_forward(q, k, v @ rng.normal(size=(3, d)), 2, 3)
        empty = rng.random(n) < 0.25
        o[empty], lse[empty] = 0, NEG_INF
        sides += [o, lse]
    return _two_parts(*sides, label=f"{n} random rows of {d}, some without a visible key")


merge_partials = Exercise(
    id="46.merge_partials", points=3, difficulty=2, minutes=15, idea="the log-sum-exp is the weight of a half",
    reference=merge.merge_pair,
    cases=[
        _two_parts([[1]], [0], [[3]], [np.log(3)], "o1 = [[1]], lse1 = [0], o2 = [[3]], lse2 = [ln 3]"),
        _two_parts([[1, 2], [4, 8]], [1, 2], [[5, 6], [0, 0]], [1, NEG_INF],
                   "two rows; the second has no key in the second half"),
        _two_parts([[0, 0, 0]], [NEG_INF], [[0, 0, 0]], [NEG_INF], "no key in either half"),
    ],
    hidden=[
        _two_parts([[1, 2], [3, 4]], [800, -800], [[5, 6], [7, 8]], [801, -799], "lse near 800 and near −800"),
        _two_parts([[1, 2], [3, 4]], [800, -800], [[5, 6], [7, 8]], [-800, 800], "lse 1,600 apart"),
        _two_parts([[0, 0], [1, 2]], [NEG_INF, 5], [[3, 4], [5, 6]], [2, 4], "no key in the first half"),
    ],
    draw=_draw_parts, draws=30, pure=True,
    # exp of a difference of two numbers near 800 is off by 1e-13; the values are of order 10.
    compare=close(rtol=1e-10, atol=1e-11),
    misconceptions=[
        Misconception(
            "average", _weighted(lambda mine, other: 0.5 * np.ones((len(mine), 1))),
            "Half and half is right only if both halves hold the same softmax mass. Nor would the numbers of keys do as "
            "weights: a half with few but large scores can dominate. The mass of a half is exp(lse).",
            "You take the plain mean.",
            also=(lambda o1, lse1, o2, lse2: ((o1 + o2) / 2, (lse1 + lse2) / 2),
                  lambda o1, lse1, o2, lse2: ((o1 + o2) / 2, np.maximum(lse1, lse2)))),
        Misconception(
            "logs_as_weights", _weighted(_log_share),
            "You weight by the log-sum-exps themselves. They are logarithms: a difference of 1 means a factor of 2.7 in "
            "mass, and they may be negative or 0.",
            "The weights are logarithms."),
        Misconception(
            "not_normalized", _weighted(lambda mine, other: np.exp(mine)[:, None]),
            "exp(lse) undoes the normalisation of each half, which is right. The sum then has to be divided by the mass "
            "of both halves together.",
            "The sum is not normalised again.", also=(_weighted(lambda mine, other: np.exp(mine)[:, None], _naive_lse),)),
        Misconception(
            "overflows", _weighted(_naive_share, _naive_lse),
            "The formula is right and exp(800) is infinity. Only the difference between the two log-sum-exps matters: "
            "subtract something from both before you take exp.",
            "exp overflows.", also=(_weighted(_naive_share),)),
        Misconception(
            "nan_where_empty", _weighted(_shifted_share, _shifted_lse),
            "Rows with a key come out right. Where neither half has one, the maximum is −inf too, and −inf − (−inf) is "
            "NaN. Such a row has to be taken aside.",
            "An empty row gives NaN.", also=(_weighted(_shifted_share),)),
        Misconception(
            "largest_lse", _weighted(_share, np.maximum),
            "o is right. The combined lse is the log of the *sum* of both masses; the larger one alone forgets the "
            "other, and the next merge would be wrong.",
            "The smaller mass is lost.", also=(_weighted(_share, np.add), _weighted(_share, lambda a, b: a))),
        Misconception(
            "weights_along_features", _along_features,
            "Each row has its own two weights. A vector of N weights times an (N, d) array runs along the last axis: "
            "with N = d nobody complains, and the columns are weighted. Give the weights a second axis of length 1.",
            "The weights run along the wrong axis."),
    ],
    alternatives=[_weighted(_share), _by_stack, _by_row],
    hints=(
        "The mass of a half is exp(lse). The weights are exp(lse1) and exp(lse2), divided by their sum.",
        "`np.logaddexp(lse1, lse2)` is the combined lse, without overflow. The weights are exp(lse1 − lse) and exp(lse2 − lse).",
        "Where the combined lse is −inf, put 0 in its place before you subtract: exp(−inf − 0) is 0.",
    ),
    worth_knowing="The merge is associative and commutative, so any tree of workers gives the same result. "
                  "Flash-Decoding rests on it.",
)
