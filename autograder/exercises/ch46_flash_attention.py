"""Exercises of chapter 46: FlashAttention."""

from __future__ import annotations

import ast
from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
import torch  # here and not where it is used: its import must not count as an answer's time

from utils.attention import flash, hbm, merge

from ..compare import brief, close, exact, prop
from ..exercise import Case, Exercise, Misconception

NEG_INF = -np.inf


# --- 1. online_softmax ------------------------------------------------------------------------


def _scores(x: Any, block: int, label: str = "") -> Case:
    return Case(x=np.asarray(x, np.float64), block=block,
                label=label or f"x = [{', '.join(f'{v:g}' for v in x)}], block {block}")


def _blocks(x: Any, block: int) -> Any:
    return (np.asarray(x[start:start + block]) for start in range(0, len(x), block))


def _online(update: Callable, start: float = NEG_INF) -> Callable:
    """A one-pass softmax whose l becomes update(l, m, m_new, scores) at each block; blocks of -inf are passed over."""

    def online_softmax(x: Any, block: int) -> tuple[float, float]:
        m, l = start, 0.0
        for scores in _blocks(x, block):
            m_new = max(m, float(scores.max()))
            if m_new > NEG_INF:
                l, m = update(l, m, m_new, scores), m_new
        return m, float(l)

    return online_softmax


def _sum_exp(scores: np.ndarray, m: float) -> float:
    return float(np.exp(scores - m).sum())


def _grows(l: float, m: float, m_new: float, scores: np.ndarray) -> float:
    return (l * np.exp(m_new - m) if m > NEG_INF else 0.0) + _sum_exp(scores, m_new)


def _divides_later(x: Any, block: int) -> tuple[float, float]:
    m, total = NEG_INF, 0.0
    for scores in _blocks(x, block):
        m, total = max(m, float(scores.max())), total + float(np.exp(scores).sum())
    return m, float(np.float64(total) / np.exp(m))


def _log_of_sums(x: Any, block: int) -> tuple[float, float]:
    m, total = NEG_INF, 0.0
    for scores in _blocks(x, block):
        m, total = max(m, float(scores.max())), total + float(np.exp(scores).sum())
    return m, float(np.exp(np.log(total) - m))


def _nan_at_minus_infinity(x: Any, block: int) -> tuple[float, float]:
    m, l = NEG_INF, 0.0
    for scores in _blocks(x, block):
        m_new = max(m, float(scores.max()))
        l, m = l * np.exp(m - m_new) + _sum_exp(scores, m_new), m_new
    return m, float(l)


def _two_passes(x: Any, block: int) -> tuple[float, float]:
    m = max(float(scores.max()) for scores in _blocks(x, block))
    return m, sum(_sum_exp(scores, m) for scores in _blocks(x, block))


def _two_looks(x: Any, block: int) -> tuple[float, float]:
    m, l = NEG_INF, 0.0
    for start in range(0, len(x), block):
        m_new = max(m, float(x[start:start + block].max()))
        l, m = l * np.exp(m - m_new) + _sum_exp(x[start:start + block], m_new), m_new
    return m, float(l)


def _all_at_once(x: Any, block: int) -> tuple[float, float]:
    scores = x[0:len(x)]
    m = float(scores.max())
    return m, _sum_exp(scores, m)


def _by_logaddexp(x: Any, block: int) -> tuple[float, float]:
    """Keeps the maximum and one log-sum-exp, and converts at the end."""
    if block < 1 or not len(x):
        raise ValueError("block must be >= 1 and x must not be empty")
    m, log_sum = NEG_INF, NEG_INF
    for scores in _blocks(x, block):
        m, log_sum = max(m, float(scores.max())), np.logaddexp(log_sum, np.logaddexp.reduce(scores))
    return m, float(np.exp(log_sum - m))


def _by_element(x: Any, block: int) -> tuple[float, float]:
    if block < 1 or len(x) < 1:
        raise ValueError("block must be >= 1 and x must not be empty")
    m, l = NEG_INF, 0.0
    for at in range(len(x)):
        (s,) = x[at:at + 1].tolist()
        if s > m:
            m, l = s, l * (np.exp(m - s) if l else 0.0) + 1.0
        elif s > NEG_INF:
            l += np.exp(s - m)
    return m, l


def _by_parts(x: Any, block: int) -> tuple[float, float]:
    """Keeps each block's own m and l and puts them together at the end."""
    if block < 1 or len(x) < 1:
        raise ValueError("block must be >= 1 and x must not be empty")
    parts = [(b.max(), np.exp(b - b.max()).sum()) for b in _blocks(x, block) if b.max() > NEG_INF]
    m = max(top for top, _ in parts)
    return float(m), float(sum(total * np.exp(top - m) for top, total in parts))


def _draw_scores(rng: np.random.Generator) -> Case:
    x = rng.normal(size=int(rng.integers(1, 30))) * rng.choice([1.0, 10.0, 300.0]) + rng.choice([-50.0, 0.0, 50.0])
    hidden = rng.random(len(x)) < rng.choice([0.0, 0.4])
    hidden[rng.integers(len(x))] = False
    x[hidden] = NEG_INF
    return _scores(x, int(rng.integers(1, 9)), f"{len(x)} random scores, block of some size")


online_softmax = Exercise(
    id="46.online_softmax", points=3, difficulty=2, minutes=10, idea="shrink the old sum when the maximum moves",
    reference=merge.online_softmax, probe="ch46_flash_attention.one_pass",
    cases=[
        _scores([1, 3, 2, 5], 2),
        _scores([-4, -2, -3], 1),
        _scores([NEG_INF, NEG_INF, 0, 1], 2),
    ],
    hidden=[
        _scores([1, 3, 2, 5], 4), _scores([1, 3, 2, 5], 9), _scores([7], 3), _scores([5, 3, 1], 2),
        _scores([1e4, -1e4, 9999, 1e4], 2), _scores([-1e4, -9999, -9998], 1),
        _scores([2, NEG_INF, NEG_INF, 1, NEG_INF], 1), _scores([1000, 1001, 999], 2),
        _scores([NEG_INF, 3, NEG_INF, 3], 1),
    ],
    draw=_draw_scores, draws=30,
    raises=[_scores([1, 2], 0), _scores([1, 2], -1), _scores([3], -2), _scores([], 2, "x is empty, block 2")],
    # With scores near 1e4 a log-sum-exp is rounded at 2e-12 at each of at most 30 steps, which exp passes on to l.
    compare=close(rtol=1e-9),
    misconceptions=[
        Misconception(
            "no_rescale", _online(lambda l, m, m_new, s: l + _sum_exp(s, m_new)),
            "When the maximum moves from m to m′, everything already summed was measured against the old m. It has to be "
            "brought to the new one, by a factor of exp(m − m′). Follow l by hand for [1, 3, 2, 5].",
            "The old sum keeps its old scale."),
        Misconception(
            "grows", _online(_grows),
            "Your correction makes l larger. The old terms are exp(x − m): against a larger maximum each of them is "
            "smaller. Which sign does the exponent need?",
            "The correction goes the wrong way.",
            also=(_online(lambda l, m, m_new, s: l * np.exp(m_new - m) + _sum_exp(s, m_new)),)),
        Misconception(
            "starts_at_zero", _online(lambda l, m, m_new, s: l * np.exp(m - m_new) + _sum_exp(s, m_new), start=0.0),
            "Scores can all be negative, and then a maximum that starts at 0 is never replaced. Which number is below "
            "every score?",
            "The maximum starts at 0."),
        Misconception(
            "exp_first", _divides_later,
            "You sum exp(x) and correct at the end. exp(1000) is infinity and exp(−1000) is 0, so the correction has "
            "nothing left to correct. Subtract a maximum before each exp.",
            "exp overflows before you divide.", also=(_log_of_sums,)),
        Misconception(
            "resets", _online(lambda l, m, m_new, s: _sum_exp(s, m_new)),
            "l describes everything that was read so far, not the last block. What must the earlier blocks add to it?",
            "l forgets the earlier blocks.", also=(_online(lambda l, m, m_new, s: _sum_exp(s, float(s.max()))),)),
        Misconception(
            "nan_at_minus_infinity", _nan_at_minus_infinity,
            "A block of −inf leaves the maximum at −inf, and −inf − (−inf) is NaN. Until the first visible score comes "
            "there is nothing to add.",
            "A masked block gives NaN."),
        Misconception(
            "second_look", _two_passes,
            "Each score may be read once. A pass for the maximum and one for the sum is two trips through memory. So is "
            "slicing the same place twice: keep the slice in a variable.",
            "You read a score twice.", also=(_two_looks,)),
        Misconception(
            "all_at_once", _all_at_once,
            "A slice may hold `block` scores at most. On chip there is no room for the whole row; that is why the "
            "maximum has to be a running one.",
            "You read everything at once.", also=(lambda x, block: _all_at_once(x[:], block),)),
    ],
    alternatives=[_by_logaddexp, _by_element, _by_parts],
    hints=(
        "Keep two numbers, m and l. They describe what was read so far: its maximum, and the sum of exp(x − m).",
        "For a block: find the new maximum, multiply the old l by exp(old m − new m), then add the block's own terms.",
        "Begin with m = −inf and l = 0. If the new maximum is still −inf, leave both as they are.",
    ),
    worth_knowing="FlashAttention-2 stores one number for a row instead of two: m + log l, the log-sum-exp.",
)


# --- 2. merge_partials ------------------------------------------------------------------------


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


# --- 3. flash_forward -------------------------------------------------------------------------

PEAK_BYTES = 1_000_000  # the 1,500 x 1,500 scores are 18 MB in float64, one panel of 256 x 1,500 is 3 MB


def _flash_forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                   causal: bool = False) -> tuple[np.ndarray, np.ndarray]:
    return flash.flash_forward(q, k, v, block_q, block_k, causal)


def _forward(*, scale: Callable = np.sqrt, top_left: bool = False, full_mask: str = "never", skip: bool = True,
             step: Callable | None = None, finish: Callable | None = None, ragged: bool = True,
             in_place: bool = False, masked: bool = True, mask_value: float = NEG_INF, float_mask: bool = False) -> Callable:
    """A forward pass, Q outside, with one mistake; with its defaults it is right.

    step(m, l, acc, s, v) gives the new m, l, acc; finish(m, l, acc) gives o and lse of a query tile.
    full_mask: "never", "causal" (only then) or "always".
    """
    step, finish = step or _right_step, finish or _right_finish

    def flash_forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                      causal: bool = False) -> tuple[np.ndarray, np.ndarray]:
        n_q, n_k = len(q), len(k)
        offset = 0 if top_left else n_k - n_q
        hidden = None
        if full_mask == "always" or (causal and full_mask == "causal"):
            hidden = np.arange(n_k)[None, :] > offset + np.arange(n_q)[:, None]
            hidden = np.where(hidden, 1.0, 0.0) == 1 if float_mask else hidden
        o, lse = np.zeros((n_q, v.shape[1])), np.zeros(n_q)
        last_q, last_k = (n_q, n_k) if ragged else (n_q // block_q * block_q, n_k // block_k * block_k)
        for i in range(0, last_q, block_q):
            qi = q[i:i + block_q]
            if in_place:
                qi /= scale(q.shape[1])
            else:
                qi = qi / scale(q.shape[1])
            m, l, acc = np.full(len(qi), NEG_INF), np.zeros(len(qi)), np.zeros((len(qi), v.shape[1]))
            for j in range(0, last_k, block_k):
                if causal and skip and masked and j > offset + i + len(qi) - 1:
                    break
                s = qi @ k[j:j + block_k].T
                if causal and masked:
                    tile = np.arange(j, j + s.shape[1]) > offset + np.arange(i, i + len(qi))[:, None]
                    s[tile if hidden is None else hidden[i:i + block_q, j:j + block_k]] = mask_value
                m, l, acc = step(m, l, acc, s, v[j:j + block_k])
            o[i:i + block_q], lse[i:i + block_q] = finish(m, l, acc)
        return o, lse

    return flash_forward


def _right_step(m: np.ndarray, l: np.ndarray, acc: np.ndarray, s: np.ndarray, v: np.ndarray) -> tuple:
    m_new = np.maximum(m, s.max(axis=1))
    p, keep = np.exp(s - m_new[:, None]), np.exp(m - m_new)
    return m_new, keep * l + p.sum(axis=1), keep[:, None] * acc + p @ v


def _right_finish(m: np.ndarray, l: np.ndarray, acc: np.ndarray) -> tuple:
    return acc / l[:, None], m + np.log(l)


def _step(*, rescale_l: bool = True, rescale_acc: bool = True, divide: str = "", block_max: bool = False,
          shift: bool = True) -> Callable:
    """A step with one mistake."""

    def step(m: np.ndarray, l: np.ndarray, acc: np.ndarray, s: np.ndarray, v: np.ndarray) -> tuple:
        m_new = np.maximum(m, s.max(axis=1)) if shift else np.zeros(len(s))
        p = np.exp(s - (s.max(axis=1) if block_max else m_new)[:, None])
        keep = np.exp(m - m_new) if shift else np.ones(len(s))
        l_new = (keep if rescale_l else 1) * l + p.sum(axis=1)
        by = {"": 1, "tile": p.sum(axis=1)[:, None], "running": l_new[:, None]}[divide]
        return m_new, l_new, (keep[:, None] if rescale_acc else 1) * acc + p @ v / by

    return step


def _whole(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """Standard attention: right numbers, with all scores at once."""
    s = q @ k.T / np.sqrt(q.shape[1])
    if causal:
        s[np.arange(len(k)) > len(k) - len(q) + np.arange(len(q))[:, None]] = NEG_INF
    m = s.max(axis=1)
    p = np.exp(s - m[:, None])
    return p @ v / p.sum(axis=1)[:, None], m + np.log(p.sum(axis=1))


def _whole_unseen(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    return _whole(np.asarray(q), np.asarray(k), np.asarray(v), block_q, block_k, causal)


def _whole_torch(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    q, k, v = (torch.from_numpy(np.asarray(a)) for a in (q, k, v))
    s = q @ k.T / q.shape[1] ** 0.5
    if causal:
        s = s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(len(k) - len(q) + 1), NEG_INF)
    return torch.softmax(s, dim=1) @ v, torch.logsumexp(s, dim=1)


def _rows_at_once(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """A tile of queries against all keys that its last row may see: no running maximum is needed."""
    o, lse = np.zeros((len(q), v.shape[1])), np.zeros(len(q))
    offset = len(k) - len(q)
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))
        seen = offset + rows.stop if causal else len(k)
        s = q[rows] @ k[:seen].T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(seen) > offset + np.arange(i, rows.stop)[:, None]] = NEG_INF
        m = s.max(axis=1)
        p = np.exp(s - m[:, None])
        o[rows], lse[rows] = p @ v[:seen] / p.sum(axis=1)[:, None], m + np.log(p.sum(axis=1))
    return o, lse


def _columns_at_once(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                     causal: bool = False) -> tuple:
    """All queries against one tile of keys."""
    m, l, acc = np.full(len(q), NEG_INF), np.zeros(len(q)), np.zeros((len(q), v.shape[1]))
    for j in range(0, len(k), block_k):
        s = q @ k[j:j + block_k].T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(j, j + s.shape[1]) > len(k) - len(q) + np.arange(len(q))[:, None]] = NEG_INF
        m, l, acc = _right_step(m, l, acc, s, v[j:j + block_k])
    return _right_finish(m, l, acc)


def _keys_outside(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """The loop order of 2022: o, l and m are kept for all rows and o is normalised at each step."""
    o, l, m = np.zeros((len(q), v.shape[1])), np.zeros(len(q)), np.full(len(q), NEG_INF)
    offset = len(k) - len(q)
    for j in range(0, len(k), block_k):
        for i in range(0, len(q), block_q):
            rows, cols = slice(i, min(i + block_q, len(q))), slice(j, min(j + block_k, len(k)))
            if causal and cols.start > offset + rows.stop - 1:
                continue
            s = np.dot(q[rows], k[cols].T) / np.sqrt(q.shape[1])
            if causal:
                s += np.where(np.arange(j, cols.stop) > offset + np.arange(i, rows.stop)[:, None], NEG_INF, 0)
            m_new = np.maximum(m[rows], s.max(axis=1))
            p, kept = np.exp(s - m_new[:, None]), l[rows] * np.exp(m[rows] - m_new)
            l_new = kept + p.sum(axis=1)
            o[rows] = (kept[:, None] * o[rows] + p @ v[cols]) / l_new[:, None]
            l[rows], m[rows] = l_new, m_new
    return o, m + np.log(l)


def _halves(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """A query tile's keys are split in halves until a half fits; the parts are merged on the way back."""
    offset = len(k) - len(q)

    def part(i: int, qi: np.ndarray, start: int, stop: int) -> tuple:
        if causal and start > offset + i + len(qi) - 1:
            return np.zeros((len(qi), v.shape[1])), np.full(len(qi), NEG_INF)
        if stop - start > block_k:
            middle = (start + stop) // 2
            return merge.merge_pair(*part(i, qi, start, middle), *part(i, qi, middle, stop))
        s = qi @ k[start:stop].T
        if causal:
            s[np.arange(start, stop) > offset + np.arange(i, i + len(qi))[:, None]] = NEG_INF
        top = s.max(axis=1)
        p = np.exp(s - np.where(top > NEG_INF, top, 0)[:, None])
        l = p.sum(axis=1)
        return p @ v[start:stop] / np.where(l > 0, l, 1)[:, None], top + np.log(np.where(l > 0, l, 1))

    tiles = [part(i, q[i:i + block_q] / np.sqrt(q.shape[1]), 0, len(k)) for i in range(0, len(q), block_q)]
    return np.concatenate([o for o, _ in tiles]), np.concatenate([lse for _, lse in tiles])


def _torch_tiles(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """Tiles in torch, with one running log-sum-exp instead of m and l."""
    q, k, v = (torch.from_numpy(np.asarray(a, np.float64)) for a in (q, k, v))
    offset, tiles = len(k) - len(q), []
    for i, qi in zip(range(0, len(q), block_q), q.split(block_q)):
        lse, o = torch.full((len(qi),), NEG_INF, dtype=q.dtype), torch.zeros(len(qi), v.shape[1], dtype=q.dtype)
        for j in range(0, len(k), block_k):
            if causal and j >= offset + i + len(qi):
                break
            s = qi @ k[j:j + block_k].T / q.shape[1] ** 0.5
            if causal:
                s = s.masked_fill(torch.arange(j, j + s.shape[1]) > offset + torch.arange(i, i + len(qi))[:, None], NEG_INF)
            new = torch.logaddexp(lse, s.logsumexp(dim=1))
            o = torch.exp(lse - new)[:, None] * o + torch.exp(s - new[:, None]) @ v[j:j + block_k]
            lse = new
        tiles.append((o, lse))
    return torch.cat([o for o, _ in tiles]), torch.cat([lse for _, lse in tiles])


def _ready_made(tree: ast.AST) -> str | None:
    """A library's attention would do the whole exercise."""
    banned = ("scaled_dot_product", "flex_attention", "multi_head_attention", "multiheadattention")
    for node in ast.walk(tree):
        name = (node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name)
                else node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value
                else node.name if isinstance(node, ast.alias) else "")
        if any(word in name.lower() for word in banned):
            return f"`{name}` does the work for you. Write the loops over the tiles yourself."
    return None


def _random_qkv(rng: np.random.Generator, n_q: int, n_k: int, d: int, dv: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rng.standard_normal((n_q, d)), rng.standard_normal((n_k, d)), rng.standard_normal((n_k, dv))


def _attend(n_q: int, n_k: int, d: int, dv: int, block_q: int, block_k: int, causal: bool = False, *, grow: float = 1.0,
            dtype: type = np.float64, seed: int = 0, **case: Any) -> Case:
    q, k, v = _random_qkv(np.random.default_rng(seed), n_q, n_k, d, dv)
    label = case.pop("label", "") or (f"{n_q} queries, {n_k} keys, d = {d}, dv = {dv}, tiles of {block_q} × {block_k}"
                                      + (", causal" if causal else ""))
    return Case((q * grow).astype(dtype), k.astype(dtype), v.astype(dtype), block_q, block_k, causal, label=label, **case)


def _draw_attention(rng: np.random.Generator) -> Case:
    causal = bool(rng.integers(2))
    n_k = int(rng.integers(1, 21))
    n_q = int(rng.integers(1, (n_k if causal else 20) + 1))
    d, dv, block_q, block_k = (int(rng.integers(1, top)) for top in (7, 7, 24, 24))
    return _attend(n_q, n_k, d, dv, block_q, block_k, causal, grow=float(rng.choice([1.0, 8.0])),
                   seed=int(rng.integers(2**31)))


def _peak(case: Case, expected: dict, got: dict) -> str | None:
    peak = _held(got)
    return None if peak <= PEAK_BYTES else f"{peak / 1e6:.1f} MB at the peak, at most {PEAK_BYTES / 1e6:.0f} MB are allowed"


def _held(got: dict) -> int:
    return max(got["peak_bytes"], got["largest_tensor_bytes"])


def _both_over(one: dict, other: dict, case: Case) -> str | None:
    """Both within the limit, both somewhat above it (a panel, a mask of bytes), or both with a whole float matrix."""
    steps = [sum(_held(told) > step for step in (PEAK_BYTES, 15e6)) for told in (one, other)]
    return None if steps[0] == steps[1] else "differs"


def _within_a_tile(case: Case, expected: dict, got: dict) -> str | None:
    most = case.kwargs["block_q"] * case.kwargs["block_k"]
    return None if got["largest_product"] <= most else (
        f"one product gave {got['largest_product']:,} numbers, a tile has {most:,}")


def _both_wider(one: dict, other: dict, case: Case) -> str | None:
    wider = [_within_a_tile(case, {}, told) is not None for told in (one, other)]
    return None if wider[0] == wider[1] else "differs"


def _no_more_tiles(case: Case, expected: dict, got: dict) -> str | None:
    return None if got["used"] <= expected["used"] else (
        f"{got['used']} of {got['tiles']} tiles were used, {expected['used']} hold a visible key")


def _peak_case(block_q: int, block_k: int, causal: bool = False) -> Case:
    return _attend(1500, 1500, 4, 4, block_q, block_k, causal, probe="ch46_flash_attention.peak_memory",
                   compare=prop(_peak, same=_both_over),
                   label=f"memory: N = 1,500, d = 4, tiles of {block_q} × {block_k}{', causal' if causal else ''}")


def show_attention(value: Any) -> str:
    """What a limit case measured in words; other values as usual."""
    if isinstance(value, dict) and "peak_bytes" in value:
        return f"{_held(value) / 1e6:.2f} MB"
    if isinstance(value, dict) and "largest_product" in value:
        return f"{value['largest_product']:,} numbers"
    if isinstance(value, dict) and "used" in value:
        return f"{value['used']} tiles"
    return brief(value)


_Q = np.array([[1.0, 0], [0, 1], [1, 1]])
_K = np.array([[1.0, 0], [0, 1], [0, 0]])
_V = np.array([[1.0, 0], [0, 1], [1, 1]])

flash_forward = Exercise(
    id="46.flash_forward", points=6, difficulty=3, minutes=30, idea="exact attention, one tile at a time",
    reference=_flash_forward,
    cases=[
        Case(_Q, _K, _V, 2, 2, label="the 3 × 3 example, tiles of 2 × 2"),
        Case(_Q, _K, _V, 2, 2, True, label="the same, causal"),
        _attend(5, 7, 4, 3, 2, 3),
        _attend(1, 10, 4, 4, 2, 4, True, label="one new query behind 10 keys, tiles of 2 × 4, causal"),
    ],
    hidden=[
        _attend(8, 8, 4, 4, 8, 8), _attend(6, 9, 3, 5, 4, 2, True), _attend(7, 7, 5, 2, 1, 1, True),
        _attend(4, 4, 2, 2, 100, 100, True), _attend(9, 13, 4, 4, 5, 3, True),
        _attend(12, 12, 8, 8, 4, 4, grow=50, dtype=np.float32, compare=close(atol=5e-3),
                label="float32, scores of some hundred"),
        _attend(10, 12, 4, 3, 4, 5, grow=2000, label="scores of some thousand"),
        Case(np.full((4, 1), 100.0), np.array([[-100.0], [99], [100], [-99], [98]]), np.arange(10.0).reshape(5, 2), 2, 1,
             label="scores between −10,000 and 10,000"),
        Case(np.full((2, 1), -100.0), np.array([[100.0], [99.99], [99.98]]), np.arange(3.0)[:, None], 2, 2, True,
             label="all scores near −10,000, causal"),
    ],
    draw=_draw_attention, draws=40, pure=True, show=show_attention,
    limits=[
        _peak_case(8, 256), _peak_case(256, 8), _peak_case(64, 64, True),
        Case(n_q=40, n_k=50, d=5, dv=6, block_q=16, block_k=12, causal=False, probe="ch46_flash_attention.products",
             compare=prop(_within_a_tile, same=_both_wider),
             label="the largest product: 40 queries, 50 keys, tiles of 16 × 12"),
        Case(n=512, d=8, block_q=64, block_k=64, causal=True, probe="ch46_flash_attention.tiles_used",
             compare=prop(_no_more_tiles, same=exact()), label="tiles used: N = 512, tiles of 64 × 64, causal"),
    ],
    # Scores near 1e4 are rounded at 2e-12, which exp passes on to the weights; outputs are of order 1.
    compare=close(rtol=1e-9, atol=1e-9), forbid=_ready_made, time_limit_s=20,
    misconceptions=[
        Misconception(
            "divides_each_tile", _forward(step=_step(divide="tile"), finish=lambda m, l, acc: (acc, m + np.log(l))),
            "You divide inside the loop, by a sum that is not complete yet. Normalise once, after the last tile. Or undo "
            "the previous normalisation at each step, as the version of 2022 does.",
            "Normalised too early.",
            also=(_forward(step=_step(divide="running"), finish=lambda m, l, acc: (acc, m + np.log(l))),
                  _forward(step=_step(divide="tile")), _forward(step=_step(divide="running")))),
        Misconception(
            "accumulator_not_rescaled", _forward(step=_step(rescale_acc=False)),
            "o and l are sums of the same weights exp(s − m). When m moves, both have to be brought to the new m; you "
            "rescale only l.",
            "The accumulator keeps its old scale."),
        Misconception(
            "l_not_rescaled", _forward(step=_step(rescale_l=False)),
            "o and l are sums of the same weights exp(s − m). When m moves, both have to be brought to the new m; you "
            "rescale only the accumulator.",
            "The normaliser keeps its old scale.",
            also=(_forward(step=_step(rescale_l=False, rescale_acc=False)),)),
        Misconception(
            "tile_maximum", _forward(step=_step(block_max=True)),
            "The weights of a tile are measured against that tile's own maximum, the sums against the running one. Use "
            "the running maximum, this tile included, for both.",
            "Two different maxima."),
        Misconception(
            "wrong_scale", _forward(scale=lambda d: d),
            "Scores are divided by the square root of d: a sum of d products of unit variance has standard deviation √d.",
            "The scale is not 1/√d.",
            also=(_forward(scale=lambda d: 1), _forward(scale=lambda d: 1 / np.sqrt(d)), _forward(scale=lambda d: d**0.25))),
        Misconception(
            "top_left", _forward(top_left=True),
            "You count the positions of the queries from 0. The last query stands at the last key: one new query behind "
            "10 keys must see all 10. Where does the first query stand?",
            "The mask is aligned at the top left."),
        Misconception(
            "no_mask", _forward(masked=False),
            "With `causal` a query sees no later key. Compare the positions of a tile's rows and columns, and give the "
            "hidden scores −inf before the maximum is taken.",
            "The causal mask is missing.",
            also=(_forward(masked=False, top_left=True),)),
        Misconception(
            "full_mask", _forward(full_mask="causal"),
            "The scores come tile by tile, but the mask is built for all N × N places: 2.25 MB for 1,500 tokens, and it "
            "grows with the square. Each tile can make its own from the positions of its rows and columns.",
            "The mask is N × N.",
            also=(_forward(full_mask="causal", skip=False), _forward(full_mask="always"),
                  _forward(full_mask="always", skip=False), _forward(full_mask="always", float_mask=True),
                  _forward(full_mask="causal", float_mask=True), _forward(full_mask="causal", float_mask=True, skip=False))),
        Misconception(
            "finite_mask", _forward(mask_value=-1e4),
            "Hidden scores get a large negative number instead of −inf. Real scores may be as low as that, and then hidden "
            "keys take part: look at scores near −10,000.",
            "The mask is not low enough.",
            also=(_forward(mask_value=-1e4, skip=False), _forward(mask_value=-1e3), _forward(mask_value=-1e3, skip=False))),
        Misconception(
            "whole_matrix", _whole,
            "The numbers are right, and they come from all scores at once. That is the matrix which FlashAttention never "
            "makes. Loop over tiles of block_q queries and block_k keys.",
            "The whole score matrix is there.", also=(_whole_unseen, _whole_torch)),
        Misconception(
            "panel", _rows_at_once,
            "One of the two loops is missing: a product runs over all keys (or all queries) at once, so it grows with N. "
            "On chip there is room for one tile of block_q × block_k. Loop over both.",
            "A panel instead of a tile.",
            also=(_columns_at_once, lambda q, k, v, *rest: _rows_at_once(*map(np.asarray, (q, k, v)), *rest))),
        Misconception(
            "no_skip", _forward(skip=False),
            "The result is right, but tiles in which no key is visible are computed and masked away. They are nearly half "
            "of all. Compare the tile's first key with its last query before you touch it.",
            "Masked tiles are computed."),
        Misconception(
            "lse_without_log", _forward(finish=lambda m, l, acc: (acc / l[:, None], m + l)),
            "o is right, lse is not. Σ exp(s) is exp(m) · l, and lse is the logarithm of that product. Which part of it "
            "did you take the logarithm of?",
            "lse is not the log of the sum.",
            also=(_forward(finish=lambda m, l, acc: (acc / l[:, None], m)),
                  _forward(finish=lambda m, l, acc: (acc / l[:, None], np.log(l))),
                  _forward(finish=lambda m, l, acc: (acc / l[:, None], l)))),
        Misconception(
            "no_maximum", _forward(step=_step(shift=False)),
            "Without a maximum to subtract, exp overflows at scores of 710 in float64 and of 89 in float32. Small scores "
            "hide it.",
            "exp overflows."),
        Misconception(
            "drops_last_tile", _forward(ragged=False),
            "N need not be a multiple of the block size. The last tile may be shorter, and yours is left out. Let the "
            "loops run to N and the slices end early.",
            "The last tile is missing."),
        Misconception(
            "output_alone", lambda *args: _forward()(*args)[0],
            "o alone is returned. The caller needs lse as well: for the merge of parts, and for the backward pass. Return "
            "the pair (o, lse).",
            "lse is missing."),
        Misconception(
            "changes_q", _forward(in_place=True),
            "A slice of an array is a view: scaling it in place changes the caller's q. Make a new array for the scaled "
            "tile.",
            "The caller's q was changed."),
    ],
    alternatives=[_keys_outside, _halves, _torch_tiles],
    hints=(
        "For a tile of queries keep three things: m and l as in exercise 1, one for each row, and an accumulator of shape "
        "(rows, dv) for the sum of exp(s − m)·v.",
        "When m moves to m_new, multiply both l and the accumulator by exp(m − m_new). Divide by l once, after the last tile.",
        "Query i stands at position Nk − Nq + i. Skip a key tile if its first key lies behind the tile's last query; "
        "otherwise set the hidden scores of the tile to −inf.",
    ),
    worth_knowing="Block sizes change the order of additions only: o and lse stay the same to the last few bits.",
)


# --- 4. attention_hbm_elements ----------------------------------------------------------------


def _traffic(*, standard: Callable | None = None, flash1: Callable | None = None, flash2: Callable | None = None,
             causal_flash2: Callable | None = None, causal_factor: float = 1, item_bytes: int = 1) -> Callable:
    """A counter with some of its formulas replaced; each takes (n, d, block_q, block_k)."""
    formulas = {"standard": standard, "flash1": flash1, "flash2": flash2}

    def counter(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> float:
        right = hbm.attention_hbm_elements(n, d, block_q, block_k, algorithm, causal)
        formula = causal_flash2 if causal and algorithm == "flash2" else formulas[algorithm]
        if causal and causal_factor != 1:
            return int(causal_factor * hbm.attention_hbm_elements(n, d, block_q, block_k, algorithm))
        return item_bytes * (right if formula is None else formula(n, d, block_q, block_k))

    return counter


def _count_loops(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> int:
    """Goes through the loops and adds up what each step moves."""
    if block_q < 1 or block_k < 1:
        raise ValueError(f"block sizes must be >= 1, got {block_q} and {block_k}")
    q_tiles = [min(block_q, n - i) for i in range(0, n, block_q)]
    k_tiles = [min(block_k, n - j) for j in range(0, n, block_k)]
    if algorithm == "standard":
        return 3 * n * d + n * n + n * n + n * n + n * n + n * d
    moved = 0
    if algorithm == "flash1":
        moved += n * d + n + n
        for c in k_tiles:
            moved += 2 * c * d + sum(r * d + 2 * (r * d + 2 * r) for r in q_tiles)
        return moved
    if algorithm != "flash2":
        raise ValueError(f"algorithm must be standard, flash1 or flash2, got {algorithm!r}")
    last = -1
    for r in q_tiles:
        last += r
        first = 0
        for c in k_tiles:
            moved += 2 * c * d if first <= last or not causal else 0
            first += c
        moved += 2 * r * d + r
    return moved


def _count_by_running(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> int:
    """Runs the algorithms on zeros with a meter."""
    from utils.attention.standard import standard_attention

    meter, x = hbm.HBM(), np.zeros((n, d))
    if block_q < 1 or block_k < 1:
        raise ValueError("block sizes must be >= 1")
    if algorithm == "standard":
        standard_attention(x, x, x, hbm=meter)
    elif algorithm == "flash1":
        flash.flash_forward_v1(x, x, x, block_q, block_k, meter)
    elif algorithm == "flash2":
        flash.flash_forward(x, x, x, block_q, block_k, causal, hbm=meter)
    else:
        raise ValueError("unknown algorithm")
    return meter.elements


def _closed_form(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> int:
    """Whole tiles by formula, the ragged last one apart."""
    if min(block_q, block_k) < 1 or algorithm not in ("standard", "flash1", "flash2"):
        raise ValueError("block sizes must be >= 1 and the algorithm known")
    if algorithm == "standard":
        return 4 * n * (n + d)
    if algorithm == "flash1":
        return 3 * n * d + 2 * n + ceil(n / block_k) * n * (3 * d + 4)
    keys = [n] * ceil(n / block_q)
    if causal:
        keys = [min(n, ceil(min(n, (i + 1) * block_q) / block_k) * block_k) for i in range(len(keys))]
    return 2 * n * d + n + 2 * d * sum(keys)


def _floor_flash1(n: int, d: int, block_q: int, block_k: int) -> int:
    return 3 * n * d + 2 * n + n // block_k * (3 * n * d + 4 * n)


def _floor_flash2(n: int, d: int, block_q: int, block_k: int) -> int:
    return 2 * n * d + n + 2 * n * d * (n // block_q)


def _floor_causal(n: int, d: int, block_q: int, block_k: int) -> int:
    """Whole tiles only, in both directions."""
    return 2 * n * d + n + sum(2 * d * min(n // block_k, ceil((i + 1) * block_q / block_k)) * block_k
                               for i in range(n // block_q))


def _visible_only(n: int, d: int, block_q: int, block_k: int) -> int:
    """Loads keys up to the tile's last query, not whole tiles."""
    return 2 * n * d + n + sum(2 * d * min(n, i + block_q) for i in range(0, n, block_q))


def _without_diagonal(n: int, d: int, block_q: int, block_k: int) -> int:
    """Loads only tiles that are visible altogether."""
    return 2 * n * d + n + sum(2 * d * ((i + 1) // block_k) * block_k for i in range(0, n, block_q))


def _flash2_formula(n: int, d: int, block_q: int, block_k: int) -> int:
    return hbm.attention_hbm_elements(n, d, block_q, block_k, "flash2")


def _flash1_formula(n: int, d: int, block_q: int, block_k: int) -> int:
    return hbm.attention_hbm_elements(n, d, block_q, block_k, "flash1")


def _draw_traffic(rng: np.random.Generator) -> Case:
    n, d = int(rng.integers(1, 70)), int(rng.integers(1, 20))
    algorithm = str(rng.choice(["standard", "flash1", "flash2", "flash2"]))
    return Case(n, d, int(rng.integers(1, 24)), int(rng.integers(1, 24)), algorithm, bool(rng.integers(2)))


attention_hbm_elements = Exercise(
    id="46.attention_hbm_elements", points=4, difficulty=2, minutes=20, idea="count what crosses the memory boundary",
    reference=hbm.attention_hbm_elements,
    cases=[
        Case(8, 4, 2, 2, "standard"), Case(8, 4, 2, 2, "flash1"), Case(8, 4, 2, 2, "flash2"),
        Case(8, 4, 2, 2, "flash2", True), Case(1024, 64, 128, 64, "flash2", True), Case(1024, 64, 64, 384, "flash1"),
    ],
    hidden=[
        Case(1024, 64, 128, 64, "standard"), Case(1024, 64, 128, 64, "flash2"), Case(67, 16, 16, 8, "flash1"),
        Case(67, 16, 16, 8, "flash2"), Case(67, 16, 16, 8, "flash2", True), Case(67, 16, 8, 16, "flash2", True),
        Case(10, 4, 3, 7, "flash2", True), Case(5, 3, 20, 30, "flash1"), Case(5, 3, 20, 30, "flash2"),
        Case(5, 3, 20, 30, "flash2", True), Case(1, 1, 1, 1, "standard"), Case(1, 1, 1, 1, "flash1"),
        Case(1, 1, 1, 1, "flash2", True), Case(12, 4, 3, 2, "standard", True), Case(12, 4, 3, 2, "flash1", True),
        Case(12, 4, 2, 3, "flash2", causal=True),
    ],
    draw=_draw_traffic, draws=40,
    raises=[Case(8, 4, 0, 2, "flash2"), Case(8, 4, 2, 0, "flash1"), Case(8, 4, 0, 2, "standard"), Case(8, 4, 2, -1, "standard"),
            Case(8, 4, -2, 2, "flash1"), Case(8, 4, 2, 2, "flash9"), Case(8, 4, 2, 2, "")],
    compare=exact(),
    misconceptions=[
        Misconception(
            "half_for_causal", _traffic(causal_flash2=lambda *a: _flash2_formula(*a) // 2),
            "Q, O and lse still move in full, and a tile on the diagonal is loaded whole. Only K and V of skipped tiles are "
            "saved. Go through the query tiles one by one: up to which key tile does each go?",
            "Causal is not half of everything.",
            also=(_traffic(causal_flash2=lambda *a: _flash2_formula(*a) / 2),
                  _traffic(causal_factor=0.5),
                  _traffic(causal_flash2=lambda n, d, r, c: 2 * n * d + n + n * d * ceil(n / r)))),
        Misconception(
            "visible_keys_only", _traffic(causal_flash2=_visible_only),
            "A tile is loaded whole or not at all. You stop at the last visible key; the tile that it lies in still comes "
            "with all its keys.",
            "Partly visible tiles are whole.",
            also=(_traffic(causal_flash2=_without_diagonal),)),
        Misconception(
            "no_skip", _traffic(causal_flash2=_flash2_formula),
            "With `causal`, a query tile needs no key tile that begins behind its last query. Those tiles are never "
            "loaded, and you count them.",
            "Nothing is skipped."),
        Misconception(
            "floor_of_tiles", _traffic(flash1=_floor_flash1, flash2=_floor_flash2),
            "N / block is not always whole. A last, shorter tile is a pass over the data like the others: round the number "
            "of tiles up.",
            "The last tile is not counted.",
            also=(_traffic(flash1=_floor_flash1, flash2=_floor_flash2, causal_flash2=_floor_causal),
                  _traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + n / c * (3 * n * d + 4 * n),
                           flash2=lambda n, d, r, c: 2 * n * d + n + 2 * n * d * n / r),
                  _traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + int(n / c * (3 * n * d + 4 * n)),
                           flash2=lambda n, d, r, c: 2 * n * d + n + int(2 * n * d * n / r)))),
        Misconception(
            "scores_in_memory", _traffic(flash1=lambda n, *a: _flash1_formula(n, *a) + 2 * n * n,
                                         flash2=lambda n, *a: _flash2_formula(n, *a) + 2 * n * n),
            "You count the scores for the flash algorithms as well. A tile of S is made on chip, used and thrown away: it "
            "never crosses the boundary.",
            "S stays on chip.",
            also=(_traffic(flash1=lambda n, *a: _flash1_formula(n, *a) + 4 * n * n,
                           flash2=lambda n, *a: _flash2_formula(n, *a) + 4 * n * n),
                  _traffic(flash1=lambda n, *a: _flash1_formula(n, *a) + n * n,
                           flash2=lambda n, *a: _flash2_formula(n, *a) + n * n))),
        Misconception(
            "three_n_squared", _traffic(standard=lambda n, d, r, c: 3 * n * n + 4 * n * d),
            "S is written and read back, and so is P. That makes four passes over an N × N matrix.",
            "A pass over N × N is missing.",
            also=(_traffic(standard=lambda n, d, r, c: 2 * n * n + 4 * n * d),
                  _traffic(standard=lambda n, d, r, c: n * n + 4 * n * d))),
        Misconception(
            "bytes", _traffic(item_bytes=2),
            "This is the number of bytes in FP16. Asked is the number of elements, whatever their size.",
            "You count bytes.", also=(_traffic(item_bytes=4), _traffic(item_bytes=8))),
        Misconception(
            "keys_read_once", _traffic(flash2=lambda n, d, r, c: 4 * n * d + n, causal_flash2=lambda n, d, r, c: 4 * n * d + n),
            "For `flash2` the loop over queries is outside. Each query tile goes through the keys again, so K and V are "
            "read as often as there are query tiles.",
            "K and V are read again.", also=(_traffic(flash2=lambda n, d, r, c: 4 * n * d + n),)),
        Misconception(
            "output_moves_once", _traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + ceil(n / c) * n * d),
            "For `flash1` the keys are outside. At each key tile every row of O, l and m comes in and goes out again, "
            "because the next tile may change it.",
            "O, l and m move every time.",
            also=(_traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + ceil(n / c) * (2 * n * d + 2 * n)),)),
    ],
    alternatives=[_count_loops, _count_by_running, _closed_form],
    hints=(
        "Write the two loops down and note beside each line what is loaded or stored. Then multiply by how often the line runs.",
        "flash1: with T key tiles, (N·d + 2N) for the start, 2·N·d for K and V, and T times (3·N·d + 4·N).",
        "Causal flash2: a query tile that ends before row e needs the key tiles that begin before e. They hold "
        "ceil(e / block_k)·block_k keys, but never more than n.",
    ),
    worth_knowing="At tiles of 2 × 2 flash1 moves more than standard attention. The gain comes from tiles that are large.",
)


# --- 5. flash_backward ------------------------------------------------------------------------


def _flash_backward(q: np.ndarray, k: np.ndarray, v: np.ndarray, o: np.ndarray, do: np.ndarray, lse: np.ndarray,
                    block_q: int, block_k: int, causal: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return flash.flash_backward(q, k, v, o, do, lse, block_q, block_k, causal)


def _backward(*, delta: str = "row", scale_dq: bool = True, scale_dk: bool = True, weights: str = "lse",
              dq_overwritten: bool = False, dk_overwritten: bool = False, masked: bool = True,
              score_scale: Callable = np.sqrt, full_mask: str = "never") -> Callable:
    """A backward pass, K outside, with one mistake; with its defaults it is right. full_mask as in `_forward`."""

    def flash_backward(q, k, v, o, do, lse, block_q, block_k, causal=False):
        n, d = q.shape
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        wanted = full_mask == "always" or (causal and full_mask == "causal")
        hidden = np.triu(np.ones((n, n), bool), 1) if wanted else None
        for j in range(0, n, block_k):
            for i in range(0, n, block_q):
                rows, cols = slice(i, min(i + block_q, n)), slice(j, min(j + block_k, n))
                if causal and masked and j >= rows.stop:
                    continue
                s = q[rows] @ k[cols].T / score_scale(d)
                if causal and masked:
                    s[np.arange(j, cols.stop) > np.arange(i, rows.stop)[:, None] if hidden is None
                      else hidden[rows, cols]] = NEG_INF
                p = _weights(s, lse[rows], weights)
                dp = do[rows] @ v[cols].T
                ds = p * (dp - {"row": (o[rows] * do[rows]).sum(axis=1), "tile": (p * dp).sum(axis=1),
                                "none": np.zeros(len(p)), "o": o[rows].sum(axis=1)}[delta][:, None])
                dv[cols] += p.T @ do[rows]
                new_k, new_q = ds.T @ q[rows], ds @ k[cols]
                dk[cols] = (0 if dk_overwritten else dk[cols]) + new_k / (np.sqrt(d) if scale_dk else 1)
                dq[rows] = (0 if dq_overwritten else dq[rows]) + new_q / (np.sqrt(d) if scale_dq else 1)
        return dq, dk, dv

    return flash_backward


def _weights(s: np.ndarray, lse: np.ndarray, how: str) -> np.ndarray:
    """P of a tile: "lse" is right, "tile" is a softmax of the tile alone, "maximum" lacks the normaliser."""
    if how == "lse":
        return np.exp(s - lse[:, None])
    p = np.exp(s - s.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True) if how == "tile" else p


def _backward_whole(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """All of P at once."""
    s = q @ k.T / np.sqrt(q.shape[1])
    if causal:
        s[np.arange(len(k)) > np.arange(len(q))[:, None]] = NEG_INF
    p = np.exp(s - lse[:, None])
    ds = p * (do @ v.T - (o * do).sum(axis=1)[:, None]) / np.sqrt(q.shape[1])
    return ds @ k, ds.T @ q, p.T @ do


def _backward_torch_whole(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """Autograd through plain attention."""
    q, k, v = (torch.from_numpy(a).requires_grad_() for a in (q, k, v))
    s = q @ k.T / q.shape[1] ** 0.5
    if causal:
        s = s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), NEG_INF)
    return torch.autograd.grad(torch.softmax(s, dim=1) @ v, (q, k, v), torch.from_numpy(do))


def _backward_panel(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """A tile of queries against all keys."""
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))
        s = q[rows] @ k.T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(len(k)) > np.arange(i, rows.stop)[:, None]] = NEG_INF
        p = np.exp(s - lse[rows, None])
        ds = p * (do[rows] @ v.T - (o[rows] * do[rows]).sum(axis=1)[:, None]) / np.sqrt(q.shape[1])
        dq[rows] = ds @ k
        dk += ds.T @ q[rows]
        dv += p.T @ do[rows]
    return dq, dk, dv


def _backward_panel_keys(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """All queries against a tile of keys."""
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for j in range(0, len(k), block_k):
        cols = slice(j, min(j + block_k, len(k)))
        s = q @ k[cols].T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(j, cols.stop) > np.arange(len(q))[:, None]] = NEG_INF
        p = np.exp(s - lse[:, None])
        ds = p * (do @ v[cols].T - (o * do).sum(axis=1)[:, None]) / np.sqrt(q.shape[1])
        dq += ds @ k[cols]
        dk[cols], dv[cols] = ds.T @ q, p.T @ do
    return dq, dk, dv


def _queries_outside(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """The other loop order: dq is finished at once, dk and dv grow."""
    dq, dk, dv = (np.zeros(a.shape) for a in (q, k, v))
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))
        d_row = np.einsum("id,id->i", o[rows], do[rows])
        tile_dq = np.zeros(q[rows].shape)
        for j in range(0, len(k), block_k):
            cols = slice(j, min(j + block_k, len(k)))
            visible = (np.arange(j, cols.stop) <= np.arange(i, rows.stop)[:, None]) | (not causal)
            p = np.exp(np.where(visible, q[rows] @ k[cols].T / np.sqrt(q.shape[1]), NEG_INF) - lse[rows, None])
            ds = p * (do[rows] @ v[cols].T - d_row[:, None]) / np.sqrt(q.shape[1])
            tile_dq += ds @ k[cols]
            dk[cols] += ds.T @ q[rows]
            dv[cols] += p.T @ do[rows]
        dq[rows] = tile_dq
    return dq, dk, dv


def _two_sweeps(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """D is summed over all key tiles in a sweep of its own; o is not needed."""
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))

        def tile(cols: slice, rows: slice = rows) -> tuple[np.ndarray, np.ndarray]:
            s = q[rows] @ k[cols].T / np.sqrt(q.shape[1])
            if causal:
                s[np.arange(cols.start, cols.stop) > np.arange(rows.start, rows.stop)[:, None]] = NEG_INF
            return np.exp(s - lse[rows, None]), do[rows] @ v[cols].T

        all_cols = [slice(j, min(j + block_k, len(k))) for j in range(0, len(k), block_k)]
        d_row = sum((p * dp).sum(axis=1) for p, dp in map(tile, all_cols))
        for cols in all_cols:
            p, dp = tile(cols)
            ds = p * (dp - d_row[:, None]) / np.sqrt(q.shape[1])
            dq[rows] += ds @ k[cols]
            dk[cols] += ds.T @ q[rows]
            dv[cols] += p.T @ do[rows]
    return dq, dk, dv


def _torch_backward(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """Tiles in torch."""
    q, k, v, o, do, lse = (torch.from_numpy(a) for a in (q, k, v, o, do, lse))
    dq, dk, dv = (torch.zeros_like(a) for a in (q, k, v))
    d_row, scale = (o * do).sum(dim=1, keepdim=True), q.shape[1] ** -0.5
    for rows in torch.arange(len(q)).split(block_q):
        for cols in torch.arange(len(k)).split(block_k):
            s = q[rows] @ k[cols].T * scale
            if causal:
                s = s.masked_fill(cols > rows[:, None], NEG_INF)
            p = torch.exp(s - lse[rows, None])
            ds = p * (do[rows] @ v[cols].T - d_row[rows]) * scale
            dq[rows] += ds @ k[cols]
            dk[cols] += ds.T @ q[rows]
            dv[cols] += p.T @ do[rows]
    return dq, dk, dv


def _gradients(n: int, d: int, dv: int, block_q: int, block_k: int, causal: bool = False, *, grow: float = 1.0,
               seed: int = 0, **case: Any) -> Case:
    rng = np.random.default_rng(seed)
    q, k, v = _random_qkv(rng, n, n, d, dv)
    q, do = q * grow, rng.standard_normal((n, dv))
    o, lse = flash.flash_forward(q, k, v, min(n, 256), min(n, 256), causal)
    label = case.pop("label", "") or (f"N = {n}, d = {d}, dv = {dv}, tiles of {block_q} × {block_k}"
                                      + (", causal" if causal else ""))
    return Case(q, k, v, o, do, lse, block_q, block_k, causal, label=label, **case)


def _draw_gradients(rng: np.random.Generator) -> Case:
    n, d, dv, block_q, block_k = (int(rng.integers(1, top)) for top in (16, 7, 7, 19, 19))
    return _gradients(n, d, dv, block_q, block_k, bool(rng.integers(2)), grow=float(rng.choice([1.0, 4.0])),
                      seed=int(rng.integers(2**31)))


def _peak_backward(block_q: int, block_k: int, causal: bool = False) -> Case:
    return _gradients(1500, 4, 4, block_q, block_k, causal, probe="ch46_flash_attention.peak_memory",
                      compare=prop(_peak, same=_both_over),
                      label=f"memory: N = 1,500, d = 4, tiles of {block_q} × {block_k}{', causal' if causal else ''}")


def _identity_case(causal: bool) -> Case:
    eye = np.eye(2)
    o, lse = flash.flash_forward(eye, eye, eye, 1, 1, causal)
    return Case(eye, eye, eye, o, eye, lse, 1, 1, *([True] if causal else []),  # the default once, too
                label="q = k = v = do = the 2 × 2 identity, tiles of 1 × 1" + (", causal" if causal else ""))


flash_backward = Exercise(
    id="46.flash_backward", points=4, difficulty=3, minutes=30, idea="rebuild P from the saved log-sum-exp",
    reference=_flash_backward,
    cases=[_identity_case(False), _identity_case(True), _gradients(5, 4, 3, 2, 3), _gradients(6, 3, 3, 4, 2, True)],
    hidden=[
        _gradients(67, 16, 16, 16, 8), _gradients(50, 16, 16, 64, 7, True), _gradients(1, 8, 8, 4, 4),
        _gradients(8, 4, 4, 8, 8), _gradients(9, 2, 5, 4, 4, True), _gradients(12, 4, 4, 5, 3, grow=30,
                                                                              label="scores of some ten"),
    ],
    draw=_draw_gradients, draws=30, pure=True, show=show_attention,
    limits=[_peak_backward(8, 256), _peak_backward(256, 8), _peak_backward(64, 64, True)],
    compare=close(rtol=1e-9, atol=1e-9), forbid=_ready_made, time_limit_s=20,
    misconceptions=[
        Misconception(
            "no_delta", _backward(delta="none"),
            "Softmax couples a row: raising one score lowers the weights of all others. dS = P∘dP leaves that out. The "
            "row's own weighted mean of dP has to be subtracted first.",
            "The coupling of the row is missing."),
        Misconception(
            "delta_of_a_tile", _backward(delta="tile"),
            "You sum P∘dP over the keys of one tile. The row goes on in the other tiles. There is a way to have the sum "
            "over all keys without visiting them: look at what o and do hold.",
            "D knows one tile only.",
            also=(_backward(delta="o"),)),
        Misconception(
            "no_scale", _backward(scale_dq=False, scale_dk=False),
            "S is Q·Kᵀ divided by √d. So the gradient for Q and for K carries the same factor.",
            "1/√d is missing in a gradient.", also=(_backward(scale_dq=False), _backward(scale_dk=False))),
        Misconception(
            "score_scale", _backward(score_scale=lambda d: 1),
            "P is rebuilt from the scores, and lse was computed from scores divided by √d. Scale them here as well.",
            "The scores are not scaled.", also=(_backward(score_scale=lambda d: d),)),
        Misconception(
            "tile_softmax", _backward(weights="tile"),
            "You rebuild P from the maximum and sum of one tile, so each tile's weights add up to 1. exp(S − lse) is "
            "normalised over the whole row already.",
            "P is normalised by tile.", also=(_backward(weights="maximum"),)),
        Misconception(
            "overwrites", _backward(dq_overwritten=True),
            "A row of dq gets a share from every key tile, a row of dk and dv from every query tile. Yours keeps only the "
            "last share.",
            "A gradient is overwritten.",
            also=(_backward(dk_overwritten=True), _backward(dq_overwritten=True, dk_overwritten=True))),
        Misconception(
            "no_mask", _backward(masked=False),
            "lse was computed without the hidden keys. If they come back here, their weights exp(S − lse) are anything but "
            "0. Mask each tile as in the forward pass.",
            "The causal mask is missing."),
        Misconception(
            "full_mask", _backward(full_mask="causal"),
            "The scores come tile by tile, but the mask is built for all N × N places. Each tile can make its own from "
            "the positions of its rows and columns.",
            "The mask is N × N.", also=(_backward(full_mask="always"),)),
        Misconception(
            "whole_matrix", _backward_whole,
            "The numbers are right, and they come from all of P at once. That is the matrix which the forward pass took "
            "care not to keep. Loop over tiles of block_q queries and block_k keys.",
            "The whole of P is there.", also=(_backward_torch_whole,)),
        Misconception(
            "panel", _backward_panel,
            "One of the two loops is missing: a product runs over all keys (or all queries) at once, so it grows with N. "
            "Loop over both.",
            "A panel instead of a tile.", also=(_backward_panel_keys,)),
    ],
    alternatives=[_queries_outside, _two_sweeps, _torch_backward],
    hints=(
        "Per tile: S from q and k, P = exp(S − lse), dP = do·vᵀ. Then dv gets Pᵀ·do.",
        "dS = P∘(dP − D) with one number D for each row. D = Σ P∘dP over all keys, and that is the same as Σ do∘o over the "
        "row's columns.",
        "dq gets dS·k and dk gets dSᵀ·q, both divided by √d. Add to the slices, do not assign.",
    ),
    worth_knowing="Backward does 5 matrix products a tile, 4 of them needed anyway. Recomputing S costs 25 % more of them.",
)

EXERCISES = [online_softmax, merge_partials, flash_forward, attention_hbm_elements, flash_backward]
