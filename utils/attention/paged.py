"""PagedAttention (Kwon et al. 2023): a KV cache in blocks, and attention that reads through the block table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from math import ceil

import numpy as np
import torch
from torch import Tensor

from utils.attention.block_manager import BlockAllocator, BlockManager, CopyEvent, pool_stats, slot_mapping
from utils.attention.kv_cache import attend_padded
from utils.attention.merge import merge_pair
from utils.attention.paging_sim import SimResult, lognormal_lengths, simulate_paging
from utils.attention.paging_waste import beam_sharing, kv_waste, random_beam_parents
from utils.attention.prefix_cache import PrefixCache
from utils.cost.checks import positive

__all__ = ["BlockAllocator", "BlockManager", "CopyEvent", "PagedKVCache", "PrefixCache", "SimResult", "beam_sharing",
           "kv_waste", "lognormal_lengths", "paged_attention", "paged_attention_batch", "random_beam_parents",
           "simulate_paging", "slot_mapping"]


def paged_attention(q: np.ndarray, k_cache: np.ndarray, v_cache: np.ndarray, block_table: Sequence[int],
                    length: int) -> np.ndarray:
    """Attention of one query q (Hq, D) over the first `length` tokens of a block table: (Hq, D), float64.

    k_cache and v_cache are (blocks, block_size, Hkv, D); slots beyond `length` may hold anything and are not
    read. Query head h reads key head h // (Hq / Hkv). Block by block, partial results are merged by their
    log-sum-exp. Raises ValueError unless 1 <= length <= len(block_table) * block_size and Hkv divides Hq.
    """
    q, k_cache, v_cache = np.asarray(q, dtype=np.float64), np.asarray(k_cache), np.asarray(v_cache)
    (q_heads, d), (_, block_size, kv_heads, _) = q.shape, k_cache.shape
    if q_heads % kv_heads:
        raise ValueError(f"q must have a multiple of the {kv_heads} key heads, got {q_heads} heads")
    if not 1 <= length <= len(block_table) * block_size:
        raise ValueError(f"length must be between 1 and the table's {len(block_table) * block_size}, got {length}")
    grouped = q.reshape(kv_heads, q_heads // kv_heads, d)          # (Hkv, G, D)
    o, lse = np.zeros_like(grouped), np.full(grouped.shape[:2], -np.inf)
    for i in range(ceil(length / block_size)):
        filled = min(block_size, length - i * block_size)
        k, v = (cache[block_table[i], :filled] for cache in (k_cache, v_cache))  # (filled, Hkv, D)
        s = np.einsum("hgd,thd->hgt", grouped, k) / np.sqrt(d)
        m = s.max(axis=-1, keepdims=True)
        p = np.exp(s - m)
        l = p.sum(axis=-1, keepdims=True)
        block_o = np.einsum("hgt,thd->hgd", p / l, v)
        o, lse = merge_pair(o, lse, block_o, (m + np.log(l))[..., 0])
    return o.reshape(q_heads, d)


def paged_attention_batch(q: Tensor, k_cache: Tensor, v_cache: Tensor, tables: Sequence[Sequence[int]],
                          lengths: Sequence[int]) -> Tensor:
    """`paged_attention` of B sequences at once in torch: q (B, Hq, D) -> (B, Hq, D).

    Gathers every table's blocks, padded to the longest, and masks what lies beyond `lengths`.
    """
    block_size = k_cache.shape[1]
    longest = ceil(max(lengths) / block_size)
    padded = torch.tensor([[*table[:longest], *[0] * (longest - len(table))] for table in tables], device=q.device)
    k, v = (cache[padded].flatten(1, 2) for cache in (k_cache, v_cache))  # (B, longest * block_size, Hkv, D)
    return attend_padded(q, k, v, lengths)


class PagedKVCache:
    """Keys and values of many sequences in one pool of blocks, shared and copied on write.

    Tensors k and v are (layers, num_blocks, block_size, kv_heads, head_dim); `manager` keeps the tables.
    """

    def __init__(self, layers: int, num_blocks: int, block_size: int, kv_heads: int, head_dim: int,
                 dtype: torch.dtype = torch.float32, device: str | None = None) -> None:
        positive(layers=layers, kv_heads=kv_heads, head_dim=head_dim)
        self.block_size = block_size
        self.manager = BlockManager(num_blocks, block_size)
        shape = (layers, num_blocks, block_size, kv_heads, head_dim)
        self.k, self.v = (torch.zeros(shape, dtype=dtype, device=device) for _ in range(2))

    def add(self, seq: Hashable, prefix: Iterable[int] = ()) -> None:
        """Start a sequence: empty, or with the full blocks `prefix` that already hold its first tokens."""
        prefix = list(prefix)
        self.manager.add(seq, len(prefix) * self.block_size, prefix=prefix)

    def reserve(self, seq: Hashable, n: int) -> list[CopyEvent]:
        """Make room for `n` more tokens, copying a shared tail. MemoryError leaves everything unchanged."""
        copies = self.manager.reserve(seq, n)
        for source, target in copies:
            self.k[:, target] = self.k[:, source]
            self.v[:, target] = self.v[:, source]
        return copies

    def write(self, layer: int, seq: Hashable, start: int, k: Tensor, v: Tensor) -> None:
        """Store keys and values (n, kv_heads, head_dim) of the reserved positions from `start` on.

        Raises ValueError when a position is not reserved or lies in a block that others read.
        """
        blocks, offsets = self.slots(seq, start, start + len(k))
        if any(self.manager.allocator.ref_count(b) > 1 for b in set(blocks.tolist())):
            raise ValueError(f"start must lie in blocks of {seq!r} alone, got {start}, which is in a shared block")
        self.k[layer, blocks, offsets] = k
        self.v[layer, blocks, offsets] = v

    def read(self, layer: int, seq: Hashable) -> tuple[Tensor, Tensor]:
        """Keys and values (length, kv_heads, head_dim) of one sequence, gathered through its table."""
        blocks, offsets = self.slots(seq, 0, self.length(seq))
        return self.k[layer, blocks, offsets], self.v[layer, blocks, offsets]

    def attend(self, layer: int, q: Tensor, seqs: Sequence[Hashable]) -> Tensor:
        """Attention of q (B, Hq, D), one query a sequence, over each sequence's tokens."""
        tables, lengths = [self.block_table(s) for s in seqs], [self.length(s) for s in seqs]
        return paged_attention_batch(q, self.k[layer], self.v[layer], tables, lengths)

    def slots(self, seq: Hashable, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Block ids and offsets (stop - start,) of the positions [start, stop). ValueError if not reserved."""
        if stop > self.length(seq):
            raise ValueError(f"stop must lie in the reserved part of {self.length(seq)} tokens, got {stop}")
        flat = torch.tensor(slot_mapping(self.block_table(seq), start, stop, self.block_size), dtype=torch.long)
        return flat // self.block_size, flat % self.block_size

    def block_table(self, seq: Hashable) -> list[int]:
        """Ids of the sequence's blocks in order."""
        return self.manager.table(seq)

    def length(self, seq: Hashable) -> int:
        """Tokens reserved for the sequence."""
        return self.manager.length(seq)

    def fork(self, parent: Hashable, child: Hashable) -> None:
        """Let `child` continue `parent` on the same blocks; no key or value moves."""
        self.manager.fork(parent, child)

    def free(self, seq: Hashable) -> None:
        """Forget the sequence; blocks that nobody else references return to the pool."""
        self.manager.free(seq)

    def can_hold(self, lengths: Sequence[int]) -> bool:
        """Whether an empty cache has room for sequences of these lengths together, nothing shared."""
        return sum(ceil(n / self.block_size) for n in lengths) <= self.manager.allocator.num_blocks

    def stats(self) -> dict[str, float]:
        """live_tokens, held_slots, shared_blocks, waste: see `pool_stats`."""
        return pool_stats(self.manager)
