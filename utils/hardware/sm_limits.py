"""How many blocks of a kernel fit on one streaming multiprocessor (SM), by compute capability.

The rules are those of NVIDIA's `cuda_occupancy.h` (CUDA runtime 13.5): a block occupies warp slots, a block slot,
registers and shared memory of its SM, and the scarcest of them sets the limit. The table is that of NVIDIA's
`cuda/__device/arch_traits.h` (CCCL, CUDA 13).

>>> active_blocks("8.0", 64, 0, 256)
OccupancyResult(blocks=4, warps=32, occupancy=0.5, limiter='registers')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np

WARP = 32
MAX_BLOCK_THREADS = 1024
MAX_THREAD_REGS = 255


@dataclass(frozen=True)
class SmLimits:
    """What one SM of a compute capability holds. Sizes in bytes, `regs` in 32-bit registers.

    smem_optin_block_bytes: the most shared memory that one block may ask for.
    smem_reserved_block_bytes: what the driver takes on top in each block.
    reg_alloc_unit: registers are given to warps in multiples of this; subpartitions: quarters of the SM, each with
    its own part of the registers.
    """

    cc: str
    max_threads: int
    max_blocks: int
    smem_bytes: int
    smem_optin_block_bytes: int
    smem_reserved_block_bytes: int
    smem_alloc_unit: int
    regs: int = 65536
    reg_alloc_unit: int = 256
    subpartitions: int = 4

    @property
    def max_warps(self) -> int:
        return self.max_threads // WARP

    def as_dict(self) -> dict:
        """The fields by name: plain data."""
        return asdict(self)


@dataclass(frozen=True)
class OccupancyResult:
    """Blocks and warps that are resident on one SM, warps over the maximum (a fraction), and what limits them.

    limiter: "warps", "blocks", "registers" or "shared memory"; with 0 blocks, what refuses the block.
    """

    blocks: int
    warps: int
    occupancy: float
    limiter: str


_KIB = 1024
_ROWS = (  # threads, blocks, shared KiB an SM and a block, reserved bytes a block, shared allocation unit
    ("7.0", 2048, 32, 96, 96, 0, 256), ("7.5", 1024, 16, 64, 64, 0, 256), ("8.0", 2048, 32, 164, 163, 1024, 128),
    ("8.6", 1536, 16, 100, 99, 1024, 128), ("8.7", 1536, 16, 164, 163, 1024, 128),
    ("8.9", 1536, 24, 100, 99, 1024, 128), ("9.0", 2048, 32, 228, 227, 1024, 128),
    ("10.0", 2048, 32, 228, 227, 1024, 128), ("10.3", 2048, 32, 228, 227, 1024, 128),
    ("11.0", 1536, 24, 228, 227, 1024, 128), ("12.0", 1536, 24, 100, 99, 1024, 128),
    ("12.1", 1536, 24, 100, 99, 1024, 128),
)
SM_LIMITS: Mapping[str, SmLimits] = MappingProxyType({
    cc: SmLimits(cc, threads, blocks, sm_kib * _KIB, block_kib * _KIB, reserved, unit)
    for cc, threads, blocks, sm_kib, block_kib, reserved, unit in _ROWS})


def active_blocks(cc: str, regs_per_thread: int, smem_per_block_bytes: int, threads_per_block: int) -> OccupancyResult:
    """Blocks of a kernel that are resident on one SM of compute capability `cc` at the same time.

    Raises ValueError "unknown compute capability" for a `cc` that is not in SM_LIMITS, and for threads_per_block
    outside 1..1024, regs_per_thread outside 1..255 or negative shared memory.
    """
    if cc not in SM_LIMITS:
        raise ValueError(f"unknown compute capability {cc!r}: known are {', '.join(SM_LIMITS)}")
    if not 1 <= threads_per_block <= MAX_BLOCK_THREADS:
        raise ValueError(f"threads_per_block must be from 1 to {MAX_BLOCK_THREADS}, got {threads_per_block}")
    if not 1 <= regs_per_thread <= MAX_THREAD_REGS:
        raise ValueError(f"regs_per_thread must be from 1 to {MAX_THREAD_REGS}, got {regs_per_thread}")
    if smem_per_block_bytes < 0:
        raise ValueError(f"smem_per_block_bytes must not be negative, got {smem_per_block_bytes}")
    limits = SM_LIMITS[cc]
    fits = block_limits(limits, regs_per_thread, smem_per_block_bytes, threads_per_block)
    limiter = min(fits, key=fits.__getitem__)
    warps = fits[limiter] * -(-threads_per_block // WARP)
    return OccupancyResult(fits[limiter], warps, warps / limits.max_warps, limiter)


def occupancy(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    """(blocks on one SM, resident warps over the maximum), from `SmLimits.as_dict()`; sizes in bytes.

    A block that can't start gives (0, 0.0).

    >>> occupancy(SM_LIMITS["7.0"].as_dict(), 37, 0, 128)
    (12, 0.75)
    """
    sm = SmLimits(**limits)
    blocks = min(block_limits(sm, regs, smem, threads).values())
    return blocks, blocks * -(-threads // WARP) / sm.max_warps


@dataclass(frozen=True)
class OccupancyGrid:
    """Occupancy (a fraction) and what limits it, an index into LIMITERS, for threads (rows) and registers (columns)."""

    threads: tuple[int, ...]
    regs: tuple[int, ...]
    occupancy: np.ndarray  # (threads, regs) float64
    limiter: np.ndarray  # (threads, regs) int64


LIMITERS = ("warps", "blocks", "registers", "shared memory")


def occupancy_grid(cc: str, smem_bytes: int = 0, threads: Sequence[int] = tuple(range(32, 1025, 32)),
                   regs: Sequence[int] = tuple(range(16, 256, 8))) -> OccupancyGrid:
    """`active_blocks` over a grid. Raises ValueError as it does."""
    found = [[active_blocks(cc, r, smem_bytes, t) for r in regs] for t in threads]
    return OccupancyGrid(tuple(threads), tuple(regs), np.array([[f.occupancy for f in row] for row in found]),
                         np.array([[LIMITERS.index(f.limiter) for f in row] for row in found]))


def block_limits(limits: SmLimits, regs: int, smem_bytes: int, threads: int) -> dict[str, int]:
    """Blocks that each resource of the SM would allow by itself."""
    warps = -(-threads // WARP)
    return {"warps": limits.max_warps // warps, "blocks": limits.max_blocks,
            "registers": _by_registers(limits, regs, warps), "shared memory": _by_shared_memory(limits, smem_bytes)}


def _by_registers(limits: SmLimits, regs: int, warps: int) -> int:
    # The launch check of cuda_occupancy.h (warps rounded up to the quarters) never refuses what fits here: warps of a
    # block that fit into four equal quarters also fit when rounded up to a multiple of four.
    warps_per_quarter = limits.regs // limits.subpartitions // _round_up(regs * WARP, limits.reg_alloc_unit)
    return warps_per_quarter * limits.subpartitions // warps


def _by_shared_memory(limits: SmLimits, smem_bytes: int) -> int:
    per_block = _round_up(smem_bytes + limits.smem_reserved_block_bytes, limits.smem_alloc_unit)
    if per_block > limits.smem_optin_block_bytes + limits.smem_reserved_block_bytes:
        return 0
    return limits.smem_bytes // per_block if per_block else limits.max_blocks


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
