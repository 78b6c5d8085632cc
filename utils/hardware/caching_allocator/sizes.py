"""How large a block and a segment are: the constants of PyTorch's c10/core/AllocatorConfig.h and their rules.

>>> segment_for(1), segment_for(25_000_000)
((512, 2097152), (25000448, 25165824))
"""

from __future__ import annotations

from utils.cost.checks import non_negative

MIB = 2**20
BLOCK_BYTES = 512  # kMinBlockSize: every block is a multiple
SMALL_BYTES = MIB  # kSmallSize: the largest block of the small pool
SMALL_SEGMENT_BYTES = 2 * MIB  # kSmallBuffer
MIN_LARGE_BYTES = 10 * MIB  # kMinLargeAlloc: from here on a segment is made to measure
LARGE_SEGMENT_BYTES = 20 * MIB  # large_segment_size, formerly kLargeBuffer; the default
ROUND_LARGE_BYTES = 2 * MIB  # kRoundLarge


def round_size(nbytes: int) -> int:
    """`nbytes` rounded up to whole blocks of 512 bytes; 0 counts as one block. ValueError if negative."""
    non_negative(nbytes=nbytes)
    return max(1, -(-nbytes // BLOCK_BYTES)) * BLOCK_BYTES


def is_small(block_bytes: int) -> bool:
    """Whether a block of this (rounded) size belongs to the small pool."""
    return block_bytes <= SMALL_BYTES


def segment_size(nbytes: int) -> int:
    """Bytes of the segment that a request of `nbytes` asks of the driver when no cached block fits."""
    size = round_size(nbytes)
    if is_small(size):
        return SMALL_SEGMENT_BYTES
    if size < MIN_LARGE_BYTES:
        return LARGE_SEGMENT_BYTES
    return -(-size // ROUND_LARGE_BYTES) * ROUND_LARGE_BYTES


def segment_for(nbytes: int) -> tuple[int, int]:
    """(bytes of the block, bytes of its new segment) for a request of `nbytes`. ValueError if negative."""
    return round_size(nbytes), segment_size(nbytes)
