"""Exercise 46.online_softmax: maximum and sum of a softmax in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.attention import merge

from ...compare import close
from ...exercise import Case, Exercise, Misconception
from .shared import NEG_INF


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
