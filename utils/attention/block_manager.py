"""Paging without tensors: which block belongs to whom, how often, and in which order.

A block holds `block_size` token slots. A sequence's block table maps its positions to blocks, so that blocks
need not be adjacent; reference counts let several sequences share one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from math import ceil
from typing import NamedTuple

from utils.cost.checks import non_negative, positive


class CopyEvent(NamedTuple):
    """Copy-on-write: the contents of block `source` have to be copied into block `target`."""

    source: int
    target: int


def slot_mapping(block_table: Sequence[int], start: int, stop: int, block_size: int) -> list[int]:
    """Flat physical slot, block * block_size + offset, of each token position in [start, stop).

    Raises ValueError when the table is too short or not 0 <= start <= stop.

    >>> slot_mapping([7, 2, 5], 3, 6, 4)
    [31, 8, 9]
    """
    positive(block_size=block_size)
    if not 0 <= start <= stop:
        raise ValueError(f"start and stop must satisfy 0 <= start <= stop, got {start} and {stop}")
    if stop > len(block_table) * block_size:
        raise ValueError(f"block_table must cover stop = {stop}, got a table that is too short: "
                         f"{len(block_table)} blocks of {block_size}")
    return [block_table[pos // block_size] * block_size + pos % block_size for pos in range(start, stop)]


class BlockAllocator:
    """A pool of `num_blocks` reference-counted blocks; free plus referenced blocks are always num_blocks."""

    def __init__(self, num_blocks: int) -> None:
        positive(num_blocks=num_blocks)
        self.num_blocks = num_blocks
        self._free = list(range(num_blocks - 1, -1, -1))  # a stack: what was freed last is reused first
        self._refs: dict[int, int] = {}

    @property
    def num_free(self) -> int:
        """Blocks that nobody references."""
        return len(self._free)

    def allocate(self) -> int:
        """A free block with one reference. Raises MemoryError when there is none."""
        if not self._free:
            raise MemoryError(f"out of KV blocks: all {self.num_blocks} are referenced")
        block = self._free.pop()
        self._refs[block] = 1
        return block

    def share(self, block: int) -> None:
        """Add a reference. Raises ValueError when the block is not allocated."""
        self._refs[block] = self._referenced(block) + 1

    def free(self, block: int) -> None:
        """Drop a reference; the last one frees the block. Raises ValueError when the block is not allocated."""
        left = self._referenced(block) - 1
        if left:
            self._refs[block] = left
        else:
            del self._refs[block]
            self._free.append(block)

    def ref_count(self, block: int) -> int:
        """How many references the block has; 0 when it is free."""
        return self._refs.get(block, 0)

    def _referenced(self, block: int) -> int:
        if block not in self._refs:
            raise ValueError(f"block must be allocated, got {block}, which is free or unknown")
        return self._refs[block]


class BlockManager:
    """Block tables of many sequences over one pool: growth, sharing by fork, copy-on-write.

    Sequences have any hashable id. Every method raises KeyError for an unknown id, and a call that raises
    MemoryError has changed nothing.

    >>> blocks = BlockManager(6, 4)
    >>> blocks.add("a", 6); blocks.fork("a", "b"); blocks.num_free()
    4
    >>> blocks.append("a") is not None, blocks.append("b"), blocks.num_free()
    (True, None, 3)
    """

    def __init__(self, num_blocks: int, block_size: int) -> None:
        positive(block_size=block_size)
        self.block_size = block_size
        self.allocator = BlockAllocator(num_blocks)
        self._tables: dict[Hashable, list[int]] = {}
        self._lengths: dict[Hashable, int] = {}

    def add(self, seq: Hashable, n_tokens: int, *, prefix: Iterable[int] = ()) -> None:
        """Start a sequence of `n_tokens` tokens, the first of them in the full blocks `prefix` of others.

        Raises ValueError for an id in use, a free block in the prefix or fewer tokens than the prefix holds.
        """
        self._check_new(seq)
        prefix = list(prefix)
        shared_tokens = len(prefix) * self.block_size
        non_negative(n_tokens=n_tokens)
        if n_tokens < shared_tokens:
            raise ValueError(f"n_tokens must be at least the prefix's {shared_tokens}, got {n_tokens}")
        if not all(map(self.allocator.ref_count, prefix)):
            raise ValueError(f"prefix must name allocated blocks, got {prefix}")
        self._check_room(ceil(n_tokens / self.block_size) - len(prefix))
        for block in prefix:
            self.allocator.share(block)
        self._tables[seq], self._lengths[seq] = prefix, shared_tokens
        self.reserve(seq, n_tokens - shared_tokens)

    def blocks_needed(self, seq: Hashable, n: int) -> int:
        """Blocks that `reserve(seq, n)` would take from the pool: for new tokens and for a copied tail."""
        length, table = self._lengths[seq], self._tables[seq]
        return ceil((length + n) / self.block_size) - len(table) + (n > 0 and self._tail_is_shared(seq))

    def reserve(self, seq: Hashable, n: int) -> list[CopyEvent]:
        """Make room for `n` more tokens; a shared, partly filled tail is replaced by a copy (at most one event)."""
        non_negative(n=n)
        self._check_room(self.blocks_needed(seq, n))
        table, copies = self._tables[seq], []
        if n > 0 and self._tail_is_shared(seq):
            copies.append(CopyEvent(table[-1], self.allocator.allocate()))
            self.allocator.free(copies[0].source)
            table[-1] = copies[0].target
        self._lengths[seq] += n
        while len(table) * self.block_size < self._lengths[seq]:
            table.append(self.allocator.allocate())
        return copies

    def append(self, seq: Hashable) -> tuple[int, int] | None:
        """Add one token; (old block, new block) when that took a copy-on-write, else None."""
        copies = self.reserve(seq, 1)
        return tuple(copies[0]) if copies else None

    def fork(self, parent: Hashable, child: Hashable) -> None:
        """Let `child` continue `parent`: all blocks are shared, none is copied. ValueError for an id in use."""
        table = self._tables[parent]
        self._check_new(child)
        for block in table:
            self.allocator.share(block)
        self._tables[child], self._lengths[child] = list(table), self._lengths[parent]

    def free(self, seq: Hashable) -> None:
        """Forget the sequence; blocks that nobody else references return to the pool."""
        for block in reversed(self._tables.pop(seq)):
            self.allocator.free(block)
        del self._lengths[seq]

    def num_free(self) -> int:
        """Blocks in the pool that nobody references."""
        return self.allocator.num_free

    def table(self, seq: Hashable) -> list[int]:
        """Ids of the sequence's blocks in order."""
        return list(self._tables[seq])

    def length(self, seq: Hashable) -> int:
        """Tokens of the sequence."""
        return self._lengths[seq]

    def sequences(self) -> list[Hashable]:
        """Ids of all sequences, oldest first."""
        return list(self._tables)

    def fill(self) -> dict[int, int]:
        """Filled slots of every block that a sequence holds; a shared block is as full for all its owners."""
        return {block: min(self.block_size, self._lengths[seq] - i * self.block_size)
                for seq, table in self._tables.items() for i, block in enumerate(table)}

    def _tail_is_shared(self, seq: Hashable) -> bool:
        """Whether the next token would go into a block that others read too; full blocks are never written."""
        return bool(self._lengths[seq] % self.block_size) and self.allocator.ref_count(self._tables[seq][-1]) > 1

    def _check_new(self, seq: Hashable) -> None:
        if seq in self._tables:
            raise ValueError(f"seq must be a new id, got {seq!r}, which is in use: duplicate")

    def _check_room(self, needed: int) -> None:
        if needed > self.allocator.num_free:
            raise MemoryError(f"out of KV blocks: {needed} needed, {self.allocator.num_free} free")


def pool_stats(manager: BlockManager) -> dict[str, float]:
    """What the pool's memory is used for, shared blocks counted once.

    Keys live_tokens (filled slots), held_slots (slots of all blocks in a table), shared_blocks (with more than
    one reference) and waste (share of held slots that is empty, 0 when none is held).
    """
    fill = manager.fill()
    live, held = sum(fill.values()), len(fill) * manager.block_size
    shared = sum(manager.allocator.ref_count(block) > 1 for block in fill)
    return {"live_tokens": live, "held_slots": held, "shared_blocks": shared, "waste": 1 - live / held if held else 0.0}
