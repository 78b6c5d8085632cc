"""Prefix caching: full blocks are found again by the hash of everything up to their end.

vLLM V1's way (docs, "Automatic Prefix Caching"): only full blocks are shared, tables only grow, nothing is
copied. A block's hash covers the hash of the block before it, so equal hashes mean equal whole prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from utils.attention.block_manager import BlockAllocator
from utils.cost.checks import positive


@dataclass
class _Entry:
    block: int
    depth: int
    used: int


class PrefixCache:
    """Blocks of finished and running sequences by chained hash; the cache itself holds one reference on each.

    A block that only the cache references can be evicted: least recently used first, and of one chain the
    deepest first, because a block is useless without those before it.
    """

    def __init__(self, block_size: int, allocator: BlockAllocator) -> None:
        positive(block_size=block_size)
        self.block_size = block_size
        self.allocator = allocator
        self._entries: dict[bytes, _Entry] = {}
        self._clock = 0

    def __len__(self) -> int:
        return len(self._entries)

    def block_hashes(self, tokens: Sequence[int]) -> list[bytes]:
        """SHA-256 of every full block of `tokens`, each over the previous hash and its own tokens."""
        hashes, previous = [], b""
        for stop in range(self.block_size, len(tokens) + 1, self.block_size):
            own = ",".join(str(int(t)) for t in tokens[stop - self.block_size:stop])
            previous = sha256(previous + own.encode()).digest()
            hashes.append(previous)
        return hashes

    def match(self, tokens: Sequence[int]) -> list[int]:
        """Blocks of the longest cached prefix of full blocks; they count as used now.

        The caller takes its own references (`PagedKVCache.add` with these blocks) before anything is evicted.
        """
        self._clock += 1
        blocks = []
        for digest in self.block_hashes(tokens):
            entry = self._entries.get(digest)
            if entry is None:
                break
            entry.used = self._clock
            blocks.append(entry.block)
        return blocks

    def insert(self, tokens: Sequence[int], block_table: Sequence[int]) -> int:
        """Remember the full blocks of a sequence whose keys and values are written; number of new entries.

        A prefix that is known already keeps its block. Raises ValueError when the table is too short.
        """
        hashes = self.block_hashes(tokens)
        if len(block_table) < len(hashes):
            raise ValueError(f"block_table must hold the {len(hashes)} full blocks, got {len(block_table)}")
        self._clock += 1
        before = len(self._entries)
        for depth, (digest, block) in enumerate(zip(hashes, block_table)):
            if digest not in self._entries:
                self.allocator.share(block)
                self._entries[digest] = _Entry(block, depth, self._clock)
            self._entries[digest].used = self._clock
        return len(self._entries) - before

    def evict(self, n: int) -> list[int]:
        """Free up to `n` blocks that no sequence references; their ids in the order of eviction."""
        idle = [(entry.used, -entry.depth, digest) for digest, entry in self._entries.items()
                if self.allocator.ref_count(entry.block) == 1]
        blocks = [self._entries.pop(digest).block for _, _, digest in sorted(idle)[:n]]
        for block in blocks:
            self.allocator.free(block)
        return blocks
