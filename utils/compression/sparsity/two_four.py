"""2:4 sparsity: at most two of four neighbours along the reduction dimension are not zero.

The compressed form keeps two values of each group and says where they stood; a product gathers what it needs and
does half of the multiplications (Mishra et al., 2021, arXiv:2104.08378).
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np

from utils.compression.sparsity.formats import check_group


def nm_mask(W: np.ndarray, n: int = 2, m: int = 4, axis: int = 1) -> np.ndarray:
    """True at the n largest absolute values of each m neighbours along `axis`; on equal ones the lower index stays.

    The boolean mask has the shape of W. `axis` is the reduction (input) dimension of a weight (outputs, inputs).
    Raises ValueError "divisible" when m does not divide that dimension.

    >>> nm_mask(np.array([[0.1, -3, 2, 0.5, 1, 1, 1, 1]])).astype(int).tolist()
    [[0, 1, 1, 0, 1, 1, 0, 0]]
    """
    W = np.asarray(W)
    check_group(W.shape[axis], n, m)
    groups = np.moveaxis(_sizes(W), axis, -1).reshape(-1, m)
    order = np.argsort(-groups, axis=1, kind="stable")  # stable: equal ones in the order of their positions
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, order[:, :n], True, axis=1)
    moved = np.moveaxis(W, axis, -1).shape
    return np.moveaxis(mask.reshape(moved), -1, axis)


def _sizes(W: np.ndarray) -> np.ndarray:
    """Absolute values; integers go to float first, because abs(-128) does not fit into 8 bits."""
    return np.abs(W if W.dtype.kind == "f" else W.astype(np.float64))


class Compressed24(NamedTuple):
    """A 2:4 matrix: the two kept values of each group in the order of their positions, and where they stood."""

    values: np.ndarray  # (rows, k / 2) in the matrix's dtype
    meta: np.ndarray    # (rows, k / 4) uint8: i0 | i1 << 2 with i0 < i1

    @property
    def nbytes(self) -> int:
        """Bytes as hardware stores it: the values, and four bits a group."""
        return self.values.nbytes + packed_meta(self.meta).nbytes


def compress_24(W: np.ndarray, mask: np.ndarray | None = None) -> Compressed24:
    """Keep two of four neighbouring columns: those of `mask`, or the two of largest absolute value.

    W is (rows, k); `mask` (rows, k) is True at exactly two places of each group. Raises ValueError "divisible"
    unless 4 divides k, and when W is not 2-D or the mask is not of that form.

    >>> values, meta = compress_24(np.array([[0.1, -3, 2, 0.5, 1, 1, 1, 1]]))
    >>> values.tolist(), meta.tolist()
    ([[-3.0, 2.0, 1.0, 1.0]], [[9, 4]])
    """
    W = np.asarray(W)
    if W.ndim != 2:
        raise ValueError(f"W must be 2-D, got {W.ndim} axes")
    mask = nm_mask(W) if mask is None else np.asarray(mask, bool)
    if mask.shape != W.shape or W.shape[1] % 4 or np.any(mask.reshape(-1, 4).sum(axis=1) != 2):
        raise ValueError(f"mask must be True at two of each four columns of shape {W.shape}, got shape {mask.shape}")
    rows, k = W.shape
    position = np.nonzero(mask)[1].reshape(rows, k // 4, 2) % 4  # (rows, groups, 2), ascending
    meta = (position[..., 0] | position[..., 1] << 2).astype(np.uint8)
    return Compressed24(W[mask].reshape(rows, k // 2), meta)


def kept_columns(meta: np.ndarray) -> np.ndarray:
    """The column of each kept value, (rows, k / 2), from the metadata (rows, k / 4)."""
    meta = np.asarray(meta)
    rows, groups = meta.shape
    first = 4 * np.arange(groups)
    return np.stack((first + (meta & 3), first + (meta >> 2 & 3)), axis=-1).reshape(rows, 2 * groups)


def decompress_24(values: np.ndarray, meta: np.ndarray) -> np.ndarray:
    """The pruned matrix (rows, k)."""
    W = np.zeros((len(values), 2 * values.shape[1]), values.dtype)
    np.put_along_axis(W, kept_columns(meta), values, axis=1)
    return W


def matmul_24(values: np.ndarray, meta: np.ndarray, X: np.ndarray) -> np.ndarray:
    """The pruned matrix times X (k, n), without rebuilding it: each row gathers the k / 2 rows of X that it needs.

    Raises ValueError unless X has k rows.
    """
    X = np.asarray(X)
    if X.ndim != 2 or len(X) != 2 * values.shape[1]:
        raise ValueError(f"X must have {2 * values.shape[1]} rows, got shape {X.shape}")
    Y = np.empty((len(values), X.shape[1]), np.result_type(values, X))
    for i, columns in enumerate(kept_columns(meta)):
        Y[i] = values[i] @ X[columns]  # (k / 2,) @ (k / 2, n)
    return Y


def packed_meta(meta: np.ndarray) -> np.ndarray:
    """The metadata with two groups in a byte, the first in the low half: (rows, ceil(k / 8)) uint8."""
    meta = np.asarray(meta, np.uint8)
    if meta.shape[1] % 2:
        meta = np.pad(meta, ((0, 0), (0, 1)))
    return meta[:, ::2] | meta[:, 1::2] << 4


# --- how much of a matrix survives ---------------------------------------------------------------


def kept_energy(W: np.ndarray, mask: np.ndarray) -> float:
    """Share of the sum of squares that the mask keeps. Raises ValueError for a matrix of zeros."""
    squares = np.square(np.asarray(W, np.float64))
    if not squares.any():
        raise ValueError("W must have an entry that is not zero")
    return float(squares[mask].sum() / squares.sum())


def group_compliance(sparsity: float, n: int = 2, m: int = 4) -> float:
    """Chance that m neighbours hold at most n values that are not zero, when each is zero with chance `sparsity`.

    >>> [round(group_compliance(s), 4) for s in (0.5, 0.7, 0.8, 0.9)]
    [0.6875, 0.9163, 0.9728, 0.9963]
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must be in [0, 1], got {sparsity}")
    return sum(comb(m, k) * (1 - sparsity) ** k * sparsity ** (m - k) for k in range(n + 1))


def permute_for_24(W: np.ndarray, tries: int, seed: int) -> np.ndarray:
    """An order of the columns of W (rows, k) under which 2:4 keeps more magnitude: W[:, p] @ x[p] is W @ x.

    Swaps two random columns `tries` times and keeps the swaps that help, so the kept magnitude never falls.
    Raises ValueError "divisible" unless 4 divides k.
    """
    W = _sizes(np.asarray(W))
    check_group(W.shape[1], 2, 4)
    rng, order = np.random.default_rng(seed), np.arange(W.shape[1])
    for _ in range(tries):
        a, b = rng.integers(len(order), size=2)
        if a // 4 == b // 4:
            continue
        swapped = order.copy()
        swapped[[a, b]] = order[[b, a]]
        if _kept(W, swapped, a, b) > _kept(W, order, a, b):
            order = swapped
    return order


def _kept(sizes: np.ndarray, order: np.ndarray, a: int, b: int) -> float:
    """Magnitude that 2:4 keeps in the two groups that hold the places a and b."""
    groups = (order[4 * (place // 4): 4 * (place // 4) + 4] for place in (a, b))
    return sum(float(np.sort(sizes[:, group], axis=1)[:, 2:].sum()) for group in groups)
