"""A caching allocator with every rule as a knob: what the misconceptions of 04.reserved_after are made of."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

MIB = 2**20
Free = tuple[int, int, int]  # size, segment's number, offset


def rounded(nbytes: int) -> int:
    return max(512, -(-nbytes // 512) * 512)


def segment_bytes(size: int) -> int:
    if size <= MIB:
        return 2 * MIB
    return 20 * MIB if size < 10 * MIB else -(-size // (2 * MIB)) * 2 * MIB


class Pools:
    """Blocks by (segment, offset). Rules are methods, to be overridden."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}  # of the segments
        self.small: dict[int, bool] = {}
        self.blocks: dict[tuple[int, int], list] = {}  # (segment, offset) -> [size, name or None]
        self.asked: dict[str, int] = {}
        self.made = 0

    # --- the rules

    def block_size(self, nbytes: int) -> int:
        return rounded(nbytes)

    def fitting(self, size: int) -> list[Free]:
        return [(b[0], *at) for at, b in self.blocks.items()
                if b[1] is None and b[0] >= size and self.same_pool(at[0], size)]

    def same_pool(self, segment: int, size: int) -> bool:
        return self.small[segment] == (size <= MIB)

    def choose(self, free: list[Free]) -> Free:
        return min(free)

    def splits(self, rest: int, small: bool) -> bool:
        return rest >= 512 if small else rest > MIB

    def merge(self, segment: int) -> None:
        ats = sorted(at for at in self.blocks if at[0] == segment)
        for before, after in reversed(list(pairwise(ats))):
            if self.blocks[before][1] is None and self.blocks[after][1] is None:
                self.blocks[before][0] += self.blocks.pop(after)[0]

    def after_free(self, segment: int) -> None:
        self.merge(segment)

    def empty(self) -> None:
        for segment in list(self.sizes):
            if all(name is None for at, (_, name) in self.blocks.items() if at[0] == segment):
                self.drop(segment)

    def totals(self) -> tuple[int, int]:
        return sum(size for size, name in self.blocks.values() if name is not None), sum(self.sizes.values())

    # --- the operations

    def drop(self, segment: int) -> None:
        del self.sizes[segment]
        self.blocks = {at: b for at, b in self.blocks.items() if at[0] != segment}

    def malloc(self, name: str, nbytes: int) -> None:
        size = self.block_size(nbytes)
        free = self.fitting(size)
        if not free:
            self.made += 1
            self.sizes[self.made], self.small[self.made] = segment_bytes(size), size <= MIB
            self.blocks[self.made, 0] = [segment_bytes(size), None]
            free = [(segment_bytes(size), self.made, 0)]
        whole, segment, offset = self.choose(free)
        if self.splits(whole - size, self.small[segment]):
            self.blocks[segment, offset] = [size, name]
            self.blocks[segment, offset + size] = [whole - size, None]
        else:
            self.blocks[segment, offset] = [whole, name]
        self.asked[name] = size

    def free(self, name: str) -> None:
        at = next(at for at, block in self.blocks.items() if block[1] == name)
        self.blocks[at][1] = None
        del self.asked[name]
        self.after_free(at[0])


def answer_of(kind: Callable[[], Pools], *, check: bool = True) -> Callable[[list[tuple]], tuple[int, int]]:
    """The answer that an allocator gives, with or without the refusals."""

    def answer(ops: list[tuple]) -> tuple[int, int]:
        pools = kind()
        for op, *args in ops:
            if op == "malloc":
                if check and args[0] in pools.asked:
                    raise ValueError("allocated already")
                pools.malloc(*args)
            elif op == "free":
                if args[0] in pools.asked:
                    pools.free(args[0])
                elif check:
                    raise ValueError("not allocated")
            else:
                pools.empty()
        return pools.totals()

    return answer
