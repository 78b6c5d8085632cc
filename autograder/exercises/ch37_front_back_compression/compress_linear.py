"""Exercise 37.compress_linear: the best two factors within a budget of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.compression import low_rank

from ...compare import close, prop
from ...exercise import Case, Exercise, Misconception

Factors = tuple[np.ndarray, np.ndarray]


def _rank(W: np.ndarray, ratio: float) -> int:
    m, n = W.shape
    return min(int(ratio * m * n / (m + n)), m, n)


def _split(W: np.ndarray, r: int) -> Factors:
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, :r] * S[:r], Vt[:r]


def _answer(rank: Callable[[np.ndarray, float], int] = _rank, split: Callable[[np.ndarray, int], Any] = _split, *,
            none: bool = True, check: bool = True) -> Callable[[np.ndarray, float], Any]:
    """A whole answer with one part replaced. none: whether rank 0 gives None; check: whether a budget is refused."""

    def answer(W: np.ndarray, budget_ratio: float) -> Any:
        if check and budget_ratio <= 0:
            raise ValueError("budget_ratio must be positive")
        r = min(max(int(rank(W, budget_ratio)), 0), *W.shape)
        return None if r == 0 and none else split(W, r)

    return answer


def _both(*others: dict[str, Callable], **parts: Callable) -> dict:
    """`answer` and `also` of a misconception: with and without the refusal; `others` are variants of the mistake."""
    first, *more = [_answer(**p, check=check) for p in (parts, *others) for check in (True, False)]
    return {"answer": first, "also": tuple(more)}


def _by_energy(W: np.ndarray, ratio: float) -> int:
    """The smallest rank that keeps a share of the squared singular values."""
    energy = np.cumsum(np.linalg.svd(W, compute_uv=False) ** 2)
    return int(np.searchsorted(energy, min(ratio, 1.0) * energy[-1] * (1 - 1e-12))) + 1


def _by_threshold(W: np.ndarray, ratio: float) -> int:
    """Singular values above a share of the largest one."""
    S = np.linalg.svd(W, compute_uv=False)
    return int(np.count_nonzero(S / S[0] > 1 - min(ratio, 1.0))) if S[0] else 0


def _eigenvectors(W: np.ndarray, r: int) -> Factors:
    values, vectors = np.linalg.eig(W)
    order = np.argsort(-np.abs(values))[:r]
    return np.real(vectors[:, order] * values[order]), np.real(np.linalg.inv(vectors)[order])


def _symmetric(W: np.ndarray, r: int) -> Factors:
    values, vectors = np.linalg.eigh(W)
    order = np.argsort(-np.abs(values))[:r]
    return vectors[:, order] * values[order], vectors[:, order].T


def _three(W: np.ndarray, r: int) -> tuple[np.ndarray, ...]:
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, :r], np.diag(S[:r]), Vt[:r]


def _three_flat(W: np.ndarray, r: int) -> tuple[np.ndarray, ...]:
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, :r], S[:r], Vt[:r]


def _without_values(W: np.ndarray, r: int) -> Factors:
    U, _, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, :r], Vt[:r]


def _values_twice(W: np.ndarray, r: int) -> Factors:
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, :r] * S[:r], S[:r, None] * Vt[:r]


def _columns_of_vt(W: np.ndarray, r: int) -> Factors:
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, :r] * S[:r], Vt[:, :r].T


def _transposed_again(W: np.ndarray, r: int) -> Factors:
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, :r] * S[:r], Vt.T[:r]


def _smallest(W: np.ndarray, r: int) -> Factors:
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return U[:, -r:] * S[-r:], Vt[-r:]


def _ascending_eigenvalues(W: np.ndarray, r: int) -> Factors:
    """eigh sorts upwards: the first columns are the weakest directions."""
    basis = np.linalg.eigh(W @ W.T)[1][:, :r]
    return basis, basis.T @ W


def _rows(W: np.ndarray, r: int) -> Factors:
    """The first r columns, and the best second factor for them."""
    A = W[:, :r]
    return A, np.linalg.lstsq(A, W, rcond=None)[0]


# --- right in other ways ------------------------------------------------------------------------


def _all_in_b(W: np.ndarray, budget_ratio: float) -> Factors | None:
    if budget_ratio <= 0:
        raise ValueError("a budget is above 0")
    m, n = W.shape
    fits = [r for r in range(1, min(m, n) + 1) if r * (m + n) <= budget_ratio * (m * n)]
    if not fits:
        return None
    U, S, Vt = np.linalg.svd(W)
    return U[:, : fits[-1]], np.diag(S[: fits[-1]]) @ Vt[: fits[-1]]


def _projection(W: np.ndarray, budget_ratio: float) -> Factors | None:
    """No SVD: the strongest eigenvectors of W W^T, and W projected on them."""
    if not budget_ratio > 0:
        raise ValueError("budget_ratio must be positive")
    m, n = W.shape
    r = 0
    while r < min(m, n) and (r + 1) * (m + n) <= budget_ratio * m * n:
        r += 1
    if r == 0:
        return None
    basis = np.linalg.eigh(W @ W.T)[1][:, ::-1][:, :r]
    return basis, basis.T @ W


def _with_torch(W: np.ndarray, budget_ratio: float) -> Factors | None:
    import torch

    if budget_ratio <= 0:
        raise ValueError("budget_ratio must be positive")
    r = int(min(budget_ratio * W.size // sum(W.shape), *W.shape))
    if r < 1:
        return None
    U, S, Vh = torch.linalg.svd(torch.from_numpy(W), full_matrices=False)
    root = S[:r].sqrt()
    return (U[:, :r] * root).numpy(), (root[:, None] * Vh[:r]).numpy()


# --- cases ----------------------------------------------------------------------------------------


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    W = case.args[0]
    if expected is None:
        return None if got is None else "two factors, expected None: not even rank 1 fits the budget"
    if got is None:
        return f"None, expected factors of rank {expected[0].shape[1]}"
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        return f"{len(got) if isinstance(got, (tuple, list)) else 1} results, expected two factors"
    A, B = (np.asarray(factor, np.float64) for factor in got)
    for name, factor, right in (("A", A, expected[0]), ("B", B, expected[1])):
        if factor.shape != right.shape:
            return f"{name} has shape {factor.shape}, expected {right.shape}"
    with np.errstate(all="ignore"):  # an answer may hold NaN or infinity
        error, best = np.linalg.norm(W - A @ B), np.linalg.norm(W - expected[0] @ expected[1])
    # 1e-7 ‖W‖: room for an answer that goes through the squares of the singular values
    if not error <= best + 1e-7 * np.linalg.norm(W):
        return f"‖W − A·B‖ is {error:.4g}, the best of this rank has {best:.4g}"
    return None


def _same(one: Any, other: Any, case: Any = None) -> str | None:
    """Two answers agree when their factors have the same shapes and products."""
    if all(isinstance(v, (tuple, list)) and len(v) == 2 for v in (one, other)):
        (A, B), (C, D) = one, other
        if (A.shape, B.shape) == (C.shape, D.shape) and A.shape[-1:] == B.shape[:1]:
            return None if np.allclose(A @ B, C @ D, rtol=1e-6, atol=1e-9) else "another product"
    return close(1e-6, 1e-9, dtype="any")(one, other, case)


def _case(W: Any, ratio: float, label: str) -> Case:
    return Case(np.array(W, np.float64), ratio, label=f"{label}, budget {ratio:g}")


def _gaussian(m: int, n: int, ratio: float, seed: int) -> Case:
    return _case(np.random.default_rng(seed).standard_normal((m, n)), ratio, f"{m} × {n} random")


_EXACT = ((2, 2), (4, 4), (6, 6), (8, 8), (3, 6), (6, 3), (4, 12), (12, 6))  # m n is a multiple of m + n


def _draw(rng: np.random.Generator) -> Case:
    """Budgets in 32nds: where a rank meets its budget exactly, every order of the arithmetic is exact."""
    while True:
        on_grid = rng.random() < 0.4
        m, n = _EXACT[int(rng.integers(len(_EXACT)))] if on_grid else (int(v) for v in rng.integers(2, 11, 2))
        ratio = int(rng.integers(1, 56)) / 32
        exact = ratio * m * n / (m + n)
        if on_grid or abs(exact - round(exact)) > 1e-6:
            W = rng.standard_normal((m, n)) * rng.choice([0.1, 1.0, 3.0], n)
            return _case(W.round(3), ratio, f"{m} × {n} random")


compress_linear = Exercise(
    id="37.compress_linear", points=3, difficulty=2, minutes=12, idea="two factors cost r(m + n), not r·n",
    reference=low_rank.compress_linear,
    cases=[_case([[3, 0], [0, 1]], 1.0, "diag(3, 1)"),
           _case([[2, 0], [0, 2], [1, 1]], 1.0, "[[2, 0], [0, 2], [1, 1]]"), _case(np.eye(4), 0.4, "4 × 4 identity")],
    hidden=[
        _gaussian(6, 4, 0.9, 0), _gaussian(4, 6, 0.9, 1), _gaussian(4, 4, 1.0, 2), _gaussian(8, 8, 0.5, 3), _gaussian(5, 7, 20.0, 4),
        _gaussian(7, 5, 20.0, 5), _gaussian(4, 4, 0.49, 6), _gaussian(1, 5, 1.3, 7), _gaussian(5, 1, 1.0, 8), _gaussian(12, 4, 1.0, 9),
        _case([[-3, 0], [0, 1]], 1.0, "diag(−3, 1)"), _case([[0, 5], [1, 0]], 1.0, "[[0, 5], [1, 0]]"),
        _case(np.outer([1, 2, 3, 4], [1, -1, 2, -2]), 1.0, "4 × 4 of rank 1"), _case(np.zeros((4, 4)), 1.0, "4 × 4 zeros"),
        _gaussian(16, 16, 0.75, 10),
    ],
    draw=_draw, draws=30,
    raises=[Case(np.eye(3), 0.0), Case(np.eye(3), -0.5), Case(np.ones((2, 4)), -2.0)],
    compare=prop(_judge, same=_same), time_limit_s=20,  # the first import of torch may take seconds
    misconceptions=[
        Misconception(
            "share_of_the_rank", **_both(rank=lambda W, ratio: int(ratio * min(W.shape))),
            message="You take the budget for a share of the rank. Each unit of rank brings a column of A and a row of B: m + n "
                    "parameters. Count what your two factors cost.",
            title="A rank is not a number of parameters."),
        Misconception(
            "one_factor_counted", **_both({"rank": lambda W, ratio: int(ratio * W.shape[1])},
                                          rank=lambda W, ratio: int(ratio * W.shape[0])),
            message="You count one of the two factors. A has m·r entries and B has r·n: both are stored.",
            title="Half of the cost is missing."),
        Misconception(
            "by_threshold", **_both({"rank": _by_energy}, rank=_by_threshold),
            message="You choose the rank from the singular values. That fixes the error and lets the size fall where it may. Here the "
                    "size is given: the budget is in parameters.",
            title="The budget is not about singular values."),
        Misconception(
            "below_the_budget", **_both(rank=lambda W, ratio: int(np.ceil(ratio * W.size / sum(W.shape))) - 1),
            message="Factors that cost exactly the budget are allowed. You ask for less.",
            title="The budget itself is allowed."),
        Misconception(
            "rounds_the_rank", **_both({"rank": lambda W, ratio: int(np.ceil(ratio * W.size / sum(W.shape)))},
                                       rank=lambda W, ratio: round(ratio * W.size / sum(W.shape))),
            message="You round the rank. Where it is rounded up, the factors no longer fit into the budget.",
            title="The rank is too large for the budget."),
        Misconception(
            "eigenvectors", **_both({"split": _symmetric}, split=_eigenvectors),
            message="Eigenvectors need a square matrix, and they are orthogonal only for a symmetric one. W is neither in general. "
                    "Which decomposition exists for every matrix?",
            title="W is not symmetric."),
        Misconception(
            "three_factors", **_both({"split": _three_flat}, split=_three),
            message="You return U, S and Vᵀ. Two factors were asked for, and S as a matrix of its own would cost parameters and another "
                    "multiplication. Fold it into one of the two.",
            title="Three factors."),
        Misconception(
            "values_left_out", **_both(split=_without_values),
            message="The singular values are lost: U and Vᵀ have columns and rows of length 1 whatever W was. Compare A·B with W for a "
                    "diagonal W.",
            title="The singular values are missing."),
        Misconception(
            "values_twice", **_both(split=_values_twice),
            message="Each factor carries all of S, so the product has the squares. Put S into one factor, or its square root into both.",
            title="The singular values are in twice."),
        Misconception(
            "columns_of_vt", **_both({"split": _transposed_again}, split=_columns_of_vt),
            message="NumPy's third result is Vᵀ already. Its rows are the right singular vectors: take the first r rows as they are.",
            title="Vᵀ is taken for V."),
        Misconception(
            "smallest_kept", **_both({"split": _ascending_eigenvalues}, split=_smallest),
            message="You keep the directions with the *smallest* singular values. The error is made of those that are left out, so "
                    "keep the largest. Check in which order your decomposition sorts.",
            title="The wrong end of the spectrum."),
        Misconception(
            "first_columns", **_both(split=_rows),
            message="You keep the first columns of W and fit the rest to them. That is a fit of rank r, but not the best: the first "
                    "columns are no better than others.",
            title="Not the best factors of this rank."),
        Misconception(
            "empty_factors", _answer(none=False),
            "When not even rank 1 fits you return empty factors. Their product is zero everywhere: the layer would be gone. Asked is None.",
            "Rank 0 is no compression.", also=(_answer(none=False, check=False),)),
        Misconception(
            "at_least_rank_1", **_both(rank=lambda W, ratio: max(1, _rank(W, ratio))),
            message="When not even rank 1 fits you return rank 1 all the same. That breaks the budget: asked is None.",
            title="Rank 1 is too much here."),
        Misconception(
            "no_refusal", _answer(check=False),
            "A budget of 0 or below is a mistake of the caller. Raise a ValueError, before anything is computed.",
            "A budget below zero passes."),
    ],
    alternatives=[_all_in_b, _projection, _with_torch],
    hints=(
        "How many entries have A and B together, as a function of r? Solve for r, and cap it at min(m, n).",
        "`U, S, Vt = np.linalg.svd(W, full_matrices=False)` sorts the singular values downwards. What is left out is the error.",
        "The first r columns of U, times S, are one factor. The first r rows of Vt are the other.",
    ),
    worth_knowing="A budget of 1.0 buys half the rank of a square matrix, and saves nothing: for 1024 × 1024 it is 512 of 1,024.",
)
