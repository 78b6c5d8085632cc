"""The KV pool of the simulated server: the real block manager and the real prefix cache, plus who counts as fitting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import ceil

from utils.attention.block_manager import BlockManager
from utils.attention.prefix_cache import PrefixCache
from utils.engines.tensorrt_llm import blocks_for

_EVICTION_LOTS = 50  # evict 1/50 of the pool at once: each call looks at the whole cache


class _HashedOnce(PrefixCache):
    """A prefix cache that remembers the hashes of a prompt: the head of the queue is matched before every step."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self._known: dict[Sequence[int], list[bytes]] = {}

    def block_hashes(self, tokens: Sequence[int]) -> list[bytes]:
        if tokens not in self._known:
            self._known[tokens] = super().block_hashes(tokens)
        return self._known[tokens]


class KvBlocks:
    """Blocks of running requests and of remembered prompts.

    A block that only the prefix cache holds counts as available, since it is evicted when somebody needs room. With
    `reserve_all` a request starts only when everybody's longest has room, so that growing never fails.
    """

    def __init__(self, num_blocks: int, block_size: int, *, prefix_caching: bool = False,
                 reserve_all: bool = False) -> None:
        self.manager = BlockManager(num_blocks, block_size)
        self.cache = _HashedOnce(block_size, self.manager.allocator) if prefix_caching else None
        self.num_blocks, self.block_size, self.reserve_all = num_blocks, block_size, reserve_all
        self._owners: Counter[int] = Counter()     # sequences by block
        self._shared = 0
        self._most: dict[Hashable, int] = {}       # blocks that a sequence may need at its longest
        self._slots: dict[Hashable, int] = {}

    @property
    def used(self) -> int:
        """Blocks that a request reads, each counted once."""
        return len(self._owners)

    @property
    def shared(self) -> int:
        """Blocks that more than one request reads."""
        return self._shared

    @property
    def idle(self) -> int:
        """Blocks that only the prefix cache keeps."""
        return self.num_blocks - self.manager.num_free() - self.used

    @property
    def available(self) -> int:
        """Blocks that are free or can be made so."""
        return self.num_blocks - self.used

    def slots(self, seq: Hashable) -> int:
        """Token slots in the blocks of a request."""
        return self._slots[seq]

    def admit(self, seq: Hashable, prompt: Sequence[int], context: int, longest: int) -> int | None:
        """Give a request room for `context` tokens and the next; the tokens it finds in the cache, None if it can't.

        It will grow to `longest` tokens at most. At least one token stays to be computed.
        """
        prefix = self.cache.match(prompt)[:(context - 1) // self.block_size] if self.cache is not None else []
        most, promised = blocks_for(context + 1, self.block_size), 0
        if self.reserve_all:
            most = blocks_for(longest, self.block_size)
            promised = sum(self._most.values()) - sum(self._slots.values()) // self.block_size
        room = self.available - sum(block not in self._owners for block in prefix) - promised
        if most - len(prefix) > room:
            return None
        cached = len(prefix) * self.block_size
        self.manager.add(seq, cached, prefix=prefix)  # holds the prefix before anything is evicted
        self._most[seq], self._slots[seq] = most, cached
        self._own(prefix)
        self.grow(seq, context + 1)
        return cached

    def grow(self, seq: Hashable, tokens: int) -> None:
        """Make room for `tokens` tokens of a request. Raises MemoryError when all blocks are in use."""
        held = self._slots[seq] // self.block_size
        missing = ceil(tokens / self.block_size) - held
        if missing <= 0:
            return
        if self.cache is not None and missing > self.manager.num_free():
            self.cache.evict(max(missing - self.manager.num_free(), self.num_blocks // _EVICTION_LOTS))
        self.manager.reserve(seq, tokens - self.manager.length(seq))
        self._own(self.manager.table(seq)[held:])
        self._slots[seq] += missing * self.block_size

    def remember(self, seq: Hashable, prompt: Sequence[int]) -> None:
        """Let later requests find the full blocks of a prompt that is computed now."""
        if self.cache is not None:  # an empty cache is false
            self.cache.insert(prompt, self.manager.table(seq))

    def release(self, seq: Hashable) -> None:
        """Take the request's blocks back; those that the cache remembers stay until they are evicted."""
        for block in self.manager.table(seq):
            self._owners[block] -= 1
            self._shared -= self._owners[block] == 1
            if not self._owners[block]:
                del self._owners[block]
        self.manager.free(seq)
        del self._most[seq], self._slots[seq]

    def _own(self, blocks: Sequence[int]) -> None:
        for block in blocks:
            self._owners[block] += 1
            self._shared += self._owners[block] == 2
