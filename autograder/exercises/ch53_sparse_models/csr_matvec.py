"""Exercise 53.csr_matvec: a product that touches what is stored, and nothing else."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from utils.compression import sparsity

from ...compare import brief, close, prop
from ...exercise import Case, Exercise, Misconception
from .shared import no_sparse_library

PEAK_BYTES = 16_000_000  # dense, the large case takes 64 MB in float64


def _product(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, n_cols: int, *, how: str = "rows",
             check: bool = True) -> Any:
    """The product with one mistake; with its defaults it is right (an independent formulation)."""
    if check and len(x) != n_cols:
        raise ValueError(f"x must have {n_cols} entries")
    n, p = len(indptr) - 1, data * x[indices]
    if how == "products":
        return p
    if how == "reduceat":
        return np.add.reduceat(p, indptr[:-1])
    if how == "reduceat padded":
        return np.add.reduceat(np.append(p, 0), indptr[:-1])
    if how == "without empty":
        return np.array([p[a:b].sum() for a, b in pairwise(indptr) if a < b], float)
    rows = np.repeat(np.arange(n), np.diff(indptr))
    if how == "dense":
        W = np.zeros((n, n_cols), np.result_type(data, x))
        W[rows, indices] = data
        return W @ x
    y = np.zeros(n, data.dtype if how == "truncated" else np.result_type(data, x))
    if how in ("fancy add", "fancy set"):
        y[rows] = (y[rows] if how == "fancy add" else 0) + p
        return y
    for i in range(n):
        y[i] = p[indptr[i]:indptr[i + 1] - (how == "one less")].sum()
    return y


def _transposed(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, n_cols: int, *,
                check: bool = True) -> np.ndarray:
    if check and len(x) != n_cols:
        raise ValueError(f"x must have {n_cols} entries")
    y = np.zeros(n_cols, np.result_type(data, x))
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    np.add.at(y, indices, data * x[rows])
    return y


def _by_add_at(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, n_cols: int) -> np.ndarray:
    if x.size != n_cols:
        raise ValueError("x")
    y = np.zeros(indptr.size - 1)
    np.add.at(y, np.repeat(np.arange(y.size), np.diff(indptr)), data * x[indices])
    return y


def _by_cumulated_sums(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, n_cols: int) -> np.ndarray:
    """Differences of running sums; on cancellation they round, so this way stays within the tolerance only."""
    if len(x) != n_cols:
        raise ValueError("x")
    sums = np.concatenate(([0.0], np.cumsum(data * x[indices])))
    return sums[indptr[1:]] - sums[indptr[:-1]]


def _by_loops(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, n_cols: int) -> list:
    if len(x) != n_cols:
        raise ValueError("x")
    y = []
    for start, end in pairwise(indptr):
        total = 0
        for k in range(start, end):
            total += data[k] * x[indices[k]]
        y.append(total)
    return y


def _case(W: np.ndarray, x: np.ndarray, label: str = "", **options: Any) -> Case:
    indptr, indices, data = sparsity.csr_from_dense(np.asarray(W))
    return Case(indptr, indices, data, np.asarray(x), np.shape(W)[1], label=label, **options)


def _draw(rng: np.random.Generator) -> Case:
    shape = tuple(int(n) for n in rng.integers(1, 9, 2))
    W = rng.standard_normal(shape) if rng.random() < 0.7 else rng.integers(-9, 10, shape)
    W[rng.random(shape) < rng.choice([0.2, 0.6, 0.9])] = 0
    W[rng.random(len(W)) < 0.3] = 0  # empty rows
    x = rng.standard_normal(shape[1])
    return _case(W, x, f"random {W.dtype} matrix of shape {shape}, {np.count_nonzero(W)} values")


def _large() -> Case:
    rng = np.random.default_rng(53)
    rows, cols, nnz = 40, 200_000, 50
    indptr = np.concatenate(([0], np.sort(rng.integers(0, nnz + 1, rows - 1)), [nnz]))
    indices = np.concatenate([np.sort(rng.choice(cols, n, replace=False)) for n in np.diff(indptr)])
    return Case(indptr, indices, rng.standard_normal(nnz), rng.standard_normal(cols), cols, probe="common.peak_memory",
                label="memory: 40 × 200,000 with 50 values", compare=prop(_over, same=_both_over))


def _held(got: dict) -> int:
    return max(got["peak_bytes"], got["largest_tensor_bytes"])


def _over(case: Case, expected: dict, got: dict) -> str | None:
    return None if _held(got) <= PEAK_BYTES else f"{_held(got) / 1e6:.0f} MB at the peak, at most 16 MB are allowed"


def _both_over(one: dict, other: dict, case: Case) -> str | None:
    return None if (_held(one) > PEAK_BYTES) == (_held(other) > PEAK_BYTES) else "differs"


def _show(value: Any) -> str:
    if isinstance(value, dict) and "peak_bytes" in value:
        return f"{_held(value) / 1e6:.1f} MB"
    return brief(value)


_EXAMPLE = np.array([[0, 5, 0], [0, 0, 0], [7, 0, 8]])
_LENGTHS = sparsity.csr_from_dense(_EXAMPLE)

csr_matvec = Exercise(
    id="53.csr_matvec", points=3, difficulty=2, minutes=10, idea="one sum a row, over its slice",
    reference=sparsity.csr_matvec,
    cases=[_case(_EXAMPLE, [1, 2, 3], "the 3 × 3 matrix times [1, 2, 3]"),
           _case([[1.0, 2, 0, 0], [0, 0, 0, 4], [0, 0, 0, 0]], [1, 10, 100, 0.25], "the 3 × 4 matrix times [1, 10, 100, 0.25]")],
    hidden=[
        _case([[0, 0], [1.5, 0], [0, 0], [0, 0]], [2.0, 3.0], "the first row and the last rows empty"),
        _case(np.zeros((3, 2)), [1.0, 2.0], "no values at all"), _case(np.zeros((0, 2)), [1.0, 2.0], "no rows"),
        _case(np.array([[3, 0, 1], [0, 2, 0]]), [0.5, 0.25, 0.25], "integer values, fractions in x"),
        _case(np.arange(1.0, 13).reshape(3, 4), [1.0, -1, 2, 0.5], "a matrix without zeros"),
        _case([[0, 0, 0, 0, 0, 2.0]], [0, 0, 0, 0, 0, 4.0], "one value in the last column"),
        _case([[1.0, 1], [0, 0], [0, 0], [1, -1], [0, 3]], [5.0, 7], "two empty rows in the middle"),
    ],
    raises=[Case(*_LENGTHS, np.array([1, 2, 3, 4]), 3, label="x has 4 entries, the matrix 3 columns"),
            Case(*_LENGTHS, np.array([1, 2]), 3, label="x has 2 entries, the matrix 3 columns"),
            Case(*_LENGTHS, np.array([1, 2, 3]), 5, label="x has 3 entries, the matrix 5 columns")],
    limits=[_large()],
    # sums of at most 8 products of order 1 (the exact cases: 100) in double, in any order
    draw=_draw, draws=30, compare=close(rtol=1e-9, atol=1e-10, dtype="any"), show=_show, forbid=no_sparse_library,
    time_limit_s=10,
    misconceptions=[
        Misconception(
            "no_row_sums", partial(_product, how="products"),
            "These are the products, one for each stored value. `indptr` says which of them belong to one row: add those up.",
            "The rows were not summed.", also=(partial(_product, how="products", check=False),)),
        Misconception(
            "reduceat", partial(_product, how="reduceat"),
            "`reduceat` has no empty sums. For a row that begins where it ends it returns an element, and for one at the very end "
            "it raises. What should an empty row give?",
            "Empty rows trip `reduceat`.",
            also=(partial(_product, how="reduceat", check=False), partial(_product, how="reduceat padded"),
                  partial(_product, how="reduceat padded", check=False))),
        Misconception(
            "densifies", partial(_product, how="dense"),
            "The values are right, but you built the dense matrix: then sparsity saved nothing. The large case would take 64 MB "
            "for 50 numbers. Multiply what is stored.",
            "You allocated the dense matrix.", also=(partial(_product, how="dense", check=False),)),
        Misconception(
            "skips_empty_rows", partial(_product, how="without empty"),
            "Empty rows are missing from the result, so all later entries moved up. Each row has one entry, and an empty one "
            "gives 0.",
            "Empty rows vanished.", also=(partial(_product, how="without empty", check=False),)),
        Misconception(
            "fancy_add", partial(_product, how="fancy add"),
            "Of each row only the last product arrived. An assignment in a loop overwrites the one before, and `y[rows] += products` "
            "adds only once for a row that is repeated. What has to happen to all products of a row?",
            "Only one product a row arrived.",
            also=(partial(_product, how="fancy add", check=False), partial(_product, how="fancy set"))),
        Misconception(
            "transposed", _transposed,
            "You read x at the row and added at the column: that is the product with the transposed matrix. A value in row i and "
            "column j multiplies x[j] and goes to y[i].",
            "That is the transposed product.", also=(partial(_transposed, check=False),)),
        Misconception(
            "one_less", partial(_product, how="one less"),
            "The last value of each row is missing. `indptr[i + 1]` is the first place that no longer belongs to row i, as in a "
            "Python slice.",
            "A row ends one too early.", also=(partial(_product, how="one less", check=False),)),
        Misconception(
            "truncated", partial(_product, how="truncated"),
            "Fractions were cut off. `y` took the dtype of `data`, and integer values met fractions in x.",
            "The result is cut to integers.", also=(partial(_product, how="truncated", check=False),)),
        Misconception(
            "any_length", partial(_product, check=False),
            "The products are right. An x with another length has to be refused: too long, it would pass without a sign.",
            "Any length of x is accepted."),
    ],
    alternatives=[_product, _by_add_at, _by_cumulated_sums, _by_loops],
    hints=(
        "`data * x[indices]` makes all products at once.",
        "Row i owns the places `indptr[i]` up to, not including, `indptr[i + 1]`. Sum that slice.",
        "The sum of an empty slice is 0, so a loop over the rows needs no special case.",
    ),
    worth_knowing="Each stored value costs one multiplication, but also one index to read and one entry of x at a place that jumps. "
    "That is why fewer multiplications need not mean less time.",
)
