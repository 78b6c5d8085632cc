"""Weight sharing and sparse storage: few distinct values, and the gaps between them (Han, Mao, Dally, ICLR 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Init = Literal["linear", "density"]
Entry = tuple[int, float]


def kmeans_1d(values: ArrayLike, k: int, init: Init = "linear", iterations: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's k-means on numbers: (codebook ascending, float32; index of each value's entry, int64, flat).

    init "linear" spreads the first centroids evenly between the extremes, which keeps large weights apart;
    "density" takes quantiles, which crowds them where most weights are. Where `values` has at most k distinct
    ones the codebook holds exactly these; a cluster that is left without values goes, so the codebook may have
    fewer than k entries. Raises ValueError for no values, values that are not finite, or k below 1.

    >>> kmeans_1d([0.9, -1.1, 1.1, -0.9], 2)[1].tolist()
    [1, 0, 1, 0]
    """
    flat = np.asarray(values, np.float32).ravel()
    if flat.size == 0 or not np.all(np.isfinite(flat)):
        raise ValueError(f"values must be finite and not empty, got {flat.size} of them")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    distinct = np.unique(flat)
    if len(distinct) <= k:
        return distinct, np.searchsorted(distinct, flat)
    if init == "linear":
        centroids = np.linspace(flat.min(), flat.max(), k, dtype=np.float64)
    else:
        centroids = np.quantile(flat.astype(np.float64), (np.arange(k) + 0.5) / k)
    for _ in range(iterations):
        index = _nearest(centroids, flat)
        counts = np.bincount(index, minlength=len(centroids))
        sums = np.bincount(index, flat, minlength=len(centroids))
        moved = sums[counts > 0] / counts[counts > 0]
        if len(moved) == len(centroids) and np.array_equal(moved, centroids):
            break
        centroids = moved
    codebook = centroids.astype(np.float32)
    return codebook, _nearest(codebook, flat)


def _nearest(centroids: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Index of the nearest centroid (ascending): the border between two of them is their midpoint."""
    centroids = centroids.astype(np.float64)
    return np.searchsorted((centroids[1:] + centroids[:-1]) / 2, flat)


def gap_encode(flat: np.ndarray, index_bits: int) -> list[Entry]:
    """The non-zero values of `flat` as (gap, value), gaps of `index_bits` bits, as in Deep Compression.

    An entry stands at position previous + gap + 1; previous starts at -1. A gap above 2^index_bits - 1 is bridged
    by padding entries (2^index_bits - 1, 0.0), each of which uses up 2^index_bits positions. Trailing zeros emit
    nothing. Raises ValueError unless index_bits is at least 1.

    >>> gap_encode(np.array([0, 3.4, 0, 0, 0, 0, 0, 0.9, 0, 1.7]), 2)
    [(1, 3.4), (3, 0.0), (1, 0.9), (1, 1.7)]
    """
    if index_bits < 1:
        raise ValueError(f"index_bits must be at least 1, got {index_bits}")
    flat = np.asarray(flat).ravel()
    span = 2**index_bits
    entries: list[Entry] = []
    previous = -1
    for position in np.flatnonzero(flat).tolist():
        bridges, gap = divmod(position - previous - 1, span)
        entries += [(span - 1, 0.0)] * bridges
        entries.append((gap, flat[position].item()))
        previous = position
    return entries


def gap_decode(entries: Sequence[Entry], size: int) -> np.ndarray:
    """The `size` values (float64) that `gap_encode` made the entries from: position = previous + gap + 1.

    Raises ValueError when an entry lies beyond `size`.

    >>> gap_decode([(1, 3.4), (3, 0.0), (1, 0.9), (1, 1.7)], 10).tolist()
    [0.0, 3.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.0, 1.7]
    """
    flat = np.zeros(size)
    positions = np.cumsum([gap + 1 for gap, _ in entries], dtype=np.int64) - 1
    if len(positions) and (positions[-1] >= size or min(gap for gap, _ in entries) < 0):
        raise ValueError(f"entries must lie within {size} positions, got one at {int(positions.max())}")
    flat[positions] = [value for _, value in entries]
    return flat
