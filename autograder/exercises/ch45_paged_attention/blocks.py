"""A block manager whose methods wrong ones replace; 45.beam_sharing replays beams on it."""

from __future__ import annotations

from collections import Counter
from math import ceil


class Blocks:
    """Tables, lengths and counts; its methods are those of a right answer, and wrong ones replace some."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.size, self.pool = block_size, list(range(num_blocks))
        self.refs: Counter = Counter()
        self.tables: dict[str, list[int]] = {}
        self.lengths: dict[str, int] = {}

    def take(self) -> int:
        if not self.pool:
            raise MemoryError("no free block")
        block = self.pool.pop(0)
        self.refs[block] = 1
        return block

    def drop(self, block: int) -> None:
        self.refs[block] -= 1
        if self.refs[block] == 0:
            self.pool.append(block)

    def new(self, seq: str) -> None:
        if seq in self.tables:
            raise ValueError("in use")

    def room(self, blocks: int) -> None:
        if blocks > len(self.pool):
            raise MemoryError("no free block")

    def add(self, seq: str, n_tokens: int) -> None:
        self.new(seq)
        self.room(ceil(n_tokens / self.size))
        self.tables[seq] = [self.take() for _ in range(ceil(n_tokens / self.size))]
        self.lengths[seq] = n_tokens

    def must_copy(self, seq: str) -> bool:
        return self.lengths[seq] % self.size > 0 and self.refs[self.tables[seq][-1]] > 1

    def append(self, seq: str) -> tuple[int, int] | None:
        table, event = self.tables[seq], None
        if self.lengths[seq] % self.size == 0:
            table.append(self.take())
        elif self.must_copy(seq):
            event = (table[-1], self.take())
            self.drop(table[-1])
            table[-1] = event[1]
        self.lengths[seq] += 1
        return event

    def fork(self, parent: str, child: str) -> None:
        table = self.tables[parent]
        self.new(child)
        for block in table:
            self.refs[block] += 1
        self.tables[child], self.lengths[child] = list(table), self.lengths[parent]

    def free(self, seq: str) -> None:
        for block in self.tables.pop(seq):
            self.drop(block)
        del self.lengths[seq]

    def num_free(self) -> int:
        return len(self.pool)

    def table(self, seq: str) -> list[int]:
        return list(self.tables[seq])
