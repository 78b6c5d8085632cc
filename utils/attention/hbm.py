"""How many elements attention moves between off-chip memory (HBM) and on-chip memory (SRAM).

`HBM` counts while an algorithm runs; the closed forms predict the same integers. Letters as in the
FlashAttention paper (Dao et al. 2022): N keys and queries, d features, tiles of Br x Bc, SRAM of M elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np

from utils.cost.checks import positive

Algorithm = Literal["standard", "standard_bwd", "flash1", "flash2", "flash2_bwd"]


@dataclass
class HBM:
    """A meter at the boundary: what passes `load` or `store` is counted, what stays in local variables is free."""

    reads: int = 0
    writes: int = 0

    def load(self, a: np.ndarray) -> np.ndarray:
        """`a`, counted as read."""
        self.reads += a.size
        return a

    def store(self, dst: np.ndarray, idx: Any, value: Any) -> None:
        """dst[idx] = value, counted as written."""
        dst[idx] = value
        self.writes += dst[idx].size

    @property
    def elements(self) -> int:
        """Elements read and written."""
        return self.reads + self.writes

    def bytes(self, item_bytes: int) -> int:
        """Bytes read and written when an element takes `item_bytes`."""
        return self.elements * item_bytes


def tiles(n: int, block: int) -> Iterator[slice]:
    """Consecutive slices of at most `block` that cover range(n); the last one may be shorter."""
    return (slice(start, min(start + block, n)) for start in range(0, n, block))


def check_blocks(block_q: int, block_k: int) -> None:
    """Raise ValueError when a tile would be empty."""
    if block_q < 1 or block_k < 1:
        raise ValueError(f"block sizes must be >= 1, got {block_q} and {block_k}")


def _flash2_causal(n: int, d: int, block_q: int, block_k: int) -> int:
    """Each query tile loads the key tiles up to the one that holds its own last row."""
    total = 0
    for rows in tiles(n, block_q):
        r = rows.stop - rows.start
        keys = min(n, ceil(rows.stop / block_k) * block_k)
        total += 2 * r * d + r + 2 * d * keys
    return total


def attention_hbm_elements(n: int, d: int, block_q: int, block_k: int, algorithm: Algorithm,
                           causal: bool = False) -> int:
    """Elements read plus written by one attention head over n queries and n keys of d features.

    "standard" and "standard_bwd" are Algorithms 0 and 3 of the FlashAttention paper (the latter without mask
    and dropout), "flash1" its Algorithm 1; "flash2" and "flash2_bwd" are the loops of FlashAttention-2 (Dao
    2023, Algorithms 1 and 2). `causal` lets "flash2" skip tiles without a visible key; the others ignore it.
    Raises ValueError for a size below 1 or an unknown algorithm.

    >>> [attention_hbm_elements(8, 4, 2, 2, a) for a in ("standard", "flash1", "flash2")]
    [384, 624, 328]
    """
    check_blocks(block_q, block_k)
    positive(n=n, d=d)
    q_tiles, k_tiles = ceil(n / block_q), ceil(n / block_k)
    moved = {
        "standard": 4 * n * n + 4 * n * d,       # S and P: written and read; Q, K, V, O once
        "standard_bwd": 7 * n * n + 8 * n * d,   # P twice, dP and dS once in and once out, dS twice more
        "flash1": 3 * n * d + 2 * n + k_tiles * (3 * n * d + 4 * n),
        "flash2": 2 * n * d + n + 2 * n * d * q_tiles,
        "flash2_bwd": 6 * n * d + n + k_tiles * (4 * n * d + 2 * n),
    }
    if algorithm not in moved:
        raise ValueError(f"algorithm must be one of {', '.join(moved)}, got {algorithm!r}")
    if causal and algorithm == "flash2":
        return _flash2_causal(n, d, block_q, block_k)
    return moved[algorithm]


def block_sizes(sram_elements: int, d: int) -> tuple[int, int]:
    """(Br, Bc) that the 2022 paper chooses for an SRAM of M elements: Bc = ceil(M / 4d), Br = min(Bc, d).

    >>> block_sizes(192 * 1024 // 2, 64)  # 192 KiB of FP16
    (64, 384)
    """
    positive(sram_elements=sram_elements, d=d)
    block_k = ceil(sram_elements / (4 * d))
    return min(block_k, d), block_k


def flash2_tiles(sram_elements: int, d: int, max_block_k: int = 64) -> tuple[int, int]:
    """(Br, Bc) with the tallest query tile that fits when K and V tiles take at most a quarter of SRAM.

    On chip are the tiles of Q and O (Br x d each), K and V (Bc x d each) and the scores (Br x Bc). Real kernels
    stop at Br = 128 or 256 because O and the scores live in registers; this is the model without that limit.
    Raises ValueError when not even tiles of one row fit.
    """
    positive(sram_elements=sram_elements, d=d, max_block_k=max_block_k)
    block_k = min(max_block_k, max(1, sram_elements // (8 * d)))
    block_q = (sram_elements - 2 * block_k * d) // (2 * d + block_k)
    if block_q < 1:
        raise ValueError(f"sram_elements must hold tiles of one row, 4 d + 1 = {4 * d + 1}, got {sram_elements}")
    return block_q, block_k


def attention_roofline_ms(n: int, d: int, heads: int, hbm_elements_per_head: int, item_bytes: int,
                          peak_tflop_s: float, mem_gb_s: float) -> dict[str, float | str]:
    """Lower bounds of `heads` attention heads: keys compute_ms (4 N^2 d FLOP a head), memory_ms, bound.

    >>> attention_roofline_ms(4096, 64, 1, attention_hbm_elements(4096, 64, 1, 1, "standard"), 2, 312, 1555)["bound"]
    'memory'
    """
    positive(n=n, d=d, heads=heads, hbm_elements_per_head=hbm_elements_per_head, item_bytes=item_bytes,
             peak_tflop_s=peak_tflop_s, mem_gb_s=mem_gb_s)
    compute_ms = 4 * n * n * d * heads / (peak_tflop_s * 1e9)
    memory_ms = hbm_elements_per_head * heads * item_bytes / (mem_gb_s * 1e6)
    bound = "memory" if memory_ms >= compute_ms else "compute"
    return {"compute_ms": compute_ms, "memory_ms": memory_ms, "bound": bound}


def traffic_curves(ns: Sequence[int], d: int, sram_kib: float, peak_tflop_s: float, mem_gb_s: float, *,
                   block_q: int | None = None, item_bytes: int = 2) -> dict[str, np.ndarray]:
    """HBM bytes of one head against N for three algorithms, and which roof limits each.

    Keys "n", then "<algorithm>_bytes", "<algorithm>_ms" and "<algorithm>_bound" for standard, flash1 (tiles of
    the 2022 paper) and flash2 (tallest tiles that fit `sram_kib`, unless `block_q` fixes Br).
    """
    sram_elements = int(sram_kib * 1024 // item_bytes)
    tall, block_k = flash2_tiles(sram_elements, d)
    blocks = {"standard": (1, 1), "flash1": block_sizes(sram_elements, d), "flash2": (block_q or tall, block_k)}
    curves: dict[str, np.ndarray] = {"n": np.asarray(ns)}
    for algorithm, tile in blocks.items():
        elements = [attention_hbm_elements(int(n), d, *tile, algorithm) for n in ns]
        roofs = [attention_roofline_ms(int(n), d, 1, moved, item_bytes, peak_tflop_s, mem_gb_s)
                 for n, moved in zip(ns, elements)]
        curves[f"{algorithm}_bytes"] = np.array(elements) * item_bytes
        curves[f"{algorithm}_ms"] = np.array([max(roof["compute_ms"], roof["memory_ms"]) for roof in roofs])
        curves[f"{algorithm}_bound"] = np.array([roof["bound"] for roof in roofs])
    return curves
