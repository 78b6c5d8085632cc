"""A model of PyTorch's CUDA caching allocator (c10/cuda/CUDACachingAllocator.cpp) with its default settings.

One stream, no expandable segments, no limit on splitting. Ties between equal blocks go to the older segment,
where the real one takes the lower address. 0 bytes take a block, where the real one takes nothing.

>>> a = CachingAllocator()
>>> x = a.malloc(5 * MIB)
>>> a.free(x)
>>> a.allocated, a.reserved // MIB
(0, 20)
>>> a.empty_cache()
>>> a.reserved
0
"""

from __future__ import annotations

from dataclasses import dataclass, field

from utils.cost.checks import positive
from utils.cost.memory import human_bytes
from utils.hardware.caching_allocator.sizes import BLOCK_BYTES, MIB, SMALL_BYTES, is_small, round_size, segment_size

__all__ = ["MIB", "Block", "CachingAllocator", "OutOfMemory", "Segment"]


class OutOfMemory(MemoryError):
    """No free block fits, and a new segment does not fit into the device either."""


@dataclass
class Block:
    """A run of bytes in a segment; `handle` is None while it is free."""

    offset: int
    size: int
    handle: int | None = None


@dataclass
class Segment:
    """What one cudaMalloc returned: blocks in the order of their offsets, covering it without gaps."""

    size: int
    small: bool
    blocks: list[Block] = field(default_factory=list)

    @property
    def wholly_free(self) -> bool:
        return all(block.handle is None for block in self.blocks)


class CachingAllocator:
    """Hands out blocks of segments and keeps what is freed; all sizes in bytes.

    capacity_bytes: what segments may take together; None for no limit. split, coalesce: switch the two rules
    off to see what they are for.
    """

    def __init__(self, capacity_bytes: int | None = None, *, split: bool = True, coalesce: bool = True) -> None:
        if capacity_bytes is not None:
            positive(capacity_bytes=capacity_bytes)
        self.capacity_bytes, self._split, self._coalesce = capacity_bytes, split, coalesce
        self.segments: list[Segment] = []
        self.peak_allocated = 0
        self._next_handle = 1

    @property
    def allocated(self) -> int:
        """Bytes of blocks in use: `torch.cuda.memory_allocated`."""
        return sum(b.size for s in self.segments for b in s.blocks if b.handle is not None)

    @property
    def reserved(self) -> int:
        """Bytes of all segments: `torch.cuda.memory_reserved`."""
        return sum(segment.size for segment in self.segments)

    @property
    def largest_free_block(self) -> int:
        """Bytes of the largest free block; a larger request needs a new segment."""
        return max((b.size for s in self.segments for b in s.blocks if b.handle is None), default=0)

    def malloc(self, nbytes: int) -> int:
        """A handle to at least `nbytes`; best fit among free blocks of the pool, else a new segment.

        Raises ValueError for a negative size, OutOfMemory (after all wholly free segments were given back).
        """
        size = round_size(nbytes)
        segment, block = self._best_fit(size) or self._new_segment(size)
        self._split_off(segment, block, size)
        block.handle, self._next_handle = self._next_handle, self._next_handle + 1
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        return block.handle

    def free(self, handle: int) -> None:
        """Put a block back into the cache; the driver gets nothing. ValueError for a handle not in use."""
        for segment in self.segments:
            for block in segment.blocks:
                if block.handle == handle and handle is not None:
                    block.handle = None
                    if self._coalesce:
                        segment.blocks = _merged(segment.blocks)
                    return
        raise ValueError(f"handle must be in use, got {handle}")

    def empty_cache(self) -> None:
        """Give the wholly free segments back to the driver; one live block keeps its whole segment."""
        self.segments = [segment for segment in self.segments if not segment.wholly_free]

    def snapshot(self) -> list[dict]:
        """Plain data of every segment and block, like `torch.cuda.memory_snapshot`."""
        return [{"size": s.size, "pool": "small" if s.small else "large",
                 "blocks": [{"offset": b.offset, "size": b.size, "handle": b.handle} for b in s.blocks]}
                for s in self.segments]

    def _best_fit(self, size: int) -> tuple[Segment, Block] | None:
        fits = [(b.size, i, b.offset, b) for i, s in enumerate(self.segments) if s.small == is_small(size)
                for b in s.blocks if b.handle is None and b.size >= size]
        if not fits:
            return None
        _, index, _, block = min(fits)
        return self.segments[index], block

    def _new_segment(self, size: int) -> tuple[Segment, Block]:
        wanted = segment_size(size)
        if not self._has_room(wanted):
            self.empty_cache()
        if not self._has_room(wanted):
            raise OutOfMemory(
                f"tried to allocate {human_bytes(size)} (a segment of {human_bytes(wanted)}): of "
                f"{human_bytes(self.capacity_bytes)}, {human_bytes(self.reserved)} are reserved, of which "
                f"{human_bytes(self.allocated)} are allocated; the largest free block has "
                f"{human_bytes(self.largest_free_block)}")
        segment = Segment(wanted, is_small(size), [Block(0, wanted)])
        self.segments.append(segment)
        return segment, segment.blocks[0]

    def _has_room(self, nbytes: int) -> bool:
        return self.capacity_bytes is None or self.reserved + nbytes <= self.capacity_bytes

    def _split_off(self, segment: Segment, block: Block, size: int) -> None:
        """Cut the rest of `block` off where it is large enough to be of use."""
        rest = block.size - size
        if self._split and (rest >= BLOCK_BYTES if segment.small else rest > SMALL_BYTES):
            block.size = size
            segment.blocks.insert(segment.blocks.index(block) + 1, Block(block.offset + size, rest))


def _merged(blocks: list[Block]) -> list[Block]:
    """The blocks with every run of free neighbours made one."""
    merged: list[Block] = []
    for block in blocks:
        if merged and block.handle is None and merged[-1].handle is None:
            merged[-1].size += block.size
        else:
            merged.append(block)
    return merged
