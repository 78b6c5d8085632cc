"""Exercise 54.equalize_pair: equal ranges in two layers, the same function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from utils.compression import quant_methods

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _signed(W: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(W.max(axis=axis))


def _absolute(W: np.ndarray, axis: int) -> np.ndarray:
    return np.max(np.abs(W), axis=axis)


def _norm(W: np.ndarray, axis: int) -> np.ndarray:
    return np.linalg.norm(W, axis=axis)


def _mean(W: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(W).mean(axis=axis)


def _equal(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, *, reach: Callable = _absolute, root: float = 0.5,
           bias: str = "divide", rows: bool = False, upside_down: bool = False, safe: str = "one", whole: bool = False,
           second: bool = True, in_place: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pair with one mistake; with its defaults it is right (an independent formulation)."""
    r1, r2 = reach(W1, 1), reach(W2, 1 if rows else 0)
    if whole:
        r1, r2 = np.full_like(r1, r1.max()), np.full_like(r2, r2.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.power(r1 / r2, root)
    if safe == "one":
        s = np.where((r1 == 0) | (r2 == 0), 1.0, s)
    elif safe == "eps":
        s = np.sqrt((r1 + 1e-8) / (r2 + 1e-8)) if root == 0.5 else s
    elif safe == "half":
        s = np.where(r2 == 0, 1.0, s)
    s = 1 / s if upside_down else s
    if in_place:
        W1 /= s[:, None]
        W2 *= s
        b1 /= s
        return W1, b1, W2
    b = {"divide": b1 / s, "keep": b1, "multiply": b1 * s}[bias]
    other = W2 * s[:, None] if rows else W2 * s[None, :]
    return W1 / s[:, None], b, other if second else W2


def _by_loop(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    A, c, B = W1.astype(float), b1.astype(float), W2.astype(float)
    for i in range(len(A)):
        into, out = max(abs(v) for v in W1[i]), max(abs(v) for v in W2[:, i])
        if into and out:
            target = (into * out) ** 0.5  # both ranges end here
            A[i], c[i], B[:, i] = A[i] * (target / into), c[i] * (target / into), B[:, i] * (target / out)
    return A, c, B


def _by_matrices(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r1, r2 = np.abs(W1).max(1), np.abs(W2).max(0)
    alive = np.minimum(r1, r2) > 0
    s = np.ones(len(r1))
    s[alive] = (1 / r2[alive]) * np.sqrt(r1[alive] * r2[alive])
    S, inverse = np.diag(s), np.diag(1 / s)
    return inverse @ W1, inverse @ b1, W2 @ S


def _draw(rng: np.random.Generator) -> Case:
    d, h, o = (int(n) for n in rng.integers(1, 7, 3))
    if rng.random() < 0.3:
        o = h  # a square second matrix: rows and columns are easily confused
    W1 = rng.normal(size=(h, d)) * 10 ** rng.uniform(-1.5, 1.5, (h, 1))
    b1, W2 = rng.normal(size=h) * 3, rng.normal(size=(o, h)) * 10 ** rng.uniform(-1, 1, h)
    if rng.random() < 0.3:
        W1[int(rng.integers(h))] = 0
    if rng.random() < 0.3:
        W2[:, int(rng.integers(h))] = 0
    return Case(W1, b1, W2, label=f"random layers {d} → {h} → {o}")


_W1, _B1, _W2 = np.array([[8.0, 0.0], [0.0, 0.5]]), np.array([4.0, 1.0]), np.array([[0.5, 0.0], [0.0, 2.0]])

equalize_pair = Exercise(
    id="54.equalize_pair", points=4, difficulty=2, minutes=15, idea="relu lets a positive factor through",
    reference=quant_methods.equalize_pair,
    cases=[
        Case(_W1, _B1, _W2),
        Case(np.array([[-4.0, 1.0], [0.5, 0.25]]), np.array([1.0, -1.0]), np.array([[1.0, -0.5]])),
        Case(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([1.0, 3.0]), np.array([[0.5, 7.0], [-0.125, 1.0]])),
    ],
    hidden=[
        Case(np.array([[3.0]]), np.array([-1.0]), np.array([[0.75], [0.1]]), label="one channel"),
        Case(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0]), np.array([[0.0, 1.0], [0.0, -9.0]]),
             label="nothing reads channel 0"),
        Case(np.zeros((2, 3)), np.array([1.0, 0.0]), np.zeros((1, 2)), label="all weights are 0"),
        Case(np.arange(12.0).reshape(3, 4).T[:2] + 1, np.array([1.0, 2.0]), np.arange(8.0).reshape(2, 4)[:, ::2] - 3.5,
             label="strided arrays"),
    ],
    draw=_draw, draws=30, pure=True, compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception("bias_forgotten", partial(_equal, bias="keep"),
                      "The weights are right, but the function has changed. What enters the ReLU is W1·x + b1 as a whole, "
                      "so the bias has to be scaled with it.", "The bias was forgotten."),
        Misconception("bias_multiplied", partial(_equal, bias="multiply"),
                      "The bias is multiplied where the row is divided. It belongs to the same channel and goes the same way.",
                      "The bias goes the wrong way."),
        Misconception("rows_of_w2", partial(_equal, rows=True),
                      "Output channel i of the first layer is input column i of the second. You used its rows.",
                      "Rows and columns are mixed up."),
        Misconception("no_root", partial(_equal, root=1.0),
                      "Without the root one side takes over the other's range: dividing by r1/r2 leaves r2 in the first layer "
                      "and r1 in the second. For equal ranges both have to meet half-way.", "The square root is missing."),
        Misconception("signed", partial(_equal, reach=_signed),
                      "You took the largest signed value. A row like [−4, 1] reaches as far as 4: use absolute values.",
                      "Negative weights do not count."),
        Misconception("norm", partial(_equal, reach=_norm),
                      "You balanced norms. The integers have to cover the largest absolute value, so that is the range.",
                      "The norm is not the range.", also=(partial(_equal, reach=_mean),)),
        Misconception("upside_down", partial(_equal, upside_down=True),
                      "You multiply the large rows and divide the small ones: the ranges drift apart. Which of the two has to shrink?",
                      "The factor is upside down."),
        Misconception("only_first", partial(_equal, second=False),
                      "The first layer is scaled, and nothing undoes it: the second layer has to multiply what arrives smaller.",
                      "The second layer stays as it was."),
        Misconception("one_factor", partial(_equal, whole=True),
                      "You balance the layers as a whole, with one factor. Every channel has a factor of its own.",
                      "All channels share a factor."),
        Misconception("zero_division", partial(_equal, safe=""),
                      "A channel whose row or column is all zero makes a factor of 0, infinity or NaN. The text says what it keeps.",
                      "A zero range is divided by.",
                      also=(partial(_equal, safe="half"), partial(_equal, safe="eps"))),
        Misconception("in_place", partial(_equal, in_place=True),
                      "The result is right, but the arguments were changed on the way. `W1 /= s` writes into the caller's array.",
                      "The weights were changed."),
    ],
    alternatives=[_equal, _by_loop, _by_matrices],
    hints=(
        "`np.abs(W1).max(axis=1)` is the range of each row, `np.abs(W2).max(axis=0)` that of each column.",
        "s = sqrt(r1 / r2) where both are positive, 1 elsewhere: `np.where` twice keeps the division safe.",
        "Rows are divided with `W1 / s[:, None]`, columns multiplied with `W2 * s`.",
    ),
    worth_knowing="Applied pair by pair until nothing moves, this is cross-layer equalization (Nagel et al., 2019).",
)
