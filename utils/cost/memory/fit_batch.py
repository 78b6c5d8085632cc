"""The largest batch that fits, when an allocator rounds every tensor.

>>> largest_batch(1000, 16, [300, 700], budget_bytes=40_000, overhead_bytes=1_000)
22
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.cost.checks import positive

# PyTorch's caching allocator hands out multiples of this (c10/core/AllocatorConfig.h, kMinBlockSize).
ALLOCATOR_BLOCK_BYTES = 512


def round_to_blocks(n_bytes: int) -> int:
    """`n_bytes` rounded up to whole allocator blocks of 512 bytes."""
    return -(-n_bytes // ALLOCATOR_BLOCK_BYTES) * ALLOCATOR_BLOCK_BYTES


def largest_batch(n_params: int, recipe_bytes_per_param: int, act_bytes_per_sample: Sequence[int], budget_bytes: int,
                  overhead_bytes: int, micro: int = 1) -> int:
    """Largest multiple of `micro` samples whose training step fits the budget; 0 if none does.

    States and overhead count as they are. Each activation tensor of a batch is rounded up to 512 bytes on its own.
    Raises ValueError for `micro` below 1, or when a sample has no activations.
    """
    positive(micro=micro, act_bytes_per_sample=sum(act_bytes_per_sample))
    room = budget_bytes - n_params * recipe_bytes_per_param - overhead_bytes

    def fits(groups: int) -> bool:
        return sum(round_to_blocks(groups * micro * size) for size in act_bytes_per_sample) <= room

    low, high = 0, max(0, room) // (micro * sum(act_bytes_per_sample)) + 1  # `high` groups are too many
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low * micro
