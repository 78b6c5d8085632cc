"""Exercises of chapter 45: PagedAttention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, count
from math import ceil
from typing import Any

import numpy as np

from utils.attention import block_manager, paged, paging_waste

from ..compare import brief, close, exact, prop
from ..exercise import Case, Exercise, Misconception

Tables = list[list[int]]

# --- 1. slot_mapping --------------------------------------------------------------------------


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


# --- 2. paged_attention -----------------------------------------------------------------------


def _softmax(s: np.ndarray, *, shift: bool = True) -> np.ndarray:
    with np.errstate(all="ignore"):
        p = np.exp(s - s.max() if shift else s)
        return p / p.sum()


def _attend(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: list[int], length: int, *,
            gather: Callable | None = None, kv_head: Callable[[int, int, int], int] | None = None, scale: bool = True,
            shift: bool = True) -> np.ndarray:
    """Attention head by head over gathered slots; with its defaults it is right."""
    q, k_cache, v_cache = (np.asarray(a, np.float64) for a in (q, k_cache, v_cache))
    (q_heads, d), kv_heads = q.shape, k_cache.shape[2]
    gather = gather or _first_slots
    kv_head = kv_head or (lambda h, q_heads, kv_heads: h // (q_heads // kv_heads))
    k, v = (gather(cache, block_table, length) for cache in (k_cache, v_cache))
    out = []
    for h in range(q_heads):
        g = kv_head(h, q_heads, kv_heads)
        s = k[:, g] @ q[h] / (np.sqrt(d) if scale else 1)
        out.append(_softmax(s, shift=shift) @ v[:, g])
    return np.stack(out)


def _first_slots(cache: np.ndarray, table: Sequence[int], length: int) -> np.ndarray:
    return cache[list(table)].reshape(-1, *cache.shape[2:])[:length]


def _needed_blocks(cache: np.ndarray, table: Sequence[int], length: int) -> np.ndarray:
    blocks = ceil(length / cache.shape[1])
    return _first_slots(cache, table[:blocks], blocks * cache.shape[1])


def _whole_table(cache: np.ndarray, table: Sequence[int], length: int) -> np.ndarray:
    return _first_slots(cache, table, len(table) * cache.shape[1])


def _sorted_blocks(cache: np.ndarray, table: Sequence[int], length: int) -> np.ndarray:
    return _first_slots(cache, sorted(table[:ceil(length / cache.shape[1])]), length)


def _pool_order(cache: np.ndarray, table: Sequence[int], length: int) -> np.ndarray:
    return _first_slots(cache, range(len(cache)), length)


def _rounded_down(cache: np.ndarray, table: Sequence[int], length: int) -> np.ndarray:
    """Whole blocks only (at least one slot, so that there is something to attend to)."""
    return _first_slots(cache, table, max(1, length // cache.shape[1] * cache.shape[1]))


def _with(**parts: Any) -> Callable:
    return lambda q, k_cache, v_cache, block_table, length: _attend(q, k_cache, v_cache, block_table, length, **parts)


def _mean_of_blocks(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: list[int], length: int) -> np.ndarray:
    size = k_cache.shape[1]
    filled = [min(size, length - start) for start in range(0, length, size)]
    return np.mean([_attend(q, k_cache, v_cache, [b], n) for b, n in zip(block_table, filled)], axis=0)


def _sum_of_blocks(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: list[int], length: int) -> np.ndarray:
    blocks = ceil(length / k_cache.shape[1])
    return blocks * _mean_of_blocks(q, k_cache, v_cache, block_table, length)


def _masks_the_scores(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: list[int], length: int, *,
                      whole_table: bool = False) -> np.ndarray:
    """Sets scores beyond the length to -inf and multiplies the weights, zeros there, with all values."""
    gather = _whole_table if whole_table else _needed_blocks
    q, k_cache, v_cache = (np.asarray(a, np.float64) for a in (q, k_cache, v_cache))
    k, v = (gather(cache, block_table, length) for cache in (k_cache, v_cache))
    group = q.shape[0] // k.shape[1]
    k, v = (np.repeat(a, group, axis=1) for a in (k, v))
    with np.errstate(all="ignore"):
        s = np.einsum("hd,thd->ht", q, k) / np.sqrt(q.shape[1])
        s[:, length:] = -np.inf
        p = np.exp(s - s.max(axis=1, keepdims=True))
        return np.einsum("ht,thd->hd", p / p.sum(axis=1, keepdims=True), v)


def _online(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: list[int], length: int) -> np.ndarray:
    """Block by block with a running maximum, sum and output, in float32."""
    q_heads, d = q.shape
    size, kv_heads = k_cache.shape[1:3]
    group = q_heads // kv_heads
    m, l, acc = np.full(q_heads, -np.inf, np.float32), np.zeros(q_heads, np.float32), np.zeros((q_heads, d), np.float32)
    left = length
    for block in block_table:
        if left <= 0:
            break
        n = min(left, size)
        k, v = (np.repeat(cache[block, :n], group, axis=1).astype(np.float32) for cache in (k_cache, v_cache))
        s = np.einsum("hd,thd->ht", q.astype(np.float32), k) / np.float32(np.sqrt(d))
        new = np.maximum(m, s.max(axis=1))
        p, keep = np.exp(s - new[:, None]), np.exp(m - new)
        l, acc, m = l * keep + p.sum(axis=1), acc * keep[:, None] + np.einsum("ht,thd->hd", p, v), new
        left -= n
    return acc / l[:, None]


def _by_torch(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: list[int], length: int) -> Any:
    import torch

    flat = torch.tensor(block_manager.slot_mapping(block_table, 0, length, k_cache.shape[1]))
    k, v = (torch.from_numpy(np.asarray(c, np.float64)).flatten(0, 1)[flat].transpose(0, 1) for c in (k_cache, v_cache))
    group = q.shape[0] // k.shape[0]
    query = torch.from_numpy(np.asarray(q, np.float64))[:, None]
    found = torch.nn.functional.scaled_dot_product_attention(
        query, k.repeat_interleave(group, 0), v.repeat_interleave(group, 0))
    return found[:, 0]


def _fill_garbage(caches: Sequence[np.ndarray], table: Sequence[int], length: int, value: float) -> None:
    """Overwrite every slot that is none of the sequence's own."""
    size = caches[0].shape[1]
    mine = set(block_manager.slot_mapping(table, 0, length, size))
    for cache in caches:
        flat = cache.reshape(-1, *cache.shape[2:])
        flat[[slot for slot in range(len(flat)) if slot not in mine]] = value


def _attention_case(rng: np.random.Generator, q_heads: int, kv_heads: int, size: int, length: int, *, d: int = 4,
                    spare: int = 1, garbage: float | None = None, large: bool = False, repeat: bool = False,
                    label: str = "") -> Case:
    """Random caches; `spare` entries more than needed, garbage outside; `large` makes exact scores up to 1e4."""
    needed = ceil(length / size)
    blocks = needed + spare + 2
    shape = (blocks, size, kv_heads, d)
    if large:  # whole numbers, so that q·k is exact in float32 too: the scores are ±(1e4 or a little less) + (-1, 0 or 1)
        q, k = np.full((q_heads, d), 50.0), np.full(shape, float(round(1e4 * d**0.5 / 50 / (d - 1))))
        q[:, 1:] *= rng.choice([-1, 1], (q_heads, 1))
        q[:, 0], k[..., 0] = d**0.5, rng.integers(-1, 2, shape[:3])
    else:
        q, k = rng.normal(size=(q_heads, d)) * 1.5, rng.normal(size=shape)
    k, v = k.astype(np.float32), rng.normal(size=shape).astype(np.float32)
    table = rng.permutation(blocks)[:needed + spare].tolist()
    if repeat:
        table[0] = table[needed - 1]
    if garbage is not None:
        _fill_garbage((k, v), table, length, garbage)
    told = label or (f"{q_heads} query heads on {kv_heads} KV head{'s' if kv_heads > 1 else ''}, blocks of {size}, table {table}, length {length}"
                     + (", scores near ±1e4" if large else "") + ("" if garbage is None else f", garbage {garbage:g}"))
    return Case(q.astype(np.float32), k, v, table, length, label=told)


def _draw_attention(rng: np.random.Generator) -> Case:
    kv_heads, size, d = int(rng.integers(1, 4)), int(rng.integers(1, 6)), int(rng.choice([1, 4, 16]))
    return _attention_case(
        rng, kv_heads * int(rng.integers(1, 4)), kv_heads, size, int(rng.integers(1, 4 * size + 1)), d=d,
        spare=int(rng.integers(0, 3)), garbage=rng.choice([None, 1e9, np.nan, 3.0]), large=d > 1 and rng.random() < 0.4)


def _example() -> Case:
    k, v = np.zeros((3, 2, 1, 2), np.float32), np.zeros((3, 2, 1, 2), np.float32)
    k[2, :, 0], v[2, :, 0] = [[1, 0], [0, 1]], [[1, 0], [0, 1]]
    k[0, :, 0], v[0, :, 0] = [[2, 0], [3, 3]], [[1, 1], [50, 50]]
    return Case(np.array([[1, 0]], np.float32), k, v, [2, 0], 3, label="the example: table [2, 0], length 3, garbage in slot 1")


def _visible() -> list[Case]:
    rng = np.random.default_rng(45)
    return [_example(),
            _attention_case(rng, 8, 2, 4, 10, spare=0, label="8 query heads on 2 KV heads, table of 3 blocks of 4, length 10"),
            _attention_case(rng, 2, 2, 4, 6, garbage=np.nan, label="2 heads, length 6, nan in every slot that is not the sequence's"),
            _attention_case(rng, 2, 1, 4, 7, large=True, label="scores near 1e4 or −1e4 that differ by less than 1")]


def _attention_hidden() -> list[Case]:
    rng = np.random.default_rng(46)
    return [_attention_case(rng, 4, 2, 4, 8, garbage=1e9), _attention_case(rng, 4, 4, 1, 5, garbage=np.nan),
            _attention_case(rng, 3, 1, 5, 1, garbage=np.nan), _attention_case(rng, 6, 3, 16, 40, spare=2, d=16),
            _attention_case(rng, 2, 2, 4, 12, repeat=True, label="a table that names one block twice, length 12"),
            _attention_case(rng, 4, 2, 2, 9, large=True, garbage=np.nan), _attention_case(rng, 4, 1, 8, 16, large=True)]


paged_attention = Exercise(
    id="45.paged_attention", points=5, difficulty=3, minutes=30, idea="attention reads through the block table",
    reference=paged.paged_attention,
    cases=_visible(), hidden=_attention_hidden(), draw=_draw_attention, draws=25,
    compare=close(rtol=1e-4, atol=1e-5),
    misconceptions=[
        Misconception(
            "whole_last_block", _with(gather=_needed_blocks),
            "You attend to every slot of the last block. The slots from `length` on belong to nobody yet, and what stands in them is "
            "left over from earlier sequences. How many slots of the last block are yours?",
            "Empty slots take part.", also=(_with(gather=_whole_table),)),
        Misconception(
            "averages_blocks", _mean_of_blocks,
            "You made a softmax for each block and averaged the results. A block with large scores carries more of the softmax's mass "
            "than one with small scores: either put all scores into one softmax, or keep each block's maximum and sum of exponentials "
            "and weight with them.",
            "Blocks were given equal weight.", also=(_sum_of_blocks,)),
        Misconception(
            "kv_head_modulo", _with(kv_head=lambda h, q_heads, kv_heads: h % kv_heads),
            "Some query heads read keys of another group. The usual slip is to deal the heads out in turn. Groups are contiguous: with 8 query heads on 2 KV heads the first four share KV head 0 and "
            "the last four KV head 1.",
            "Query heads read the wrong KV head.",
            also=(_with(kv_head=lambda h, q_heads, kv_heads: min(h, kv_heads - 1)), _with(kv_head=lambda *heads: 0))),
        Misconception(
            "sorted_ids", _with(gather=_sorted_blocks),
            "The blocks were taken in the order of their ids. The order of the table is the order of the tokens, and it says which block is the "
            "last one, the one that may be partly filled.",
            "The table's order was lost."),
        Misconception(
            "pool_order", _with(gather=_pool_order),
            "You read the first `length` slots of the pool, whoever they belong to. Entry i of the table says where tokens i·block_size and "
            "following lie.",
            "The block table is not used."),
        Misconception(
            "no_scale", _with(scale=False),
            "The scores are not divided by √D. The softmax comes out too sharp, the more so the larger the heads are.",
            "The scale is missing."),
        Misconception(
            "overflow", _with(shift=False),
            "exp(1e4) is infinity, and infinity over infinity is nan (for −1e4 it is 0 over 0). A softmax does not change when all its scores "
            "are shifted by one number. Which number makes every exponent at most 0?",
            "The exponential overflows."),
        Misconception(
            "nan_times_zero", _masks_the_scores,
            "The weights of the empty slots are 0, and that is right. Then 0 × nan is nan, and it is in the sum. Leave the empty slots out of "
            "the keys and the values, rather than weighting them with 0.",
            "Garbage comes in through the values.",
            also=(lambda *args: _masks_the_scores(*args, whole_table=True),)),
        Misconception(
            "whole_blocks_only", _with(gather=_rounded_down),
            "You read `length // block_size` blocks, so the tokens of a partly filled last block are missing. They are the newest ones.",
            "The last, partly filled block is missing."),
    ],
    alternatives=[_with(), _online, _by_torch],
    hints=(
        "Gather first: for token t the slot is `block_table[t // block_size]`, offset `t % block_size`. Then it is ordinary attention.",
        "`cache[block_table]` gathers whole blocks: (blocks, block_size, Hkv, D). Join the first two axes and cut at `length`.",
        "Subtract the largest score of a head before `np.exp`. `np.repeat(k, Hq // Hkv, axis=1)` gives each query head its KV head.",
    ),
    worth_knowing="A GPU kernel does not gather first. It walks the table, one block after the other, and merges partial softmaxes "
                  "as FlashAttention does (chapter 46).",
)


# --- 3. BlockManager --------------------------------------------------------------------------


class _Blocks:
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


class _CopiesOnFork(_Blocks):
    """A child gets copies of all blocks."""

    def fork(self, parent: str, child: str) -> None:
        length = self.lengths[parent]
        self.new(child)
        self.add(child, length)


class _CopiesTailOnFork(_Blocks):
    """Full blocks are shared, the partly filled one is copied at once."""

    def fork(self, parent: str, child: str) -> None:
        super().fork(parent, child)
        if self.must_copy(child):
            tail = self.tables[child][-1]
            try:
                self.tables[child][-1] = self.take()
            except MemoryError:
                self.free(child)
                raise
            self.drop(tail)


class _EveryoneCopies(_Blocks):
    """Whoever took part in a fork copies at the next write, the last owner too."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        super().__init__(num_blocks, block_size)
        self.forked: set[str] = set()

    def fork(self, parent: str, child: str) -> None:
        super().fork(parent, child)
        self.forked |= {parent, child}

    def must_copy(self, seq: str) -> bool:
        return seq in self.forked and self.lengths[seq] % self.size > 0

    def append(self, seq: str) -> tuple[int, int] | None:
        event = super().append(seq)
        self.forked.discard(seq)
        return event

    def free(self, seq: str) -> None:
        super().free(seq)
        self.forked.discard(seq)


class _KeepsTheOldReference(_Blocks):
    """A copy takes a new block but does not give up the old one, so the last owner still finds it shared."""

    def append(self, seq: str) -> tuple[int, int] | None:
        copies = self.tables[seq] and self.must_copy(seq)
        event = super().append(seq)
        if copies and event:
            self.refs[event[0]] += 1
        return event


class _FreesShared(_Blocks):
    """free() returns all blocks of the sequence, whoever else reads them."""

    def free(self, seq: str) -> None:
        self.pool += self.tables.pop(seq)
        del self.lengths[seq]


class _FreesSharedOnce(_Blocks):
    """The same with a pool that holds no block twice."""

    def free(self, seq: str) -> None:
        self.pool += [block for block in self.tables.pop(seq) if block not in self.pool]
        del self.lengths[seq]


class _CopiesFullTails(_Blocks):
    """A shared tail is copied even when it is full."""

    def append(self, seq: str) -> tuple[int, int] | None:
        table, event = self.tables[seq], None
        full = self.lengths[seq] % self.size == 0
        shared = bool(table) and self.refs[table[-1]] > 1
        self.room(full + shared)
        if shared:
            event = (table[-1], self.take())
            self.drop(table[-1])
            table[-1] = event[1]
        if full:
            table.append(self.take())
        self.lengths[seq] += 1
        return event


class _CopiesFullTailsAtOnce(_Blocks):
    """The same, but the copy is taken for the new block as well (nothing is appended)."""

    def append(self, seq: str) -> tuple[int, int] | None:
        table = self.tables[seq]
        if table and self.refs[table[-1]] > 1:
            event = (table[-1], self.take())
            self.drop(table[-1])
            table[-1] = event[1]
            self.lengths[seq] += 1
            return event
        return super().append(seq)


class _LeavesHalf(_Blocks):
    """add() takes blocks one by one and finds out too late."""

    def add(self, seq: str, n_tokens: int) -> None:
        self.new(seq)
        self.tables[seq], self.lengths[seq] = [], n_tokens
        for _ in range(ceil(n_tokens / self.size)):
            self.tables[seq].append(self.take())


class _LosesBlocks(_Blocks):
    """add() takes blocks one by one, and those taken before the error are lost."""

    def add(self, seq: str, n_tokens: int) -> None:
        self.new(seq)
        self.tables[seq] = [self.take() for _ in range(ceil(n_tokens / self.size))]
        self.lengths[seq] = n_tokens


class _DropsBeforeItTakes(_Blocks):
    """append() gives up the shared tail and then finds no block for the copy."""

    def append(self, seq: str) -> tuple[int, int] | None:
        if self.tables[seq] and self.must_copy(seq) and not self.pool:
            self.drop(self.tables[seq].pop())
            raise MemoryError("no free block")
        return super().append(seq)


class _CountsBeforeItTakes(_Blocks):
    """append() counts the token and then finds no block for it."""

    def append(self, seq: str) -> tuple[int, int] | None:
        try:
            return super().append(seq)
        except MemoryError:
            self.lengths[seq] += 1
            raise


class _NeverCopies(_Blocks):
    """A shared tail is written in place."""

    def must_copy(self, seq: str) -> bool:
        return False


class _OneList(_Blocks):
    """Parent and child have the same list object as their table."""

    def fork(self, parent: str, child: str) -> None:
        super().fork(parent, child)
        self.tables[child] = self.tables[parent]


class _OwnerSets:
    """For every block the set of its owners; no counts."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.size, self.owners = block_size, {100 + 7 * i: set() for i in range(num_blocks)}
        self.seqs: dict[str, tuple[tuple[int, ...], int]] = {}

    def _free_blocks(self, needed: int) -> tuple[int, ...]:
        found = tuple(block for block, owners in self.owners.items() if not owners)
        if len(found) < needed:
            raise MemoryError("the pool is exhausted")
        return found[:needed]

    def _store(self, seq: str, table: tuple[int, ...], length: int) -> None:
        for block, owners in self.owners.items():
            owners.discard(seq)
            if block in table:
                owners.add(seq)
        self.seqs[seq] = table, length

    def add(self, seq: str, n_tokens: int) -> None:
        if seq in self.seqs:
            raise ValueError(f"{seq} is there already")
        self._store(seq, self._free_blocks(-(-n_tokens // self.size)), n_tokens)

    def append(self, seq: str) -> list[int] | None:
        table, length = self.seqs[seq]
        if length == self.size * len(table):
            self._store(seq, table + self._free_blocks(1), length + 1)
            return None
        if self.owners[table[-1]] == {seq}:
            self.seqs[seq] = table, length + 1
            return None
        (new,) = self._free_blocks(1)
        self._store(seq, (*table[:-1], new), length + 1)
        return [table[-1], new]

    def fork(self, parent: str, child: str) -> None:
        table, length = self.seqs[parent]
        if child in self.seqs:
            raise ValueError(f"{child} is there already")
        self._store(child, table, length)

    def free(self, seq: str) -> None:
        self._store(seq, (), self.seqs[seq][1])
        del self.seqs[seq]

    def num_free(self) -> int:
        return sum(not owners for owners in self.owners.values())

    def table(self, seq: str) -> tuple[int, ...]:
        return self.seqs[seq][0]


class _FreshIds:
    """Block ids are never used twice; what is free is only a number."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.limit, self.size, self.ids, self.tables, self.lengths = num_blocks, block_size, count(1), {}, {}

    def num_free(self) -> int:
        return self.limit - len(set(chain.from_iterable(self.tables.values())))

    def _fresh(self, n: int) -> list[int]:
        if n > self.num_free():
            raise MemoryError
        return [next(self.ids) for _ in range(n)]

    def _unused(self, seq: str) -> None:
        if seq in self.tables:
            raise ValueError(seq)

    def add(self, seq: str, n_tokens: int) -> None:
        self._unused(seq)
        self.tables[seq], self.lengths[seq] = self._fresh((n_tokens + self.size - 1) // self.size), n_tokens

    def append(self, seq: str) -> tuple[int, int] | None:
        table, place = self.tables[seq], self.lengths[seq] % self.size
        event = None
        if place == 0:
            table += self._fresh(1)
        elif sum(table[-1] in other for other in self.tables.values()) > 1:
            event = (table[-1], *self._fresh(1))
            table[-1] = event[1]
        self.lengths[seq] += 1
        return event

    def fork(self, parent: str, child: str) -> None:
        table = self.tables[parent].copy()
        self._unused(child)
        self.tables[child], self.lengths[child] = table, self.lengths[parent]

    def free(self, seq: str) -> None:
        del self.tables[seq], self.lengths[seq]

    def table(self, seq: str) -> list[int]:
        return self.tables[seq]


def _step_text(step: Sequence) -> str:
    name, *args = step
    return f"{name}({', '.join(map(repr, args))})"


def _same_story(case: Case, expected: list[dict], got: list[dict]) -> str | None:
    """The first step after which two traces differ, in words."""
    for i, (step, e, g) in enumerate(zip(case.kwargs["script"], expected, got), 1):
        where = f"step {i}, {_step_text(step)}: "
        if exact()(e["did"], g["did"]):
            return where + _did_differs(step[0], e["did"], g["did"])
        if exact()(e["free"], g["free"]):
            told = f"num_free() raised {g['free']}" if isinstance(g["free"], str) else f"{brief(g['free'])} free blocks"
            return where + f"{told}, expected {e['free']}"
        for seq, blocks in e["tables"].items():
            if exact()(blocks, g["tables"].get(seq)):
                return where + _table_differs(seq, blocks, g["tables"].get(seq))
    return None


def _did_differs(name: str, e: Any, g: Any) -> str:
    errors = ("KeyError", "ValueError", "MemoryError")
    if isinstance(g, str) and g != "ok":
        return f"raised {g}" + (f", expected {e}" if e in errors else "")
    if e in errors:
        return f"no {e}"
    if isinstance(e, list) and isinstance(g, list):
        return "the pair is (new, old), expected (old, new)" if g == e[::-1] else "copied, but between other blocks than expected"
    told = {True: "a copy (old, new)", False: "no copy (None)"}
    return f"{told[isinstance(g, list)] if g is None or isinstance(g, list) else brief(g)}, expected {told[isinstance(e, list)]}"


def _table_differs(seq: str, e: Any, g: Any) -> str:
    if isinstance(e, str):
        return f"{seq!r} is unknown now, so table({seq!r}) must raise {e}"
    if isinstance(g, str):
        return f"table({seq!r}) raised {g}"
    if len(e) != len(g):
        return f"the table of {seq!r} has {len(g)} blocks, expected {len(e)}"
    return f"the table of {seq!r} does not hold the blocks it should: some are shared, or changed, that should not be"


def _show_story(told: Any) -> str:
    free = [str(step["free"]) for step in told]
    return "free: " + " ".join(free[:16]) + (" …" if len(free) > 16 else "")


def _draw_trace(rng: np.random.Generator, steps: int = 300) -> Case:
    """A random script without a wrong id; some pools are so small that they run out of blocks."""
    blocks, size = int(rng.integers(4, 25)), int(rng.integers(1, 6))
    manager, script, names = block_manager.BlockManager(blocks, size), [], "abcdefgh"
    while len(script) < steps:
        live = manager.sequences()
        idle = [name for name in names if name not in live]
        kind = rng.choice(["add", "append", "fork", "free"], p=[0.1, 0.62, 0.15, 0.13])
        if (kind != "add" and not live) or (kind in ("add", "fork") and not idle):
            continue
        seq, other = str(rng.choice(live or [""])), str(rng.choice(idle or [""]))
        step = {"add": ["add", other, int(rng.integers(0, 3 * size + 1))], "append": ["append", seq],
                "fork": ["fork", seq, other], "free": ["free", seq]}[kind]
        script.append(step)
        with suppress(MemoryError):
            getattr(manager, step[0])(*step[1:])
    return Case(init=[blocks, size], script=script, label=f"{steps} random steps on {blocks} blocks of {size}")


def _script(text: str) -> list[list]:
    """"add a 6; fork a b" as steps."""
    return [[int(word) if word.isdigit() else word for word in step.split()] for step in text.split(";")]


def _trace_case(blocks: int, size: int, text: str, label: str = "") -> Case:
    return Case(init=[blocks, size], script=_script(text), label=label and f"{label}: BlockManager({blocks}, {size}), {text}")


def _refusal(error: str, text: str) -> Case:
    return Case(init=[6, 4], script=_script(text), error=error, probe="ch45_paged_attention.last",
                label=f"BlockManager(6, 4), {text}", compare=exact())


block_manager_exercise = Exercise(
    id="45.BlockManager", points=6, difficulty=3, minutes=40, idea="reference counts and copy-on-write",
    reference=block_manager.BlockManager, probe="ch45_paged_attention.trace",
    cases=[
        _trace_case(6, 4, "add a 6; fork a b; append a; append b; free a; free b", "the example"),
        _trace_case(6, 4, "add a 8; fork a b; append a; append b; free a; append b", "a fork at a block boundary"),
        _trace_case(3, 2, "add a 3; fork a b; append a; append a; append b; append b; add c 3; free a; append b; add c 3",
                    "a pool that runs out"),
    ],
    hidden=[
        _trace_case(8, 4, "add a 6; fork a b; fork a c; append b; append c; append a; append a; append a; free b; free c; free a",
                    "three owners"),
        _trace_case(4, 4, "add a 6; fork a b; free a; append b; append b; append b; free b; add a 16", "the parent leaves first"),
        _trace_case(3, 4, "add a 0; table a; fork a b; append a; append b; free a; free b", "no tokens at first"),
        _trace_case(4, 1, "add a 2; fork a b; append a; append b; append a; free a; append b; append b", "blocks of one slot"),
        _trace_case(5, 4, "add a 8; add b 17; append a; add b 12; append a; free b; append a; free a; add b 17", "a block too few"),
        _trace_case(2, 4, "add a 6; fork a b; append a; append b; free b; append a; append a; append a", "no block for a copy"),
        _trace_case(6, 4, "add a 6; add a 2; fork a a; append x; fork x b; free x; table x; append a; free a; free a; add a 3",
                    "wrong ids change nothing"),
        _trace_case(4, 2, "add a 3; fork a b; fork b c; append c; append c; free b; append a; free c; append a; free a", "a fork of a fork"),
    ],
    draw=_draw_trace, draws=10,
    raises=[_refusal("ValueError", "add a 6; add a 2"), _refusal("ValueError", "add a 6; add b 2; fork a b"),
            _refusal("KeyError", "append a"), _refusal("KeyError", "fork a b"), _refusal("KeyError", "free a"),
            _refusal("KeyError", "table a"), _refusal("KeyError", "add a 6; free a; append a"),
            _refusal("MemoryError", "add a 25"), _refusal("MemoryError", "add a 24; append a")],
    compare=prop(_same_story, same=exact()), show=_show_story,
    misconceptions=[
        Misconception(
            "copies_on_fork", _CopiesOnFork,
            "Your fork takes new blocks. A fork moves no keys and values: the child's table names the parent's blocks, and every one of them has "
            "one owner more. When does the first copy become necessary?",
            "Your fork copies.", also=(_CopiesTailOnFork,)),
        Misconception(
            "everyone_copies", _EveryoneCopies,
            "Both owners of a shared tail copy it. When the first has moved to its copy, the other is the only one left: it writes in place. n "
            "owners make n − 1 copies. Which number tells you that a block has one owner?",
            "The last owner copies too.", also=(_KeepsTheOldReference,)),
        Misconception(
            "frees_shared", _FreesShared,
            "free returns blocks to the pool that a sibling still reads. The next sequence would get them and overwrite them. A block is free "
            "when its last owner has left.",
            "Shared blocks are freed.", also=(_FreesSharedOnce,)),
        Misconception(
            "copies_full_tail", _CopiesFullTails,
            "A shared tail is copied although it is full. The next token goes into a new block, and nobody writes to a full block again: it can "
            "stay shared for good.",
            "Full blocks are copied.", also=(_CopiesFullTailsAtOnce,)),
        Misconception(
            "not_atomic", _LosesBlocks,
            "A call that raises MemoryError has changed something: blocks are gone, a table is half built, or a length has grown. Find out how many blocks the "
            "whole call needs, and compare with what is free, before you change anything.",
            "A failed call leaves traces.", also=(_LeavesHalf, _DropsBeforeItTakes, _CountsBeforeItTakes)),
        Misconception(
            "never_copies", _NeverCopies,
            "Two sequences write to the same partly filled block, so each overwrites the other's newest token. Before you write, ask how many "
            "sequences read this block.",
            "A shared block is written."),
        Misconception(
            "one_list", _OneList,
            "Parent and child have one list object as their table, so what one appends the other gets too. They share blocks, not the list that names "
            "them.",
            "Two sequences share one table."),
    ],
    alternatives=[_Blocks, _OwnerSets, _FreshIds],
    hints=(
        "Keep three things: the free blocks, how many tables name each block, and for each sequence its table and its length.",
        "append has three cases: the tail is full (or there is none) → a new block; the tail is partly filled and shared → a copy; else only "
        "the length grows.",
        "For a copy: take the new block first (it may raise), then lower the old block's count, then replace the last entry of the table.",
    ),
    worth_knowing="The paper builds parallel sampling, beam search and prefix sharing from the same three: fork, append and free.",
)


# --- 4. kv_waste ------------------------------------------------------------------------------


def _waste(rule: Callable[[int, int, int], float], *, check: bool = True) -> Callable[[int, int, int], float]:
    def answer(prompt_len: int, output_len: int, block_size: int) -> float:
        if check and (prompt_len < 1 or output_len < 0 or block_size < 1):
            raise ValueError("out of range")
        return rule(prompt_len, output_len, block_size)

    return answer


def _waste_both(*rules: Callable[[int, int, int], float]) -> dict:
    return {"answer": _waste(rules[0]),
            "also": (*(_waste(r) for r in rules[1:]), *(_waste(r, check=False) for r in rules))}


def _held(n: int, size: int) -> int:
    return -(-n // size) * size


def _over(lengths: Sequence[int], size: int) -> float:
    held = sum(_held(n, size) for n in lengths)
    return (held - sum(lengths)) / held if held else 0.0


def _mean_ratio(p: int, o: int, b: int) -> float:
    return sum((_held(n, b) - n) / _held(n, b) for n in range(p, p + o + 1)) / (o + 1)


def _waste_block_by_block(prompt_len: int, output_len: int, block_size: int) -> float:
    """Walks over the numbers of blocks held instead of the lengths."""
    if prompt_len < 1 or output_len < 0 or block_size < 1:
        raise ValueError("out of range")
    last, empty, held = prompt_len + output_len, 0, 0
    for blocks in range((prompt_len - 1) // block_size + 1, (last - 1) // block_size + 2):
        low, high = max(prompt_len, (blocks - 1) * block_size + 1), min(last, blocks * block_size)
        steps = high - low + 1
        held += steps * blocks * block_size
        empty += steps * (2 * blocks * block_size - low - high) / 2
    return empty / held


def _waste_by_numpy(prompt_len: int, output_len: int, block_size: int) -> Any:
    if min(prompt_len - 1, output_len, block_size - 1) < 0:
        raise ValueError("out of range")
    n = np.arange(prompt_len, prompt_len + output_len + 1)
    held = np.ceil(n / block_size) * block_size
    return 1 - n.sum() / held.sum()


def _draw_waste(rng: np.random.Generator) -> Case:
    return Case(int(rng.integers(1, 300)), int(rng.integers(0, 300)), int(rng.choice([1, 2, 3, 4, 7, 8, 16, 32, 64, 128])))


kv_waste = Exercise(
    id="45.kv_waste", points=3, difficulty=2, minutes=12, idea="a request holds memory during its whole life",
    reference=paging_waste.kv_waste,
    cases=[Case(10, 6, 4), Case(19, 58, 16), Case(161, 338, 16)],
    hidden=[Case(19, 58, 128), Case(161, 338, 128), Case(1, 0, 1), Case(1, 0, 16), Case(5, 20, 1), Case(16, 0, 16), Case(17, 0, 16),
            Case(8, 8, 8), Case(1, 15, 16), Case(1, 1, 2)],
    draw=_draw_waste,
    raises=[Case(0, 5, 4), Case(-3, 5, 4), Case(5, -1, 4), Case(5, 5, 0), Case(5, 5, -4)],
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "final_length", **_waste_both(lambda p, o, b: _over([p + o], b)),
            message="This is the waste at the end. A request holds memory during its whole life, and the share that is empty changes from step to "
                    "step. Add up all of them.",
            title="Only the final length was counted."),
        Misconception(
            "half_a_block", **_waste_both(lambda p, o, b: (b - 1) / (2 * (p + o)),
                                          lambda p, o, b: (b - 1) / 2 / (p + o + (b - 1) / 2)),
            message="Half a block is the right guess for what is empty on average. But you divide by the final length: during its life a request holds "
                    "about prompt + output / 2 tokens. The exact sums are asked for, not the rule of thumb.",
            title="The final length stands for the mean."),
        Misconception(
            "rule_of_thumb", **_waste_both(lambda p, o, b: (b - 1) / 2 / (p + o / 2 + (b - 1) / 2),
                                           lambda p, o, b: (b - 1) / 2 / (p + o / 2)),
            message="This is the rule of thumb: half a block, over the mean length. It is close for long requests and off for short ones. The "
                    "exact sums over the life of this request are asked for.",
            title="An estimate instead of the sums."),
        Misconception(
            "mean_of_ratios", **_waste_both(_mean_ratio),
            message="You took the share of each step and averaged the shares. A step that holds 10 blocks counts ten times as much as one that holds 1: "
                    "divide the sum of the empty slots by the sum of the held ones.",
            title="A mean of shares, not a share of sums."),
        Misconception(
            "zero_at_multiples", **_waste_both(lambda p, o, b: 0.0 if (p + o) % b == 0 else _over(range(p, p + o + 1), b)),
            message="When the final length fills its blocks you call the waste 0. It is 0 in that last step only; the request had half-empty blocks "
                    "before.",
            title="A full last block does not undo the waste."),
        Misconception(
            "one_length_short", **_waste_both(lambda p, o, b: _over(range(p, p + o), b), lambda p, o, b: _over(range(p + 1, p + o + 1), b)),
            message="One length is missing. The request begins with prompt_len tokens and ends with prompt_len + output_len, so there are output_len + 1 "
                    "lengths, both ends included.",
            title="One length is missing."),
        Misconception(
            "over_filled", **_waste_both(lambda p, o, b: sum(_held(n, b) - n for n in range(p, p + o + 1)) / sum(range(p, p + o + 1))),
            message="You divide by the filled slots. The share of the *held* slots is asked for: filled and empty ones together.",
            title="The wrong denominator."),
    ],
    alternatives=[_waste(lambda p, o, b: _over(range(p, p + o + 1), b)), _waste_block_by_block, _waste_by_numpy],
    hints=(
        "A request with n tokens holds ceil(n / block_size) blocks.",
        "Loop n from prompt_len to prompt_len + output_len, both included. Add up the held slots and the tokens.",
        "The answer is (sum of held − sum of tokens) / sum of held.",
    ),
    worth_knowing="The “under 4 %” of the announcement is true for long chats. With Alpaca's short requests, blocks of 16 waste 13.7 %.",
)


# --- 5. beam_sharing --------------------------------------------------------------------------


def _checked(parents: Sequence[Sequence[int]]) -> int:
    n = len(parents[0])
    if any(not 0 <= p < n for row in parents for p in row):
        raise ValueError("a parent must be one of the beams")
    return n


def _sharing(physical: Callable[[int, Sequence, int, int], list[int]], *, check: bool = True,
             saving: Callable[[list[int], list[int]], float] | None = None) -> Callable:
    """An answer from its way of counting physical blocks and its way of telling the saving."""

    def answer(prompt_len: int, parents: list[list[int]], block_size: int) -> tuple[list[int], float]:
        n = _checked(parents) if check else len(parents[0])
        found = physical(prompt_len, parents, block_size, n)
        logical = [n * ceil((prompt_len + t) / block_size) for t in range(1, len(parents) + 1)]
        return found, (saving or (lambda f, g: 1 - sum(f) / sum(g)))(found, logical)

    return answer


def _sharing_both(*physical: Callable, **options: Any) -> dict:
    return {"answer": _sharing(physical[0], **options),
            "also": (*(_sharing(p, **options) for p in physical[1:]), *(_sharing(p, check=False, **options) for p in physical))}


def _lineage(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    """A block is told by its place and by the beams that wrote its tokens and all before."""
    histories: list[tuple] = [()] * n
    counts = []
    for row in parents:
        histories = [(*histories[p], i) for i, p in enumerate(row)]
        length = prompt_len + len(histories[0])
        counts.append(len({(block, history[:max(0, min(length, (block + 1) * size) - prompt_len)])
                           for history in histories for block in range(ceil(length / size))}))
    return counts


def _own_tails(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    """After a step each beam's last block is its own: a new number each time."""
    fresh, length, counts = count(), prompt_len, []
    prompt = [next(fresh) for _ in range(ceil(prompt_len / size))]
    tables: Tables = [prompt] * n
    for row in parents:
        full = length % size == 0
        tables = [[*(tables[p] if full else tables[p][:-1]), next(fresh)] for p in row]
        length += 1
        counts.append(len(set(chain.from_iterable(tables))))
    return counts


def _replayed(prompt_len: int, parents: Sequence, size: int, n: int, *, release: str = "all") -> list[int]:
    """On a block manager; `release` says which beams of the step before leave: "all", "continued" or "none"."""
    enough = n * (len(parents) + 1) * (ceil((prompt_len + len(parents)) / size) + 1)
    blocks, counts = _Blocks(enough, size), []
    blocks.add("0/0", prompt_len)
    for i in range(1, n):
        blocks.fork("0/0", f"0/{i}")
    for t, row in enumerate(parents, 1):
        for i, p in enumerate(row):
            blocks.fork(f"{t - 1}/{p}", f"{t}/{i}")
        for i in range(n):
            if release == "all" or (release == "continued" and i in row):
                blocks.free(f"{t - 1}/{i}")
        for i in range(n):
            blocks.append(f"{t}/{i}")
        counts.append(enough - blocks.num_free())
    return counts


def _prompt_only(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    shared = prompt_len // size
    return [shared + n * (ceil((prompt_len + t) / size) - shared) for t in range(1, len(parents) + 1)]


def _shared_tails(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    """A partly filled tail stays shared after both have written to it."""
    fresh, length, counts = count(), prompt_len, []
    prompt = [next(fresh) for _ in range(ceil(prompt_len / size))]
    tables: Tables = [prompt] * n
    for row in parents:
        tables = [[*tables[p], *([next(fresh)] if length % size == 0 else [])] for p in row]
        length += 1
        counts.append(len(set(chain.from_iterable(tables))))
    return counts


def _logical(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    return [n * ceil((prompt_len + t) / size) for t in range(1, len(parents) + 1)]


def _draw_beams(rng: np.random.Generator) -> Case:
    n, steps = int(rng.integers(1, 6)), int(rng.integers(1, 25))
    p, size = int(rng.integers(1, 13)), int(rng.integers(1, 7))
    parents = [list(range(n)) if rng.random() < 0.3 else rng.integers(n, size=n).tolist() for _ in range(steps)]
    return Case(p, parents, size, label=f"prompt {p}, {n} beam{'s' if n > 1 else ''}, {steps} steps, blocks of {size}")


def _long_beams(seed: int, n: int, steps: int, p: int, size: int) -> Case:
    parents = paging_waste.random_beam_parents(n, steps, np.random.default_rng(seed))
    return Case(p, parents, size, label=f"prompt {p}, {n} beams, {steps} steps, blocks of {size}")


beam_sharing = Exercise(
    id="45.beam_sharing", points=4, difficulty=3, minutes=30, idea="beams share what they had in common before they split",
    reference=paging_waste.beam_sharing,
    cases=[Case(3, [[0, 0], [0, 0], [0, 1], [1, 1], [0, 1]], 2), Case(3, [[0, 1]] * 5, 2)],
    hidden=[Case(5, [[0]] * 7, 2), Case(4, [[0, 1, 2]] * 6, 1), Case(8, [[0, 0], [1, 1], [0, 1], [1, 0]], 4), Case(1, [[1, 0]], 16),
            Case(7, [[0, 1, 2], [2, 2, 2], [0, 1, 2], [1, 1, 0]], 3), _long_beams(1, 4, 120, 19, 16), _long_beams(2, 6, 150, 161, 16)],
    draw=_draw_beams, draws=60,
    raises=[Case(3, [[0, 2]], 2), Case(3, [[0, 1], [0, -1]], 2), Case(3, [[-1, 0]], 2), Case(3, [[0, 1], [0, 1], [2, 1]], 2),
            Case(3, [[1]], 2)],
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "prompt_only", **_sharing_both(_prompt_only),
            message="You share the prompt's full blocks and nothing else. Beams also share what they generated before they split: that is why beam search saves "
                    "several times as much as parallel sampling.",
            title="Only the prompt is shared."),
        Misconception(
            "shared_tails", **_sharing_both(_shared_tails),
            message="Two beams with one parent still share their last block after both have written a token to it. Each wrote another token: the first "
                    "writer gets a copy. After a step, how many beams can own a last block?",
            title="A written tail stays shared."),
        Misconception(
            "logical", **_sharing_both(_logical),
            message="These are the entries of all block tables. Two tables may name the same block: count every physical block once.",
            title="Table entries were counted."),
        Misconception(
            "keeps_dead_beams", **_sharing_both(lambda *a: _replayed(*a, release="continued"), lambda *a: _replayed(*a, release="none")),
            message="Blocks of beams that nobody continues are still counted. A beam that is not in parents[t] ends there, and its blocks go "
                    "back to the pool unless another beam has them too.",
            title="Dead beams keep their blocks."),
        Misconception(
            "last_step_saving", **_sharing_both(_own_tails, saving=lambda f, g: 1 - f[-1] / g[-1]),
            message="The counts are right. The saving is that of the last step; asked for is the one over all steps together: add up the physical blocks "
                    "and the logical ones first.",
            title="The saving is the last step's."),
        Misconception(
            "mean_saving", **_sharing_both(_own_tails, saving=lambda f, g: sum(1 - a / b for a, b in zip(f, g)) / len(f)),
            message="The counts are right. You averaged the savings of the steps; asked for is 1 minus the sum of the physical blocks over the sum of the logical "
                    "ones.",
            title="A mean of savings."),
    ],
    alternatives=[_sharing(_lineage), _sharing(_own_tails), _sharing(_replayed)],
    hints=(
        "Give each beam a list of block numbers. A fork copies the list, and the number of distinct numbers in all lists is what is asked for.",
        "A beam that nobody continues simply has no list in the next step.",
        "After a step each beam's last block is its own, whether it was copied, written in place or new. So it may just get a fresh number.",
    ),
    worth_knowing="The paper measured 6–10 % saved by parallel sampling and 38–55 % by beam search on Alpaca; on ShareGPT beam search saved up to 66 %.",
)

EXERCISES = [slot_mapping, paged_attention, block_manager_exercise, kv_waste, beam_sharing]
