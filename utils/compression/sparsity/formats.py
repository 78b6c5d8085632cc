"""Sparse formats: CSR, what each format weighs, and the density at which it stops paying.

Density is the share of entries that are not zero, sparsity the share that are: density = 1 - sparsity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from utils.cost.checks import non_negative, positive

Format = Literal["dense", "coo", "csr", "bitmap", "nm"]
FORMATS: tuple[Format, ...] = ("dense", "coo", "csr", "bitmap", "nm")


def density(x: np.ndarray) -> float:
    """Share of entries that are not exactly zero (-0.0 counts as zero).

    Raises ValueError for an array without entries.

    >>> density(np.array([[0, 5, 0], [0, 0, 0], [7, 0, 8]]))
    0.3333333333333333
    """
    x = np.asarray(x)
    if not x.size:
        raise ValueError(f"x must have entries, got shape {x.shape}")
    return float(np.count_nonzero(x) / x.size)


# --- CSR ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CSR:
    """Compressed sparse rows: row i owns indices[indptr[i]:indptr[i+1]] (its columns) and the same slice of data."""

    indptr: np.ndarray   # (rows + 1,) where each row begins, and the end
    indices: np.ndarray  # (nnz,) the column of each value
    data: np.ndarray     # (nnz,)
    shape: tuple[int, int]

    @classmethod
    def from_dense(cls, x: np.ndarray, *, index_dtype: DTypeLike = np.int32) -> CSR:
        """Every entry of `x` (rows, cols) that is not exactly zero, row by row.

        Raises ValueError "2-D" for another number of axes, and when `index_dtype` is too narrow for the columns
        or the count of values.

        >>> c = CSR.from_dense(np.array([[0, 5, 0], [0, 0, 0], [7, 0, 8]]))
        >>> c.indptr.tolist(), c.indices.tolist(), c.data.tolist()
        ([0, 1, 1, 3], [1, 0, 2], [5, 7, 8])
        """
        x = np.asarray(x)
        if x.ndim != 2:
            raise ValueError(f"x must be 2-D, got {x.ndim} axes")
        row, column = np.nonzero(x)  # in row-major order
        if max(len(row), x.shape[1] - 1) > np.iinfo(index_dtype).max:
            raise ValueError(f"index_dtype must hold {max(len(row), x.shape[1] - 1)}, got {np.dtype(index_dtype)}")
        ends = np.cumsum(np.bincount(row, minlength=x.shape[0]))
        indptr = np.concatenate(([0], ends)).astype(index_dtype)
        return cls(indptr, column.astype(index_dtype), x[row, column], x.shape)

    @property
    def nnz(self) -> int:
        """Number of stored values."""
        return len(self.data)

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return self.indptr.nbytes + self.indices.nbytes + self.data.nbytes

    @property
    def rows(self) -> np.ndarray:
        """The row of each value, (nnz,): what COO would store."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def to_dense(self) -> np.ndarray:
        """The (rows, cols) array."""
        x = np.zeros(self.shape, self.data.dtype)
        x[self.rows, self.indices] = self.data
        return x

    def matvec(self, v: np.ndarray) -> np.ndarray:
        """self @ v for v (cols,): nnz multiplications. Raises ValueError for another length."""
        return csr_matvec(self.indptr, self.indices, self.data, v, self.shape[1])

    def matmul(self, B: np.ndarray) -> np.ndarray:
        """self @ B for B (cols, n). Raises ValueError when the rows of B are not as many as the columns."""
        B = np.asarray(B)
        if B.ndim != 2 or len(B) != self.shape[1]:
            raise ValueError(f"B must have {self.shape[1]} rows, got shape {B.shape}")
        Y = np.zeros((self.shape[0], B.shape[1]), np.result_type(self.data, B))
        for i, (start, end) in enumerate(zip(self.indptr, self.indptr[1:])):
            Y[i] = self.data[start:end] @ B[self.indices[start:end]]  # gathers only the rows of B that it needs
        return Y


def csr_from_dense(W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, indices, data) of the entries of W that are not exactly zero, row by row.

    Raises ValueError unless W is 2-D.
    """
    csr = CSR.from_dense(W)
    return csr.indptr, csr.indices, csr.data


def csr_matvec(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, x: np.ndarray, n_cols: int) -> np.ndarray:
    """The product with x, one entry a row; a row without values gives 0.

    Raises ValueError unless x has n_cols entries.
    """
    indptr, x = np.asarray(indptr), np.asarray(x)
    if x.shape != (n_cols,):
        raise ValueError(f"x must have {n_cols} entries, got shape {x.shape}")
    products = data * x[indices]
    y = np.zeros(len(indptr) - 1, products.dtype)
    filled = np.flatnonzero(np.diff(indptr))  # reduceat has no empty sums
    if len(filled):
        y[filled] = np.add.reduceat(products, indptr[filled])
    return y


# --- what a format weighs -------------------------------------------------------------------------


def format_bytes(shape: tuple[int, int], nnz: int, *, fmt: Format, item_bytes: float, index_bytes: int = 4,
                 n: int = 2, m: int = 4) -> int:
    """Bytes of a (rows, cols) matrix with `nnz` entries that are not zero, rounded up to whole bytes.

    dense: all values. coo: a row and a column for each value. csr: a column for each value and rows + 1 pointers.
    bitmap: a bit for each entry, and the values. nm: n of m neighbours with their positions (2 bits each for m = 4),
    whatever nnz says. `item_bytes` may be a fraction (0.5 for 4 bits).
    Raises ValueError for nnz above the size (or above n in m for "nm"), for an unknown format, and "divisible" when
    m does not divide the columns.

    >>> format_bytes((1024, 1024), 2**19, fmt="csr", item_bytes=2)
    3149828
    """
    rows, cols = shape
    positive(rows=rows, cols=cols, item_bytes=item_bytes, index_bytes=index_bytes)
    non_negative(nnz=nnz)
    size = rows * cols
    if nnz > size:
        raise ValueError(f"nnz must be at most rows * cols = {size}, got {nnz}")
    if fmt == "dense":
        return math.ceil(size * item_bytes)
    if fmt == "coo":
        return math.ceil(nnz * item_bytes) + 2 * nnz * index_bytes
    if fmt == "csr":
        return math.ceil(nnz * item_bytes) + (nnz + rows + 1) * index_bytes
    if fmt == "bitmap":
        return math.ceil(nnz * item_bytes) + math.ceil(size / 8)
    if fmt == "nm":
        return _nm_bytes(shape, nnz, item_bytes, n, m)
    raise ValueError(f"fmt must be one of {', '.join(FORMATS)}, got {fmt!r}")


def _nm_bytes(shape: tuple[int, int], nnz: int, item_bytes: float, n: int, m: int) -> int:
    check_group(shape[1], n, m)
    kept = shape[0] * shape[1] // m * n
    if nnz > kept:
        raise ValueError(f"nnz must be at most {n} in {m} = {kept}, got {nnz}")
    return math.ceil(kept * item_bytes) + math.ceil(kept * (m - 1).bit_length() / 8)


def check_group(width: int, n: int, m: int) -> None:
    """Raise ValueError unless 1 <= n <= m and m divides `width`."""
    if not 1 <= n <= m:
        raise ValueError(f"n must be between 1 and m = {m}, got {n}")
    if width % m:
        raise ValueError(f"the reduction dimension must be divisible by m = {m}, got {width}")


def format_break_even(fmt: Format, shape: tuple[int, int], item_bytes: float, index_bytes: int = 4) -> float:
    """Largest density at which `fmt` is not larger than the dense array, as a real number; 0 when it never pays.

    "nm" is 2:4: it holds densities up to one half, and no others.

    >>> round(format_break_even("bitmap", (1024, 1024), 2), 4)
    0.9375
    """
    rows, cols = shape
    positive(rows=rows, cols=cols, item_bytes=item_bytes, index_bytes=index_bytes)
    dense = rows * cols * item_bytes
    fixed = {"coo": 0, "csr": (rows + 1) * index_bytes, "bitmap": rows * cols / 8}
    each = {"coo": item_bytes + 2 * index_bytes, "csr": item_bytes + index_bytes, "bitmap": item_bytes}
    if fmt == "dense":
        return 1.0
    if fmt == "nm":
        return 0.5 if format_bytes(shape, 0, fmt="nm", item_bytes=item_bytes) <= dense else 0.0
    if fmt not in fixed:
        raise ValueError(f"fmt must be one of {', '.join(FORMATS)}, got {fmt!r}")
    return max(0.0, (dense - fixed[fmt]) / each[fmt]) / (rows * cols)


def break_even_density(rows: int, cols: int, value_bytes: float, index_bytes: int) -> float:
    """Largest density at which CSR is not larger than dense; 0.0 when even an empty CSR is larger.

    >>> [round(break_even_density(1024, 1024, b, 4), 5) for b in (4, 2, 1)]
    [0.49951, 0.33268, 0.19922]
    """
    return format_break_even("csr", (rows, cols), value_bytes, index_bytes)


def sparsity_payoff(shape: tuple[int, int], density: float, fmt: Format, value_bytes: float) -> dict[str, float]:
    """dense_bytes, format_bytes, ratio (format over dense), break_even (a density) and whether it pays.

    Indices take 4 bytes. "nm" weighs the same at every density; above one half it has dropped non-zero values.
    Raises ValueError for a density outside [0, 1].
    """
    if not 0 <= density <= 1:
        raise ValueError(f"density must be in [0, 1], got {density}")
    size = shape[0] * shape[1]
    nnz = 0 if fmt == "nm" else round(density * size)
    dense = format_bytes(shape, size, fmt="dense", item_bytes=value_bytes)
    sparse = format_bytes(shape, nnz, fmt=fmt, item_bytes=value_bytes)
    return {"dense_bytes": dense, "format_bytes": sparse, "ratio": sparse / dense,
            "break_even": format_break_even(fmt, shape, value_bytes), "pays": sparse < dense}
