"""Exercise 04.reserved_after: a caching allocator, replayed."""

from __future__ import annotations

from bisect import insort

import numpy as np

from utils.hardware.caching_allocator import script

from ...compare import exact
from ...exercise import Case, Exercise, Misconception
from .pools import MIB, Free, Pools, answer_of, rounded, segment_bytes


class _FallsOnFree(Pools):
    """A segment goes back as soon as it is wholly free."""

    def after_free(self, segment: int) -> None:
        super().after_free(segment)
        self.empty()


class _ReservedIsLive(Pools):
    """Freed blocks are taken off reserved at once."""

    def totals(self) -> tuple[int, int]:
        return super().totals()[0], sum(segment_bytes(size) for size in self.asked.values())


class _EmptiesFreeBlocks(Pools):
    """empty_cache gives back every free block, of partly used segments too."""

    def empty(self) -> None:
        for at in [at for at, block in self.blocks.items() if block[1] is None]:
            self.sizes[at[0]] -= self.blocks.pop(at)[0]


class _EmptiesAll(_EmptiesFreeBlocks):
    """The same, told by what is left of the segments."""

    def totals(self) -> tuple[int, int]:
        allocated = super().totals()[0]
        return allocated, sum(self.sizes.values())

    def empty(self) -> None:
        used = {at[0] for at, block in self.blocks.items() if block[1] is not None}
        for segment in list(self.sizes):
            if segment in used:
                self.sizes[segment] = sum(b[0] for at, b in self.blocks.items() if at[0] == segment and b[1] is not None)
            else:
                del self.sizes[segment]
        self.blocks = {at: b for at, b in self.blocks.items() if b[1] is not None}


class _Rounded(Pools):
    """reserved is allocated rounded up to 2 MiB."""

    def totals(self) -> tuple[int, int]:
        allocated = super().totals()[0]
        return allocated, -(-allocated // (2 * MIB)) * 2 * MIB


class _FirstFit(Pools):
    def choose(self, free: list[Free]) -> Free:
        return min(free, key=lambda block: block[1:])


class _WorstFit(Pools):
    def choose(self, free: list[Free]) -> Free:
        return max(free)


class _NoMerge(Pools):
    def merge(self, segment: int) -> None:
        return None


class _MergesRight(Pools):
    """The freed block joins the next one, never the one before."""

    def free(self, name: str) -> None:
        at = next(at for at, block in self.blocks.items() if block[1] == name)
        self.blocks[at][1] = None
        del self.asked[name]
        after = (at[0], at[1] + self.blocks[at][0])
        if after in self.blocks and self.blocks[after][1] is None:
            self.blocks[at][0] += self.blocks.pop(after)[0]


class _SplitsAlways(Pools):
    def splits(self, rest: int, small: bool) -> bool:
        return rest >= 512


class _SplitsAtOneMib(Pools):
    def splits(self, rest: int, small: bool) -> bool:
        return rest >= (512 if small else MIB)


class _SplitsNever(Pools):
    def splits(self, rest: int, small: bool) -> bool:
        return False


class _OnePool(Pools):
    def same_pool(self, segment: int, size: int) -> bool:
        return True


class _EmptiesNothing(Pools):
    def empty(self) -> None:
        return None


class _CountsRequests(Pools):
    """allocated counts rounded requests; what an unsplit block has on top is forgotten."""

    def totals(self) -> tuple[int, int]:
        return sum(self.asked.values()), super().totals()[1]


class _Unrounded(Pools):
    def block_size(self, nbytes: int) -> int:
        return nbytes


class _NoReuse(Pools):
    """Every request gets a segment of its own."""

    def fitting(self, size: int) -> list[Free]:
        return []


def _both(*kinds: type[Pools]) -> dict:
    answers = [answer_of(kind, check=check) for kind in kinds for check in (True, False)]
    return {"answer": answers[0], "also": tuple(answers[1:])}


# --- other right answers -------------------------------------------------------------------------


def _by_gaps(ops: list[tuple]) -> tuple[int, int]:
    """Only live blocks are stored; free blocks are the gaps between them, so nothing has to be merged."""
    segments: list[dict] = []
    home: dict[str, dict] = {}

    def gaps(segment: dict) -> list[tuple[int, int]]:
        found, at = [], 0
        for start, stop, _ in [*sorted(segment["live"]), (segment["size"], segment["size"], "")]:
            if start > at:
                found.append((start - at, at))
            at = stop
        return found

    for op, *args in ops:
        if op == "empty_cache":
            segments = [s for s in segments if s["live"]]
        elif op == "free":
            if args[0] not in home:
                raise ValueError("not allocated")
            segment = home.pop(args[0])
            segment["live"] = [b for b in segment["live"] if b[2] != args[0]]
        else:
            name, nbytes = args
            if name in home:
                raise ValueError("allocated already")
            size = rounded(nbytes)
            small = size <= MIB
            fits = [(free, i, at) for i, s in enumerate(segments) if s["small"] == small for free, at in gaps(s) if free >= size]
            if not fits:
                segments.append({"size": segment_bytes(size), "small": small, "live": []})
                fits = [(segments[-1]["size"], len(segments) - 1, 0)]
            free, i, at = min(fits)
            keep = size if free - size >= (512 if small else MIB + 512) else free
            segments[i]["live"].append((at, at + keep, name))
            home[name] = segments[i]
    allocated = sum(stop - start for s in segments for start, stop, _ in s["live"])
    return allocated, sum(s["size"] for s in segments)


def _sorted_free_lists(ops: list[tuple]) -> list[int]:
    """Two sorted lists of free blocks, and neighbours found by their bounds."""
    lists: dict[bool, list] = {True: [], False: []}
    size_of: dict[int, int] = {}
    live: dict[str, tuple] = {}
    made = 0
    for op, *args in ops:
        if op == "malloc":
            if args[0] in live:
                raise ValueError("allocated already")
            size = rounded(args[1])
            small = size <= MIB
            place = next((b for b in lists[small] if b[0] >= size), None)
            if place is None:
                made += 1
                size_of[made] = segment_bytes(size)
                place = (size_of[made], made, 0)
            else:
                lists[small].remove(place)
            whole, segment, at = place
            if (whole - size >= 512) if small else (whole - size > MIB):
                insort(lists[small], (whole - size, segment, at + size))
                whole = size
            live[args[0]] = (whole, segment, at, small)
        elif op == "free":
            if args[0] not in live:
                raise ValueError("not allocated")
            size, segment, at, small = live.pop(args[0])
            for block in [b for b in lists[small] if b[1] == segment and (b[2] + b[0] == at or b[2] == at + size)]:
                lists[small].remove(block)
                size, at = size + block[0], min(at, block[2])
            insort(lists[small], (size, segment, at))
        else:
            for free in lists.values():
                for block in [b for b in free if b[0] == size_of[b[1]]]:
                    free.remove(block)
                    del size_of[block[1]]
    return [sum(block[0] for block in live.values()), sum(size_of.values())]


# --- cases ---------------------------------------------------------------------------------------

PINNED = [("malloc", "a", 1000), ("malloc", "b", 5 * MIB), ("malloc", "c", 12 * MIB + 1), ("free", "b"), ("empty_cache",),
          ("malloc", "d", 15 * MIB)]
HOLES = [("malloc", "a", 8 * MIB), ("malloc", "b", 8 * MIB), ("malloc", "c", 8 * MIB), ("malloc", "d", 8 * MIB), ("free", "a"), ("free", "c")]
_UP = [("malloc", name, mib * MIB) for name, mib in (("p", 30), ("q", 14), ("r", 12), ("s", 11))]

_HIDDEN = {
    "no operations": [],
    "one byte": [("malloc", "a", 1)],
    "no bytes": [("malloc", "a", 0), ("malloc", "b", 0)],
    "freed, not emptied": [("malloc", "a", 3 * MIB), ("free", "a")],
    "freed and emptied": [("malloc", "a", 3 * MIB), ("malloc", "b", 9), ("free", "a"), ("free", "b"), ("empty_cache",)],
    "four blocks with holes, then 20 MiB": [*HOLES, ("malloc", "e", 20 * MIB)],
    "a live tensor pins its segment": [*HOLES, ("free", "b"), ("empty_cache",)],
    "reuse of the whole": [("malloc", "a", 6 * MIB), ("free", "a"), ("malloc", "a", 19 * MIB)],
    "merged from the left": [("malloc", "a", 4 * MIB), ("malloc", "b", 4 * MIB), ("malloc", "c", 9 * MIB), ("free", "a"), ("free", "b"),
                             ("malloc", "d", 8 * MIB)],
    "merged from the right": [("malloc", "a", 4 * MIB), ("malloc", "b", 4 * MIB), ("malloc", "c", 9 * MIB), ("free", "b"), ("free", "a"),
                              ("malloc", "d", 8 * MIB)],
    "merged on both sides": [*(("malloc", n, 5 * MIB) for n in "abcd"), ("free", "a"), ("free", "c"), ("free", "b"), ("malloc", "e", 15 * MIB)],
    "the smallest that fits": [*_UP, ("free", "p"), ("free", "r"), ("free", "q"), ("malloc", "x", 11 * MIB), ("malloc", "y", 30 * MIB)],
    "the smallest comes late": [("malloc", "a", 16 * MIB), ("malloc", "b", 12 * MIB), ("free", "a"), ("free", "b"), ("malloc", "c", 11 * MIB),
                                ("malloc", "d", 16 * MIB)],
    "a rest of exactly 1 MiB": [("malloc", "a", 16 * MIB), ("free", "a"), ("malloc", "b", 15 * MIB)],
    "a rest of 1 MiB + 512": [("malloc", "a", 16 * MIB), ("free", "a"), ("malloc", "b", 15 * MIB - 512)],
    "a rest of 512 in the small pool": [("malloc", "a", MIB), ("malloc", "b", MIB - 512), ("malloc", "c", 512)],
    "a rest that stays with its block": [("malloc", "a", 5 * MIB), ("malloc", "b", 15 * MIB), ("free", "a"), ("malloc", "c", 9 * MIB // 2),
                                         ("free", "b"), ("malloc", "d", 61 * MIB // 4)],
    "small and large do not mix": [("malloc", "a", 5 * MIB), ("malloc", "b", 1000), ("malloc", "c", MIB), ("malloc", "d", MIB + 1)],
    "a small request, a free large segment": [("malloc", "a", 12 * MIB), ("free", "a"), ("malloc", "b", 100)],
    "a large request, a free small segment": [("malloc", "a", 100), ("free", "a"), ("malloc", "b", MIB + 1)],
    "a name again": [("malloc", "a", 2 * MIB), ("free", "a"), ("malloc", "a", 7 * MIB), ("empty_cache",)],
    "older segment of two equal": [("malloc", "a", 12 * MIB), ("malloc", "b", 12 * MIB), ("free", "b"), ("free", "a"), ("malloc", "c", 10 * MIB),
                                   ("free", "c"), ("malloc", "d", 2 * MIB), ("empty_cache",), ("malloc", "e", 10 * MIB)],
}


def _size(rng: np.random.Generator) -> int:
    lot = int(rng.integers(5))
    if lot == 0:
        return int(rng.integers(1, MIB))
    if lot == 1:
        return int(rng.choice([1, 5, 8, 9, 10, 12, 15, 18, 20])) * MIB
    return int(rng.integers(MIB, (3, 9, 30)[lot - 2] * MIB))


def _trace(rng: np.random.Generator) -> list[tuple]:
    """Allocations and frees about evenly, names used again."""
    live, names, ops = [], [f"t{i}" for i in range(12)], []
    for _ in range(int(rng.integers(8, 30))):
        lot = rng.random()
        if lot < 0.08:
            ops.append(("empty_cache",))
        elif live and (lot < 0.45 or not names):
            name = live.pop(int(rng.integers(len(live))))
            names.append(name)
            ops.append(("free", name))
        else:
            name = names.pop(int(rng.integers(len(names))))
            live.append(name)
            ops.append(("malloc", name, _size(rng)))
    return ops


def _draw(rng: np.random.Generator) -> Case:
    ops = _trace(rng)
    return Case(ops, label=f"a trace of {len(ops)} operations")


def _pair(value: object) -> str:
    return f"({value[0]:,}, {value[1]:,})" if isinstance(value, (tuple, list)) and len(value) == 2 else repr(value)


reserved_after = Exercise(
    id="04.reserved_after", points=6, difficulty=3, minutes=30, idea="a cache of segments, cut into blocks and merged again",
    reference=script.reserved_after,
    cases=[Case(PINNED, label="the first example"), Case(HOLES, label="the second example")],
    hidden=[Case(ops, label=label) for label, ops in _HIDDEN.items()],
    draw=_draw, draws=40, compare=exact(), show=_pair,
    raises=[Case([("free", "a")], label="free a name that never was"),
            Case([("malloc", "a", 5), ("free", "a"), ("free", "a")], label="free a name twice"),
            Case([("malloc", "a", 5), ("malloc", "a", 5)], label="allocate a live name"),
            Case([("malloc", "a", 5), ("free", "b")], label="free another name")],
    misconceptions=[
        Misconception(
            "falls_on_free", **_both(_FallsOnFree, _ReservedIsLive),
            message="Reserved falls when something is freed. `free` only puts the block into the cache: that is what the cache is for, and why "
                    "nvidia-smi does not move when you delete a tensor.",
            title="Freeing gives nothing back."),
        Misconception(
            "empties_partly", **_both(_EmptiesFreeBlocks, _EmptiesAll),
            message="empty_cache gives back parts of segments. The driver takes only what it has given, a whole segment: one live block in it keeps "
                    "all of it.",
            title="Whole segments only."),
        Misconception(
            "rounded_total", **_both(_Rounded),
            message="Your reserved is the allocated bytes, rounded up. The history matters: the same tensors may lie in one segment or in five.",
            title="Reserved has a history."),
        Misconception(
            "another_fit", **_both(_FirstFit, _WorstFit),
            message="You don't take the smallest block that fits. A large block is cut up for a small request, and a later large request finds none.",
            title="Best fit."),
        Misconception(
            "not_merged", **_both(_NoMerge, _MergesRight),
            message="Free neighbours of the same segment must become one block, on both sides of the freed one. Otherwise a request that would fit "
                    "into both together takes a new segment.",
            title="Neighbours are not merged."),
        Misconception(
            "splits_too_much", **_both(_SplitsAlways, _SplitsAtOneMib),
            message="You split off a small rest in the large pool. There a rest of 1 MiB or less stays with the block and counts as allocated: no "
                    "request of the large pool could use it.",
            title="Not every rest is split off."),
        Misconception(
            "never_splits", **_both(_SplitsNever),
            message="You hand out whole free blocks. A block that is larger than the request is cut, and the rest stays free, if it is large enough.",
            title="Blocks are cut."),
        Misconception(
            "one_pool", **_both(_OnePool),
            message="You serve small and large requests from the same free blocks. A segment belongs to the pool of the request that made it, so that small "
                    "tensors do not cut up the large segments.",
            title="Two pools."),
        Misconception(
            "empties_nothing", **_both(_EmptiesNothing),
            message="empty_cache has no effect. Segments in which every block is free go back to the driver.",
            title="Nothing is emptied."),
        Misconception(
            "counts_requests", **_both(_CountsRequests),
            message="You count what was asked for. A block whose rest was not split off is allocated as a whole.",
            title="The whole block counts."),
        Misconception(
            "not_rounded", **_both(_Unrounded),
            message="Your blocks are not multiples of 512 bytes. Round each request up first.",
            title="Blocks of 512 bytes."),
        Misconception(
            "no_reuse", **_both(_NoReuse),
            message="Every request gets a new segment. First look for a free block in the pool: the rest of an older segment, or what was freed.",
            title="Free blocks are used first."),
    ],
    alternatives=[_by_gaps, _sorted_free_lists, answer_of(Pools)],
    hints=(
        "Keep a list of segments in the order in which they were made. Each has its size, its pool and a list of blocks: [size, name or None].",
        "malloc: collect (size, number of the segment, position) of all free blocks that fit, take the minimum, cut it if the rule says so. If there is "
        "none, append a segment with one free block first.",
        "free: set the name to None, then walk through the segment's blocks and join each free one with a free one before it. empty_cache: keep the segments "
        "in which some block has a name.",
    ),
    worth_knowing="PyTorch's own allocator follows these rules with its default settings. (Details differ: 0 bytes take nothing, and among equal blocks "
                  "it takes the lower address.) `torch.cuda.memory_snapshot()` shows the segments and blocks of a real run.",
)
