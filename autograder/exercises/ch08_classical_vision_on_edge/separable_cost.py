"""Exercise 08.separable_cost: passes of rows and columns, or not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import classical

from ...exercise import Case, Exercise, Misconception


def _rank(kernel: np.ndarray, tol: float = 1e-10) -> int:
    s = np.linalg.svd(np.asarray(kernel, float), compute_uv=False)
    return int((s > tol * s.max(initial=0)).sum()) if s.max(initial=0) > 0 else 0


def _cost(rank: Callable[[np.ndarray], int] = _rank, macs: Callable[[int, int, int], int] = lambda r, h, w: min(h * w, r * (h + w)), zero: bool = True) -> Callable:
    def answer(kernel: np.ndarray) -> tuple[int, int]:
        r = rank(kernel)
        return (0, 0) if r == 0 and zero else (r, macs(r, *kernel.shape))

    return answer


def _by_matrix_rank(kernel: np.ndarray) -> tuple[int, int]:
    largest = np.abs(kernel).max(initial=0)
    if largest == 0:
        return 0, 0
    rank = int(np.linalg.matrix_rank(kernel / largest, tol=1e-9))
    return rank, min(kernel.size, rank * sum(kernel.shape))


def _by_elimination(kernel: np.ndarray) -> tuple[int, int]:
    """Rank by Gaussian elimination with full pivoting."""
    a = np.array(kernel, float)
    scale, rank = np.abs(a).max(initial=0), 0
    while a.size and scale > 0 and np.abs(a).max() > 1e-9 * scale:
        i, j = np.unravel_index(np.abs(a).argmax(), a.shape)
        a = a - np.outer(a[:, j], a[i]) / a[i, j]
        rank += 1
    return (rank, min(kernel.size, rank * (kernel.shape[0] + kernel.shape[1]))) if rank else (0, 0)


def _draw(rng: np.random.Generator) -> Case:
    h, w = (int(v) for v in rng.choice([1, 3, 5, 7, 9], 2))
    rank = int(rng.integers(1, min(h, w) + 1))
    kernel = rng.normal(size=(h, rank)) @ rng.normal(size=(rank, w)) * float(rng.choice([1e-6, 1, 1000]))
    return Case(kernel, label=f"a drawn kernel of {h} x {w}, rank {rank}")


_BLUR = np.outer(*(2 * (np.exp(-0.5 * (np.arange(-3, 4) / 1.5) ** 2),)))

separable_cost = Exercise(
    id="08.separable_cost", points=4, difficulty=2, minutes=10, idea="a kernel of rank one is two passes",
    reference=classical.separable_cost,
    cases=[Case(np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]), label="Sobel"), Case(np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]), label="Laplacian"), Case(_BLUR, label="a 7 x 7 Gaussian")],
    hidden=[Case(np.zeros((3, 3)), label="zeros"), Case(np.array([[5.0]]), label="one weight"), Case(np.ones((1, 5)), label="a row"), Case(np.eye(5), label="a diagonal of five"), Case(np.ones((3, 9)), label="a box of 3 x 9"), Case(1e-12 * np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]), label="a tiny Laplacian"),
            Case(np.outer(np.arange(1.0, 8), np.arange(7.0)) + np.outer(np.arange(7.0) ** 2, np.ones(7)), label="rank 2, 7 x 7"), Case(np.array([[0.1, 0.2, 0.3]]).T @ np.array([[0.7, 0.1, 0.3]]), label="rank 1 up to rounding"), Case(1e9 * _BLUR, label="a large Gaussian")],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception("nonzeros", lambda kernel: (_rank(kernel), int(np.count_nonzero(kernel))),
                      "You count the weights that are not zero. Asked is the cheaper one of the full kernel and of the passes.", "Zeros are not skipped here."),
        Misconception("always_one", _cost(rank=lambda k: int(np.any(k))),
                      "You take every kernel for one column times one row. That holds for rank 1; the Laplacian has rank 2.", "Not every kernel has rank one."),
        Misconception("exact_zero", _cost(rank=lambda k: int((np.linalg.svd(np.asarray(k, float), compute_uv=False) > 0).sum())),
                      "You count every singular value that is not exactly zero. Rounding leaves tiny ones: compare with the largest.", "Rounding is counted as rank."),
        Misconception("absolute", _cost(rank=lambda k: int((np.linalg.svd(np.asarray(k, float), compute_uv=False) > 1e-9).sum())),
                      "Your tolerance is a fixed number. A kernel of tiny weights has the same rank: compare with the largest singular value.", "The tolerance has to be relative.",
                      also=(_cost(rank=lambda k: int((np.linalg.svd(np.asarray(k, float), compute_uv=False) > 1e-6).sum())),)),
        Misconception("always_separable", _cost(macs=lambda r, h, w: r * (h + w)),
                      "You always take the passes. For the Laplacian they cost 12, the full kernel 9.", "The passes may cost more."),
        Misconception("always_direct", _cost(macs=lambda r, h, w: h * w),
                      "You always take the full kernel. Rank 1 needs one column and one row.", "Passes are not considered."),
        Misconception("product", _cost(macs=lambda r, h, w: r * h * w),
                      "A pass of columns and a pass of rows cost kh + kw, not kh times kw.", "Two passes add up."),
        Misconception("square_only", _cost(macs=lambda r, h, w: min(h * h, 2 * r * h)),
                      "You count with the height alone. The kernel may not be square.", "Width and height differ."),
        Misconception("one_pass", _cost(macs=lambda r, h, w: min(h * w, h + w)),
                      "You count one pair of passes whatever the rank. Rank r needs r pairs.", "The rank multiplies the cost."),
        Misconception("zero", lambda kernel: (_rank(kernel), min(kernel.size, max(1, _rank(kernel)) * sum(kernel.shape))),
                      "A kernel of zeros costs nothing: (0, 0).", "Zeros cost nothing."),
    ],
    alternatives=[_by_matrix_rank, _by_elimination],
    hints=("Singular values: np.linalg.svd(kernel, compute_uv=False). How many are larger than 1e-10 times the largest?", "Full: kh · kw. Passes: rank · (kh + kw)."),
    worth_knowing="Gaussian blurs are computed as two passes everywhere: 14 instead of 49 multiplications for 7 x 7.",
)
