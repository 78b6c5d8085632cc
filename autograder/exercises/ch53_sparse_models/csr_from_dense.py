"""Exercise 53.csr_from_dense: three arrays that hold what is not zero."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from utils.compression import sparsity

from ...compare import exact, kind_of, prop
from ...exercise import Case, Exercise, Misconception
from .shared import no_sparse_library


def _build(W: np.ndarray, *, pointers: Callable | None = None, keep: Callable | None = None, by_column: bool = False,
           dtype: Any = None, check: bool = True, order: tuple[int, ...] = (0, 1, 2), lists: str = "") -> tuple:
    """The arrays with one mistake; with its defaults they are right (an independent formulation)."""
    W = np.asarray(W)
    if check and W.ndim != 2:
        raise ValueError("W must be 2-D")
    W = np.atleast_2d(W)
    W = W.T if by_column else W
    kept = np.array([[bool(v != 0) if keep is None else bool(keep(v)) for v in row] for row in W], bool).reshape(W.shape)
    rows = [i for i, row in enumerate(kept) for value in row if value]
    columns = [j for row in kept for j, value in enumerate(row) if value]
    indices = np.array(columns) if lists else np.array(columns, np.int64)  # an empty list becomes float64
    counts = [int(row.sum()) for row in kept]
    indptr = np.array((pointers or _cumulated)(counts, rows), np.int64)
    data = np.array(list(W[kept])) if lists == "both" else W[kept]
    arrays = (indptr, indices, data if dtype is None else data.astype(dtype))
    return tuple(arrays[i] for i in order)


def _cumulated(counts: list[int], rows: list[int]) -> list[int]:
    return [sum(counts[:i]) for i in range(len(counts) + 1)]


def _starts(counts: list[int], rows: list[int]) -> list[int]:
    return _cumulated(counts, rows)[:-1]


def _ends(counts: list[int], rows: list[int]) -> list[int]:
    return _cumulated(counts, rows)[1:]


def _without_empty(counts: list[int], rows: list[int]) -> list[int]:
    return _cumulated([c for c in counts if c], rows)


def _row_list(counts: list[int], rows: list[int]) -> list[int]:
    return rows


def _plain_counts(counts: list[int], rows: list[int]) -> list[int]:
    return counts


def _counts_behind_zero(counts: list[int], rows: list[int]) -> list[int]:
    return [0, *counts]


def _by_bincount(W: np.ndarray) -> tuple:
    if np.ndim(W) != 2:
        raise ValueError("W must be 2-D")
    row, column = np.nonzero(W)
    counts = np.bincount(row, minlength=len(W))
    return np.append(0, np.cumsum(counts)).astype(np.int64), column, W[row, column]


def _by_search(W: np.ndarray) -> tuple:
    """The pointers are where each row number would stand in the sorted list of rows."""
    if W.ndim != 2:
        raise ValueError("W must be 2-D")
    places = np.argwhere(W)
    return np.searchsorted(places[:, 0], np.arange(W.shape[0] + 1)), places[:, 1], W[tuple(places.T)]


def _by_scipy(W: np.ndarray) -> list:
    """What a library makes of it. A cell may not call it; here it proves that int32 pointers and indices are accepted."""
    from scipy.sparse import csr_matrix

    if W.ndim != 2:
        raise ValueError("W must be 2-D")
    found = csr_matrix(W)
    return [found.indptr, found.indices, found.data]


_WHOLE, _SAME = exact(dtype=False), exact()


def _differ(expected: Any, got: Any) -> str | None:
    if not isinstance(got, (list, tuple)) or len(got) != 3:
        return f"{kind_of(got)}, expected three arrays"
    for name, compare, e, g in zip(("indptr", "indices", "data"), (_WHOLE, _WHOLE, _SAME), expected, got):
        found = compare(e, g, None)
        if found and compare is _WHOLE and found.startswith("dtype"):
            return f"{name}: {found.split(',')[0]}, an integer dtype is asked for"
        if found:
            return f"{name}: {found}"
    return None


def _show(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) == 3 and all(isinstance(a, np.ndarray) for a in value):
        told = ", ".join("[" + ", ".join(f"{v:g}" for v in a.ravel()[:8]) + (", …" if a.size > 8 else "") + "]" for a in value)
        return told if len(told) < 90 else told[:89] + "…"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {np.array2string(value, separator=', ').replace(chr(10), '')}" if value.size <= 12 else (
            f"{value.dtype} array of shape {value.shape}")
    return str(value)


def _draw(rng: np.random.Generator) -> Case:
    shape = tuple(int(n) for n in rng.integers(1, 8, 2))
    W = rng.integers(-9, 10, shape).astype(rng.choice([np.float32, np.float64, np.int64, np.int32]))
    W[rng.random(shape) < rng.choice([0.3, 0.6, 0.9])] = 0
    W[rng.random(len(W)) < 0.25] = 0  # empty rows
    return Case(W, label=f"random {W.dtype} of shape {shape}, {np.count_nonzero(W)} not zero")


_EXAMPLE = np.array([[0, 5, 0], [0, 0, 0], [7, 0, 8]])
_WIDE = np.array([[0.5, 0, -2, 0, 0, 1], [0, 0, 0, 3, 0, 0]], np.float32)

csr_from_dense = Exercise(
    id="53.csr_from_dense", points=3, difficulty=1, minutes=8, idea="row pointers are cumulative counts",
    reference=sparsity.csr_from_dense,
    cases=[Case(_EXAMPLE), Case(_WIDE, label="the 2 × 6 matrix in float32")],
    hidden=[
        Case(np.zeros((3, 4)), label="3 × 4 zeros"), Case(np.zeros((4, 2), np.int32), label="4 × 2 zeros, int32"),
        Case(np.array([[1.5], [0], [0], [-2.0], [0]]), label="a single column"),
        Case(np.array([[0, 0, 3, 0, -1]]), label="a single row"),
        Case(np.array([[0, 0], [0, 0], [1, 2], [0, 0]]), label="the first rows and the last row empty"),
        Case(np.array([[1e-30, 0.0, -0.0], [0.0, -1e-12, 2.0]]), label="tiny values, and −0.0"),
        Case(np.array([[0.25, 0, np.inf], [np.nan, 0, -1]], np.float32), label="infinity and NaN, float32"),
        Case(np.ones((3, 3), np.int8), label="no zero at all, int8"),
        Case(np.asfortranarray(np.array([[0, 1, 2], [3, 0, 0], [0, 0, 4.0]])), label="stored column by column"),
        Case(np.zeros((0, 3)), label="no rows"), Case(np.zeros((2, 0)), label="no columns"),
    ],
    raises=[Case(np.array([1.0, 0, 2])), Case(np.ones((2, 2, 2)), label="an array with three axes")],
    draw=_draw, draws=30, compare=prop(lambda case, e, g: _differ(e, g), same=lambda e, g, case: _differ(e, g)),
    show=_show, forbid=no_sparse_library,
    misconceptions=[
        Misconception(
            "short_indptr", partial(_build, pointers=_starts),
            "Your `indptr` has one entry for each row. Where does the last row end? It needs rows + 1 entries, and the last one is "
            "the number of stored values.",
            "The pointers are one short.",
            also=(partial(_build, pointers=_starts, check=False), partial(_build, pointers=_ends),
                  partial(_build, pointers=_ends, check=False))),
        Misconception(
            "skips_empty_rows", partial(_build, pointers=_without_empty),
            "A row without values has vanished from `indptr`. An empty row begins where it ends, so its pointer repeats the one "
            "before.",
            "An empty row is missing.", also=(partial(_build, pointers=_without_empty, check=False),)),
        Misconception(
            "coo", partial(_build, pointers=_row_list),
            "You stored the row of every value. That is the COO format. CSR stores only where each row begins: cumulative counts.",
            "That is COO.", also=(partial(_build, pointers=_row_list, check=False),)),
        Misconception(
            "counts", partial(_build, pointers=_plain_counts),
            "You stored how many values each row has. CSR wants the running sum of these counts, from 0 on.",
            "Counts are not pointers yet.",
            also=(partial(_build, pointers=_plain_counts, check=False), partial(_build, pointers=_counts_behind_zero),
                  partial(_build, pointers=_counts_behind_zero, check=False))),
        Misconception(
            "keeps_zeros", partial(_build, keep=lambda v: True),
            "The zeros are stored too. Then CSR is larger than the dense array: it adds an index to each entry.",
            "Zeros were stored.", also=(partial(_build, keep=lambda v: True, check=False),)),
        Misconception(
            "column_major", partial(_build, by_column=True),
            "You went through the matrix column by column. That is CSC, the format of the transposed matrix.",
            "That is CSC.", also=(partial(_build, by_column=True, check=False),)),
        Misconception(
            "drops_negatives", partial(_build, keep=lambda v: v > 0),
            "Negative entries are missing. A test with `> 0` drops them; everything that is not zero belongs to the matrix.",
            "Negative values were dropped.", also=(partial(_build, keep=lambda v: v > 0, check=False),)),
        Misconception(
            "drops_small", partial(_build, keep=lambda v: not np.isclose(v, 0)),
            "Small entries are missing. A tolerance prunes the matrix; storing it must not change it. Only exact zeros go.",
            "Small values were dropped.",
            also=(partial(_build, keep=lambda v: not np.isclose(v, 0), check=False),
                  partial(_build, keep=lambda v: not abs(v) < 1e-10), partial(_build, keep=lambda v: not abs(v) < 1e-15))),
        Misconception(
            "loses_dtype", partial(_build, dtype=np.float64),
            "The values are right, but their dtype changed. Twice the width doubles the bytes that the format was to save. "
            "Indexing an array keeps its dtype; a list does not.",
            "The dtype of the values changed.", also=(partial(_build, dtype=np.float64, check=False),)),
        Misconception(
            "floats_when_empty", partial(_build, lists="indices"),
            "Where nothing is stored, `indices` came out as floats: `np.array([])` has dtype float64, and a float cannot index. Say the "
            "dtype when you turn a list into an array.",
            "An empty list became floats.",
            also=(partial(_build, lists="indices", check=False), partial(_build, lists="both"),
                  partial(_build, lists="both", check=False))),
        Misconception(
            "library_order", partial(_build, order=(2, 1, 0)),
            "The three arrays are right, in another order. SciPy's constructor takes (data, indices, indptr); this task wants "
            "indptr first.",
            "The arrays are in another order.",
            also=(partial(_build, order=(2, 1, 0), check=False), partial(_build, order=(1, 0, 2)))),
        Misconception(
            "any_axes", partial(_build, check=False),
            "The arrays are right. An input that is not 2-D has to be refused: CSR knows rows and columns only.",
            "Other numbers of axes are accepted."),
    ],
    alternatives=[_build, _by_bincount, _by_search, _by_scipy],
    hints=(
        "`np.nonzero(W)` gives rows and columns of all entries that are not zero, row by row. The columns are `indices` already.",
        "How many of them has each row? `np.bincount(rows, minlength=…)` also counts the empty ones.",
        "`np.cumsum` of the counts gives the ends of the rows. Put a 0 in front.",
    ),
    worth_knowing="`scipy.sparse.csr_matrix(W)` makes the same three arrays, with int32 indices while they fit.",
)
