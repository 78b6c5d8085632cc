"""PyTorch's CUDA caching allocator, simulated: sizes, segments, blocks, and why "free" bytes may not help.

The door of the package; pure Python, so it is light.
"""

from utils.hardware.caching_allocator.allocator import Block, CachingAllocator, OutOfMemory, Segment
from utils.hardware.caching_allocator.script import replay, reserved_after
from utils.hardware.caching_allocator.sizes import (
    BLOCK_BYTES,
    LARGE_SEGMENT_BYTES,
    MIB,
    MIN_LARGE_BYTES,
    SMALL_BYTES,
    SMALL_SEGMENT_BYTES,
    is_small,
    round_size,
    segment_for,
    segment_size,
)

__all__ = [
    "BLOCK_BYTES", "LARGE_SEGMENT_BYTES", "MIB", "MIN_LARGE_BYTES", "SMALL_BYTES", "SMALL_SEGMENT_BYTES", "Block",
    "CachingAllocator", "OutOfMemory", "Segment", "is_small", "replay", "reserved_after", "round_size", "segment_for",
    "segment_size",
]
