"""Exercise 45.paged_attention: attention that reads through the block table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np

from utils.attention import block_manager, paged

from ...compare import close
from ...exercise import Case, Exercise, Misconception


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
