"""The KV cache: its size, the simple contiguous form, and what it makes of a request's two phases."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Protocol

from utils.cost.bandwidth import decode_step, kv_bytes_per_token
from utils.cost.checks import non_negative, positive

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ContiguousKVCache", "KVCache", "attend_padded", "kv_bytes_per_token", "request_phases_ms"]


class KVCache(Protocol):
    """What a decoder needs from a cache; keys and values of new tokens are (n, kv_heads, head_dim)."""

    def add(self, seq: Hashable) -> None: ...
    def reserve(self, seq: Hashable, n: int) -> object: ...
    def write(self, layer: int, seq: Hashable, start: int, k: Tensor, v: Tensor) -> None: ...
    def read(self, layer: int, seq: Hashable) -> tuple[Tensor, Tensor]: ...
    def attend(self, layer: int, q: Tensor, seqs: Sequence[Hashable]) -> Tensor: ...
    def length(self, seq: Hashable) -> int: ...
    def free(self, seq: Hashable) -> None: ...
    def can_hold(self, lengths: Sequence[int]) -> bool: ...
    def stats(self) -> dict[str, float]: ...


def attend_padded(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int]) -> Tensor:
    """Attention of one query a sequence: q (B, Hq, D), k and v (B, T, Hkv, D) -> (B, Hq, D).

    Slots from `lengths[b]` on may hold anything. Query head h reads key head h // (Hq / Hkv).
    """
    import torch

    batch, q_heads, d = q.shape
    kv_heads = k.shape[2]
    empty = torch.arange(k.shape[1], device=q.device) >= torch.tensor(lengths, device=q.device)[:, None]  # (B, T)
    v = v.masked_fill(empty[:, :, None, None], 0)  # 0 * nan is nan
    q = q.reshape(batch, kv_heads, q_heads // kv_heads, d)
    s = torch.einsum("bhgd,bthd->bhgt", q, k) / d**0.5
    p = s.masked_fill(empty[:, None, None, :], -torch.inf).softmax(-1)
    return torch.einsum("bhgt,bthd->bhgd", p, v).reshape(batch, q_heads, d)


class ContiguousKVCache:
    """One slab of `max_len` slots a sequence, reserved as a whole: the cache before paging.

    Tensors k and v are (layers, max_seqs, max_len, kv_heads, head_dim).
    """

    def __init__(self, layers: int, max_seqs: int, max_len: int, kv_heads: int, head_dim: int,
                 dtype: torch.dtype | None = None, device: str | None = None) -> None:
        import torch

        positive(layers=layers, max_seqs=max_seqs, max_len=max_len, kv_heads=kv_heads, head_dim=head_dim)
        self.max_seqs, self.max_len = max_seqs, max_len
        shape = (layers, max_seqs, max_len, kv_heads, head_dim)
        self.k, self.v = (torch.zeros(shape, dtype=dtype or torch.float32, device=device) for _ in range(2))
        self._free = list(range(max_seqs - 1, -1, -1))
        self._slab: dict[Hashable, int] = {}
        self._lengths: dict[Hashable, int] = {}

    def add(self, seq: Hashable) -> None:
        """Start an empty sequence. ValueError for an id in use, MemoryError when no slab is free."""
        if seq in self._slab:
            raise ValueError(f"seq must be a new id, got {seq!r}, which is in use: duplicate")
        if not self._free:
            raise MemoryError(f"out of KV slabs: all {self.max_seqs} are taken")
        self._slab[seq], self._lengths[seq] = self._free.pop(), 0

    def reserve(self, seq: Hashable, n: int) -> list[tuple[int, int]]:
        """Make room for `n` more tokens; never a copy. MemoryError beyond max_len."""
        non_negative(n=n)
        if self._lengths[seq] + n > self.max_len:
            raise MemoryError(f"out of KV slots: a slab has {self.max_len}, {self._lengths[seq] + n} needed")
        self._lengths[seq] += n
        return []

    def write(self, layer: int, seq: Hashable, start: int, k: Tensor, v: Tensor) -> None:
        """Store keys and values (n, kv_heads, head_dim) of the reserved positions from `start` on."""
        stop = start + len(k)
        if not 0 <= start <= stop <= self._lengths[seq]:
            raise ValueError(f"start must lie in the reserved part, got {start} to {stop} of {self._lengths[seq]}")
        self.k[layer, self._slab[seq], start:stop] = k
        self.v[layer, self._slab[seq], start:stop] = v

    def read(self, layer: int, seq: Hashable) -> tuple[Tensor, Tensor]:
        """Keys and values (length, kv_heads, head_dim) of one sequence."""
        slab, length = self._slab[seq], self._lengths[seq]
        return self.k[layer, slab, :length], self.v[layer, slab, :length]

    def attend(self, layer: int, q: Tensor, seqs: Sequence[Hashable]) -> Tensor:
        """Attention of q (B, Hq, D), one query a sequence, over each sequence's tokens."""
        slabs, lengths = [self._slab[s] for s in seqs], [self._lengths[s] for s in seqs]
        longest = max(lengths)
        return attend_padded(q, self.k[layer, slabs, :longest], self.v[layer, slabs, :longest], lengths)

    def length(self, seq: Hashable) -> int:
        """Tokens reserved for the sequence."""
        return self._lengths[seq]

    def free(self, seq: Hashable) -> None:
        """Forget the sequence and give back its slab."""
        self._free.append(self._slab.pop(seq))
        del self._lengths[seq]

    def can_hold(self, lengths: Sequence[int]) -> bool:
        """Whether an empty cache has room for sequences of these lengths together."""
        return len(lengths) <= self.max_seqs and max(lengths, default=0) <= self.max_len

    def stats(self) -> dict[str, float]:
        """live_tokens, held_slots, shared_blocks (always 0) and waste, the share of held slots that is empty."""
        live, held = sum(self._lengths.values()), len(self._slab) * self.max_len
        return {"live_tokens": live, "held_slots": held, "shared_blocks": 0, "waste": 1 - live / held if held else 0.0}


def request_phases_ms(prompt_len: int, output_len: int, weight_bytes: float, kv_bytes_per_token: float,
                      flops_per_token: float, mem_gb_s: float, peak_tflop_s: float) -> dict[str, float]:
    """Lower bounds of one request alone on a device: keys prefill_ms, decode_ms.

    Prefill runs the whole prompt through one pass over the weights; each of the output_len - 1 further tokens
    takes a pass of its own over the weights and the cache so far. The arithmetic of attention is left out.

    >>> phases = request_phases_ms(1000, 101, 15e9, 131_072, 15e9, 3350, 989)
    >>> round(phases["prefill_ms"], 1), round(phases["decode_ms"])
    (15.2, 452)
    """
    positive(prompt_len=prompt_len, output_len=output_len)

    def step_ms(tokens: int, cached: float) -> float:
        cache_bytes = kv_bytes_per_token * cached
        return decode_step(weight_bytes, cache_bytes / tokens, tokens, flops_per_token, mem_gb_s, peak_tflop_s).step_ms

    decode_ms = sum(step_ms(1, prompt_len + t) for t in range(1, output_len))
    return {"prefill_ms": step_ms(prompt_len, prompt_len), "decode_ms": decode_ms}
