"""Strided loads of a warp in 32-byte sectors, by the rule of `utils.cost.bandwidth`."""

from __future__ import annotations

import numpy as np

from utils.cost.bandwidth import warp_sectors


def strided_sectors(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
    """Distinct 32-byte sectors that lanes touch, lane i reading access_bytes from base + i * stride.

    Raises ValueError for lanes below 1, and "negative address".

    >>> [strided_sectors(*a) for a in ((0, 4), (4, 4), (0, 8), (0, 128), (0, 0), (2, 4))]
    [4, 5, 8, 32, 1, 5]
    """
    return warp_sectors(_addresses(base_bytes, stride_bytes, lanes), access_bytes)


def bus_efficiency(addresses: np.ndarray, access_bytes: int = 4) -> float:
    """Distinct bytes that were asked for over the bytes of the sectors that were moved: at most 1."""
    addresses = np.asarray(addresses, np.int64)
    asked = np.unique(addresses[:, None] + np.arange(access_bytes))
    return asked.size / (32 * warp_sectors(addresses, access_bytes))


def sector_map(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> dict[int, int]:
    """Bytes asked of each touched sector, by the sector's number (address over 32), in ascending order."""
    asked = np.unique(_addresses(base_bytes, stride_bytes, lanes)[:, None] + np.arange(access_bytes))
    numbers, counts = np.unique(asked // 32, return_counts=True)
    return {int(n): int(c) for n, c in zip(numbers, counts)}


def _addresses(base_bytes: int, stride_bytes: int, lanes: int) -> np.ndarray:
    if lanes < 1:
        raise ValueError(f"lanes must be at least 1, got {lanes}")
    return base_bytes + stride_bytes * np.arange(lanes, dtype=np.int64)
