"""Exercise 01.energy_rank: how many directions hold a share of a matrix."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import feasibility

from ...exercise import Case, Exercise, Misconception

SLACK = 1 - 1e-12


def _rank(W: np.ndarray, energy: float, *, power: int = 2, count: int = 1, ascending: bool = False, strict: bool = False,
          values: str = "singular", checks: bool = True, cut: str = "sum") -> int:
    """The rank with one mistake; with its defaults it is right (a loop over the singular values)."""
    if checks and not 0 < energy <= 1:
        raise ValueError("energy must be in (0, 1]")
    if values == "singular":
        s = np.linalg.svd(W, compute_uv=False)
    else:
        s = np.sort(np.abs(np.linalg.eigvals(W)))[::-1]
    squares = sorted(s**power, reverse=not ascending)
    total = sum(squares)
    if not total > 0:
        return 0
    if cut == "each":
        return sum(q >= (1 - energy) * max(squares) and q > 1e-12 * max(squares) for q in squares)
    held = 0.0
    for r, square in enumerate(squares, 1):
        held += square
        if held > energy * total * (1 + 1e-12) if strict else held >= energy * total * SLACK:
            return r - 1 + count
    return len(squares) - 1 + count


def _gram(W: np.ndarray, energy: float) -> int:
    """Eigenvalues of W^T W."""
    if energy <= 0 or energy > 1:
        raise ValueError("energy")
    eig = np.clip(np.linalg.eigvalsh(W.T @ W)[::-1], 0, None)
    if eig.sum() == 0:
        return 0
    return int(np.argmax(np.cumsum(eig) >= energy * eig.sum() * SLACK)) + 1


def _what_is_left(W: np.ndarray, energy: float) -> int:
    """From the other end: drop small directions while what is lost stays within the allowance."""
    if not 0 < energy <= 1:
        raise ValueError("energy")
    s2 = np.square(np.linalg.svd(W)[1])
    if not s2.any():
        return 0
    r, lost, allowed = len(s2), 0.0, s2.sum() * (1 - energy * SLACK)
    while r > 1 and lost + s2[r - 1] <= allowed:
        r -= 1
        lost += s2[r]
    return r


def _zeros_have_rank_one(W: np.ndarray, energy: float, checks: bool = True) -> int:
    return _rank(W, energy, checks=checks) or 1


def _no_slack(W: np.ndarray, energy: float, checks: bool = True) -> int:
    if checks and not 0 < energy <= 1:
        raise ValueError("energy")
    squares = np.linalg.svd(W, compute_uv=False) ** 2
    if squares.sum() == 0:
        return 0
    return int(np.argmax(np.cumsum(squares) >= energy * squares.sum())) + 1


def _draw(rng: np.random.Generator) -> Case:
    """A matrix with a known spectrum, and a share that stays away from its partial sums."""
    m, n = (int(d) for d in rng.integers(1, 8, 2))
    full = min(m, n)
    rank = int(rng.integers(1, full + 1))
    s = np.sort(rng.uniform(0.2, 4, rank))[::-1]
    U, V = (np.linalg.qr(rng.normal(size=(d, rank)))[0] for d in (m, n))
    W = (U * s) @ V.T
    if rng.random() < 0.3:
        return Case(W, 1.0)
    sums = np.concatenate([[0.0], np.cumsum(s**2) / np.sum(s**2)])
    at = int(rng.integers(1, len(sums)))
    low, high = sums[at - 1 : at + 1]
    return Case(W, float(low + (high - low) * rng.uniform(0.02, 0.98)))


def _short(value) -> str:
    """A matrix in a table of cases: small ones in full, others by shape."""
    if isinstance(value, np.ndarray):
        return str(value.tolist()) if value.size <= 6 else f"a matrix {value.shape[0]} × {value.shape[1]}"
    return repr(value)


def _wrong(**how) -> tuple:
    return partial(_rank, **how), partial(_rank, checks=False, **how)


def _misconception(tag: str, message: str, title: str, *hows: dict) -> Misconception:
    answers = [answer for how in hows for answer in _wrong(**how)]
    return Misconception(tag, answers[0], message, title, also=tuple(answers[1:]))


TWO = np.diag([3.0, 4.0])
SHEAR = np.array([[0.0, 5.0], [0.0, 0.0]])
energy_rank = Exercise(
    id="01.energy_rank", points=3, difficulty=2, minutes=10, idea="squared singular values are shares of a matrix",
    reference=feasibility.energy_rank,
    cases=[Case(TWO, 0.6), Case(TWO, 0.65), Case(SHEAR, 1.0)],
    hidden=[
        Case(TWO, 0.64), Case(TWO, 1.0), Case(np.zeros((3, 5)), 0.9), Case(np.zeros((2, 2)), 1.0), Case(np.array([[-7.0]]), 0.5),
        Case(np.ones((4, 6)), 1.0), Case(np.diag([2.0, 1.0, 1.0, 1.0, 1.0]), 0.5), Case(np.diag([1.0, 1.0, 1.0, 1.0]), 0.75),
        Case(1e-9 * np.diag([1.0, 2.0, 2.0]), 0.9), Case(np.arange(12.0).reshape(3, 4), 1.0),
        Case(np.arange(12.0).reshape(4, 3), 1.0),
        Case(np.diag([0.8, 0.1, 0.2, 0.3, 0.2, 0.8, 0.8, 0.6]), 1.0),  # the running sum ends below np.sum's
        Case(np.diag([0.8, 0.6, 0.5, 0.3, 0.3, 0.1, 0.1, 0.1, 0.2, 0.8, 0.6, 0.9]), 1.0),
    ],
    draw=_draw, draws=30,
    raises=[Case(TWO, 0.0), Case(TWO, -0.5), Case(TWO, 1.5), Case(TWO, 1.001)],
    show=_short,
    misconceptions=[
        _misconception(
            "not_squared", "You add up the singular values themselves. The energy is the sum of all squared entries, and "
            "that equals the sum of the *squared* singular values.", "Energy is squared.", {"power": 1}),
        _misconception(
            "index_for_count", "You are one too low. The position of the value that reaches the share starts at 0, and the "
            "number of values up to it is one more.", "An index is not a count.", {"count": 0}),
        _misconception(
            "eigenvalues", "These are eigenvalues of W. They exist for square matrices only, and they can all be 0 while the "
            "matrix is not. Which values does every matrix have?", "Use singular values.", {"values": "eigen"}),
        _misconception(
            "strict", "You ask for more than the share. Reaching it is enough, and with the share 1.0 nothing could ever be "
            "more.", "Reaching the share is enough.", {"strict": True}),
        _misconception(
            "smallest_first", "You begin with the smallest values. The smallest r comes from the largest ones. Look at the "
            "order in which your function returns them.", "The largest come first.", {"ascending": True}),
        _misconception(
            "threshold_for_each", "You compare each value with a threshold. The share belongs to the sum of the first r values.",
            "The share is that of a sum.", {"cut": "each"}),
        Misconception(
            "no_slack", _no_slack,
            "With the share 1.0 your comparison hangs on rounding: a running sum and `np.sum` may differ in the last bit, and then "
            "no r reaches the total. Leave the slack that the task names.",
            "The last bit decides.", also=(partial(_no_slack, checks=False),)),
        Misconception(
            "rank_of_zeros", _zeros_have_rank_one,
            "A matrix of zeros has no direction at all, so r is 0. Its total is 0: a division gives NaN, and a search finds the "
            "first position.",
            "Zeros have rank 0.",
            also=(partial(_zeros_have_rank_one, checks=False),)),
        Misconception(
            "accepts_any_share", partial(_rank, checks=False),
            "The ranks are right, but a share outside (0, 1] must end in a ValueError.",
            "Bad shares are accepted."),
    ],
    alternatives=[_rank, _gram, _what_is_left],
    hints=(
        "`np.linalg.svd(W, compute_uv=False)` gives the singular values, the largest first.",
        "Square them, add them up one after another, and compare the sums with the share of the total.",
        "Multiply the wanted sum by (1 − 1e-12) before you compare. What is the total of a zero matrix?",
    ),
    worth_knowing="A product of two thin matrices of rank r stores r·(m + n) values instead of m·n. Chapter 37 does it.",
)
