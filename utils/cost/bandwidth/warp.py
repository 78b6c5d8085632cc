"""What one warp's loads move: 32-byte sectors.

An exact model of the documented rule (CUDA C++ Best Practices Guide 12.9, coalesced access to global memory):
the loads of a warp become as many transactions as there are distinct 32-byte sectors with a requested byte.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.cost.checks import positive


def _sectors(byte_addresses: np.ndarray, item_bytes: int, sector_bytes: int) -> np.ndarray:
    """Indices of the distinct sectors that hold a requested byte, ascending."""
    positive(item_bytes=item_bytes, sector_bytes=sector_bytes)
    addresses = np.asarray(byte_addresses, dtype=np.int64).ravel()
    if not addresses.size:
        raise ValueError("byte_addresses must not be empty, got no lane")
    if addresses.min() < 0:
        raise ValueError(f"byte_addresses must not hold a negative address, got {addresses.min()}")
    first = addresses // sector_bytes
    last = (addresses + item_bytes - 1) // sector_bytes
    reach = np.arange((last - first).max() + 1)  # an item may cover several sectors
    return np.unique(np.minimum(first[:, None] + reach, last[:, None]))


def warp_sectors(byte_addresses: np.ndarray, item_bytes: int, sector_bytes: int = 32) -> int:
    """Distinct sectors that the lanes' items touch; addresses in bytes, any order, duplicates free.

    Raises ValueError for no address, a negative address or a size that is not positive.

    >>> warp_sectors(np.arange(32) * 4, 4), warp_sectors(np.arange(32) * 4 + 4, 4), warp_sectors(np.zeros(32), 4)
    (4, 5, 1)
    """
    return len(_sectors(byte_addresses, item_bytes, sector_bytes))


def _lane_addresses(stride_items: int, item_bytes: int, offset_bytes: int, lanes: int) -> np.ndarray:
    if not 1 <= lanes <= 32:
        raise ValueError(f"lanes must be between 1 and 32, got {lanes}")
    return offset_bytes + np.arange(lanes, dtype=np.int64) * stride_items * item_bytes


def coalescing_efficiency(stride_items: int, item_bytes: int, offset_bytes: int = 0, lanes: int = 32) -> float:
    """Useful share of the bytes moved: distinct requested bytes over 32 a sector.

    >>> coalescing_efficiency(1, 4), coalescing_efficiency(2, 4), coalescing_efficiency(8, 4)
    (1.0, 0.5, 0.125)
    """
    addresses = _lane_addresses(stride_items, item_bytes, offset_bytes, lanes)
    useful = len(np.unique(addresses)) * item_bytes  # stride 0 asks all lanes for one item
    return useful / (32 * warp_sectors(addresses, item_bytes))


def sectors_touched(addresses: Sequence[int], item_bytes: int, sector: int = 32) -> int:
    """Distinct sectors that contain a requested byte of one warp.

    >>> sectors_touched([2 * 4 * lane for lane in range(32)], 4), sectors_touched([30], 8)
    (8, 2)
    """
    return warp_sectors(np.asarray(addresses), item_bytes, sector)


def warp_picture(stride: int, item_bytes: int, offset: int) -> dict:
    """The picture of one warp: each lane's first sector, the sectors touched, and what they cost.

    Keys: lane_address (bytes), lane_sector, sectors, n_sectors, moved_bytes, useful_bytes, efficiency.
    """
    addresses = _lane_addresses(stride, item_bytes, offset, 32)
    sectors = _sectors(addresses, item_bytes, 32)
    useful = len(np.unique(addresses)) * item_bytes
    return {
        "lane_address": addresses.tolist(),
        "lane_sector": (addresses // 32).tolist(),
        "sectors": sectors.tolist(),
        "n_sectors": len(sectors),
        "moved_bytes": 32 * len(sectors),
        "useful_bytes": useful,
        "efficiency": useful / (32 * len(sectors)),
    }


# Byte addresses of the 32 lanes for the figure's presets; the gather is drawn once so that pictures repeat.
WARP_PRESETS: dict[str, list[int]] = {
    "aligned": [4 * lane for lane in range(32)],
    "misaligned by 4 bytes": [4 * lane + 4 for lane in range(32)],
    "stride 2": [8 * lane for lane in range(32)],
    "column of a row-major matrix (1024 floats a row)": [4096 * lane for lane in range(32)],
    "broadcast": [0] * 32,
    "random gather from 4 KiB": (4 * np.random.default_rng(0).integers(0, 1024, 32)).tolist(),
}
