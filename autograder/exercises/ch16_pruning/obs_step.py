"""Exercise 16.obs_step: one removal of the Optimal Brain Surgeon."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.compression import pruning

from ...compare import brief, close, prop
from ...exercise import Case, Exercise, Misconception


def _spd(H: np.ndarray, symmetric: bool = True, definite: bool = True) -> None:
    if symmetric and np.abs(H - H.T).max() > 1e-9 * np.abs(H).max():
        raise ValueError("H is not symmetric")
    if definite and np.linalg.eigvalsh(H).min() <= 0:
        raise ValueError("H is not positive definite")


def _obs(H: np.ndarray, w: np.ndarray, *, choose: str = "obs", move: str = "inverse", told: str = "obs", half: float = 2,
         exact_zero: bool = True, symmetric: bool = True, definite: bool = True) -> tuple[int, np.ndarray, float]:
    """The step with one mistake; with its defaults it is right (an independent formulation)."""
    _spd(H, symmetric, definite)
    inverse = np.linalg.solve(H, np.eye(len(w)))
    d, d_inv = H.diagonal(), inverse.diagonal()
    costs = {"obs": w * w / d_inv, "obd": w * w * d, "flipped": w * w / d, "magnitude": np.abs(w), "sign": w / d_inv}
    q = int(costs[choose].argmin())
    new = w.astype(float)
    new += {"inverse": -w[q] / d_inv[q] * inverse[:, q], "none": 0 * w, "flipped": -w[q] / d[q] * inverse[:, q],
            "column": -w[q] / d[q] * H[:, q], "plus": w[q] / d_inv[q] * inverse[:, q],
            "unscaled": -w[q] * inverse[:, q]}[move]
    if exact_zero:
        new[q] = 0
    return q, new, float((costs[told] / half)[q])


def _obs_residue(H: np.ndarray, w: np.ndarray, check: bool = True) -> tuple[int, np.ndarray, float]:
    if check:
        _spd(H)
    inverse = np.linalg.inv(H)
    q = int(np.argmin(w**2 / np.diag(inverse)))
    return q, w - w[q] * inverse[:, q] / inverse[q, q] + 1e-13, float(w[q]**2 / (2 * inverse[q, q]))


def _obs_brute_force(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    """Tries each weight and solves for the best change of the others."""
    if not np.allclose(H, H.T) or np.linalg.eigvalsh(H)[0] <= 0:
        raise ValueError("H is not symmetric positive definite")
    found = []
    for q in range(len(w)):
        rest = np.delete(np.arange(len(w)), q)
        change = np.zeros(len(w))
        change[q] = -w[q]
        if len(rest):
            change[rest] = np.linalg.solve(H[np.ix_(rest, rest)], H[rest, q] * w[q])
        new = w + change
        new[q] = 0.0
        found.append((0.5 * change @ H @ change, q, new))
    cost, q, new = min(found, key=lambda f: f[0])
    return q, new, float(cost)


def _obs_kkt(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    """The constrained minimum with a Lagrange multiplier, for each weight."""
    if np.any(np.abs(H - H.T) > 1e-9 * np.abs(H)):
        raise ValueError("H is not symmetric")
    np.linalg.cholesky(H)  # its LinAlgError is a ValueError
    n, best = len(w), None
    for q in range(n):
        e = np.eye(n)[q]
        system = np.block([[H, e[:, None]], [e[None], np.zeros((1, 1))]])
        change = np.linalg.solve(system, np.append(np.zeros(n), -w[q]))[:n]
        cost = change @ H @ change / 2
        if best is None or cost < best[2]:
            best = (q, np.where(e > 0, 0.0, w + change), float(cost))
    return best


def _obs_exactly_symmetric(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    if not np.array_equal(H, H.T):
        raise ValueError("H is not symmetric")
    return _obs(H, w)


def _obs_agrees(case: Case, expected: Any, got: Any) -> str | None:
    differs = close(1e-7, 1e-10)(expected, got, case)
    if differs:
        return differs
    removed = got[1][expected[0]]
    return None if removed == 0 else f"the removed weight is {brief(float(removed))}, not exactly 0"


def _draw_obs(rng: np.random.Generator) -> Case:
    n = int(rng.integers(1, 7))
    A = rng.standard_normal((2 * n + 3, n)) * rng.uniform(0.3, 3, n)
    H = A.T @ A / len(A) + 0.05 * np.eye(n)
    H = (H + H.T) / 2
    return Case(H, rng.standard_normal(n), label=f"a random H of {n} × {n}")


_TWO = np.array([[2.0, 1.0], [1.0, 1.0]])
_THREE = np.array([[4.0, 1.0, -2.0], [1.0, 3.0, 0.5], [-2.0, 0.5, 5.0]])

obs_step = Exercise(
    id="16.obs_step", points=6, difficulty=3, minutes=25, idea="what a removal costs after the others have moved",
    reference=pruning.obs_step,
    cases=[
        Case(_TWO, np.array([1.0, 2.0])),
        Case(np.diag([10.0, 0.1]), np.array([0.5, 1.0])),
        Case(_THREE, np.array([1.0, -1.0, 2.0])),
    ],
    hidden=[
        Case(np.array([[2.0]]), np.array([3.0]), label="a single weight"),
        Case(_THREE, np.array([1.0, 0.0, 2.0]), label="one weight is 0 already"),
        Case(np.array([[1.0, 0.99], [0.99, 1.0]]), np.array([1.0, 1.5]), label="two nearly equal inputs"),
        Case(np.array([[1.0, 0.6], [0.6, 4.0]]), np.array([-3.0, 1.0]), label="a negative weight"),
        Case(np.array([[2.0, 1.0 + 1e-13], [1.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[2, 1 + 1e-13], [1, 1]]"),
    ],
    raises=[
        Case(np.array([[2.0, 9.0], [1.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[2, 9], [1, 1]]"),
        Case(np.array([[2.0, 0.5], [1.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[2, 0.5], [1, 1]]"),
        Case(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[1, 2], [2, 1]]"),
        Case(np.diag([-1.0, -2.0]), np.array([1.0, 2.0]), label="H = diag(−1, −2)"),
        Case(np.diag([1.0, 0.0]), np.array([1.0, 2.0]), label="H = diag(1, 0)"),
        Case(np.diag([3.0, -1.0, 2.0]), np.array([1.0, 2.0, 3.0]), label="H = diag(3, −1, 2)"),
    ],
    draw=_draw_obs, draws=40, pure=True,
    compare=prop(_obs_agrees, same=close(1e-7, 0.0)),
    misconceptions=[
        Misconception(
            "magnitude", partial(_obs, choose="magnitude", told="obs"),
            "You removed the smallest weight. A small weight on an input of large variance may matter more: with "
            "H = diag(10, 0.1) the weight 0.5 is dear and 1 is cheap. Compare costs.",
            "Magnitude ignores curvature.",
            also=(partial(_obs, choose="magnitude", symmetric=False, definite=False),
                  partial(_obs, choose="magnitude", move="none", told="obd"))),
        Misconception(
            "diagonal", partial(_obs, choose="obd", told="obd", move="none"),
            "½·w²·H_qq is the cost when nothing else moves (Optimal Brain Damage). Here the other weights may "
            "compensate, which makes the removal cheaper. That needs the inverse.",
            "The others were held still.",
            also=(partial(_obs, choose="obd", told="obd"), partial(_obs, told="obd", choose="obd", move="none", symmetric=False,
                  definite=False), partial(_obs, told="obd", choose="obd", symmetric=False, definite=False))),
        Misconception(
            "no_update", partial(_obs, move="none"),
            "Index and cost are right. The cost holds only if the other weights move: shift them along the column of "
            "the inverse.",
            "The others did not compensate.", also=(partial(_obs, move="none", symmetric=False, definite=False),)),
        Misconception(
            "inverse_of_the_diagonal", partial(_obs, choose="flipped", told="flipped", move="flipped"),
            "You divided by H[q, q]. What is needed is the diagonal of the inverse, which is not the inverse of the "
            "diagonal.",
            "The wrong diagonal.",
            also=(partial(_obs, move="flipped"), partial(_obs, choose="flipped", told="flipped"),
                  partial(_obs, choose="flipped", told="flipped", move="flipped", symmetric=False, definite=False))),
        Misconception(
            "column_of_h", partial(_obs, move="column"),
            "Index and cost are right. The shift follows the column of the inverse of H, not of H itself.",
            "The shift uses H."),
        Misconception(
            "wrong_sign", partial(_obs, move="plus"),
            "Index and cost are right. The others move the wrong way: check that entry q itself comes to w_q − w_q = 0 "
            "under your shift.",
            "The shift has the wrong sign."),
        Misconception(
            "unscaled", partial(_obs, move="unscaled"),
            "Index and cost are right. The shift has to bring entry q to exactly 0, so the column of the inverse must "
            "be scaled to 1 there.",
            "The shift is not scaled."),
        Misconception(
            "no_half", partial(_obs, half=1),
            "Your cost is twice the right one. The loss increase is ½·δᵀHδ.",
            "The factor ½ is missing.", also=(partial(_obs, half=1, symmetric=False, definite=False),)),
        Misconception(
            "signed", partial(_obs, choose="sign"),
            "You ranked w_q without its square, so the most negative weight looks cheapest. A removal never lowers this "
            "loss: costs are not negative.",
            "A weight was not squared."),
        Misconception(
            "residue", _obs_residue,
            "All is right up to rounding, but the removed weight is a tiny number. A mask is built from zeros, so set it "
            "to exactly 0.",
            "The removed weight is not exactly 0.", also=(partial(_obs_residue, check=False),)),
        Misconception(
            "any_triangle", partial(_obs, symmetric=False),
            "A Cholesky factorisation, or `eigvalsh`, reads one triangle of H and never notices that the other differs. "
            "Compare H with its transpose.",
            "Symmetry was not checked."),
        Misconception(
            "exact_symmetry", _obs_exactly_symmetric,
            "A Hessian that was computed as a sum differs from its transpose in the last bits. The task calls differences "
            "of up to 1e-9 of the entries rounding.",
            "Rounding was taken for asymmetry."),
        Misconception(
            "symmetric_is_enough", partial(_obs, definite=False),
            "A symmetric matrix need not be positive definite. Where a direction has no or negative curvature, there is "
            "no minimum and the formula means nothing.",
            "Definiteness was not checked.",
            also=(lambda H, w: _obs(H, w, definite=bool(np.linalg.det(H) <= 0)),)),
        Misconception(
            "no_check", partial(_obs, symmetric=False, definite=False),
            "The steps are right. An H that is not symmetric positive definite has to be refused: its inverse exists, and "
            "the formula returns nonsense.",
            "Any matrix is accepted."),
    ],
    alternatives=[_obs, _obs_brute_force, _obs_kkt],
    hints=(
        "`H_inv = np.linalg.inv(H)`, and then the costs of all weights at once: `w**2 / (2 * np.diag(H_inv))`.",
        "With q = argmin, the change of all weights is −w_q / H_inv[q, q] times column q of H_inv.",
        "`np.linalg.cholesky` raises LinAlgError (a ValueError) unless H is positive definite, but it reads one triangle "
        "only: compare H with H.T as well.",
    ),
    worth_knowing="SparseGPT builds on this step, for language models of up to 176 billion parameters.",
)
