"""Exercise 45.slot_mapping: from a token's position to its place in the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from utils.attention import block_manager

from ...exercise import Case, Exercise, Misconception


def _mapping(slots: Callable[[Sequence[int], int, int, int], list[int]], *, check: bool = True) -> Callable:
    """An answer from its rule, with or without the refusals."""

    def answer(block_table: list[int], start: int, stop: int, block_size: int) -> list[int]:
        if check and (not 0 <= start <= stop or stop > len(block_table) * block_size):
            raise ValueError("the positions must lie in the table")
        return slots(block_table, start, stop, block_size) if start < stop else []

    return answer


def _each(slot: Callable[[Sequence[int], int, int], int]) -> dict:
    """`answer` and `also` of a misconception about one position's slot, with and without the refusals."""

    def slots(table: Sequence[int], start: int, stop: int, size: int) -> list[int]:
        return [slot(table, pos, size) for pos in range(start, stop)]

    return _both(slots)


def _both(slots: Callable) -> dict:
    return {"answer": _mapping(slots), "also": (_mapping(slots, check=False),)}


def _fancy_indexing(block_table: list[int], start: int, stop: int, block_size: int) -> np.ndarray:
    pos = np.arange(start, stop)
    if start < 0 or start > stop or stop > len(block_table) * block_size:
        raise ValueError("not in the table")
    return np.asarray(block_table, int)[pos // block_size] * block_size + pos % block_size


def _all_slots_then_cut(block_table: list[int], start: int, stop: int, block_size: int) -> list[int]:
    every = [slot for block in block_table for slot in range(block * block_size, (block + 1) * block_size)]
    if min(start, stop - start) < 0 or stop > len(every):
        raise ValueError("not in the table")
    return every[start:stop]


def _divmod_loop(block_table: list[int], start: int, stop: int, block_size: int) -> list[int]:
    if not (0 <= start <= stop and stop <= block_size * len(block_table)):
        raise ValueError("not in the table")
    slots = []
    for pos in range(start, stop):
        logical, offset = divmod(pos, block_size)
        slots.append(block_table[logical] * block_size + offset)
    return slots


def _draw_mapping(rng: np.random.Generator) -> Case:
    size, blocks = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    start, stop = sorted(rng.integers(0, size * blocks + 1, 2).tolist())
    return Case(rng.permutation(40)[:blocks].tolist(), start, stop, size)


slot_mapping = Exercise(
    id="45.slot_mapping", points=2, difficulty=1, minutes=10, idea="block table → physical slot",
    reference=block_manager.slot_mapping,
    cases=[Case([7, 2, 5], 3, 6, 4), Case([7, 2, 5], 9, 10, 4), Case([7, 2, 5], 0, 12, 4)],
    hidden=[Case([7, 2, 5], 4, 4, 4), Case([7, 2, 5], 12, 12, 4), Case([3, 0, 9, 1], 1, 4, 1), Case([], 0, 0, 16),
            Case([0], 0, 1, 16), Case([6, 0], 15, 17, 16), Case([1, 3], 4, 8, 4)],
    draw=_draw_mapping,
    raises=[Case([7, 2, 5], 3, 13, 4), Case([7, 2, 5], 12, 13, 4), Case([7, 2, 5], -1, 2, 4), Case([7, 2, 5], 5, 4, 4),
            Case([], 0, 1, 4), Case([7, 2, 5], 0, 4, 1)],
    misconceptions=[
        Misconception(
            "by_position", **_each(lambda table, pos, size: table[pos] * size + pos % size),
            message="You look up the table at the token's position. The table has one entry for each *block*: token 5 "
                    "lies in logical block 5 // 4 = 1 when blocks hold 4 tokens.",
            title="The table is not indexed by position."),
        Misconception(
            "id_plus_offset", **_each(lambda table, pos, size: table[pos // size] + pos % size),
            message="A block id counts blocks, not slots. How many slots lie before block 7 of the pool?",
            title="The block id was taken for a slot."),
        Misconception(
            "adjacent", **_both(lambda table, start, stop, size: [
                table[start // size] * size + start % size + i for i in range(stop - start)]),
            message="You found the first slot and counted on from it. Slot 31 is followed by slot 8 in the example: blocks that "
                    "follow each other in the table need not be neighbours in the pool. That is the whole point of it.",
            title="Blocks were taken to be adjacent."),
        Misconception(
            "one_based", **_each(lambda table, pos, size: table[pos // size] * size + pos % size + 1),
            message="Your offsets begin at 1. The first token of a block sits at offset 0, and the last at block_size − 1; one "
                    "further is another block.",
            title="Offsets begin at 0."),
        Misconception(
            "stop_included", **_both(lambda table, start, stop, size: [
                table[pos // size] * size + pos % size for pos in range(start, min(stop + 1, len(table) * size))]),
            message="The positions are those of [start, stop): `stop` itself is the first one that is not asked for, as in "
                    "Python's range.",
            title="One position too many."),
    ],
    alternatives=[_divmod_loop, _fancy_indexing, _all_slots_then_cut],
    hints=(
        "Position 5 with blocks of 4: which logical block is it in, and which place inside that block?",
        "`pos // block_size` is the index into the table, `pos % block_size` the offset inside the block.",
        "Block b begins at slot b * block_size. Check the two conditions before the loop, not inside it.",
    ),
    worth_knowing="vLLM hands exactly this list to the kernel that writes new keys and values; it is called slot mapping there too.",
)
