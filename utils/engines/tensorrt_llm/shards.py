"""Tensor parallelism: every rank holds a slice of each weight matrix and computes a partial result.

The split of Megatron-LM: the first matrix of a pair by columns, the second by rows. Then each rank's hidden
part is complete, the nonlinearity needs no communication, and one sum over the ranks ends the pair.

Source: Shoeybi et al., Megatron-LM, 2019, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.attention.standard import standard_attention
from utils.cost.checks import positive


def _must_divide(tp: int, **sizes: int) -> None:
    positive(tp=tp)
    for name, size in sizes.items():
        if size % tp:
            raise ValueError(f"tp must divide {name} = {size}, got {tp}")


def shard_column(w: np.ndarray, tp: int) -> list[np.ndarray]:
    """The columns of w (d, n) as `tp` views (d, n / tp). ValueError when tp does not divide n."""
    _must_divide(tp, columns=w.shape[1])
    return np.split(w, tp, axis=1)


def shard_row(w: np.ndarray, tp: int) -> list[np.ndarray]:
    """The rows of w (n, d) as `tp` views (n / tp, d). ValueError when tp does not divide n."""
    _must_divide(tp, rows=w.shape[0])
    return np.split(w, tp, axis=0)


def silu(x: np.ndarray) -> np.ndarray:
    """x / (1 + exp(-x)), elementwise; written with tanh, which does not overflow."""
    return x * 0.5 * (1 + np.tanh(0.5 * x))


def swiglu(x: np.ndarray, w_gate: np.ndarray, w_up: np.ndarray, w_down: np.ndarray) -> np.ndarray:
    """(silu(x Wg) * x Wu) Wd: x (T, d), w_gate and w_up (d, d_ff), w_down (d_ff, d) -> (T, d)."""
    return (silu(x @ w_gate) * (x @ w_up)) @ w_down


def tp_mlp_rank(x: np.ndarray, w_gate: np.ndarray, w_up: np.ndarray, w_down: np.ndarray, rank: int,
                tp: int) -> np.ndarray:
    """This rank's part of a SwiGLU layer before the all-reduce; the sum over all ranks is the layer.

    x (T, d), w_gate and w_up (d, d_ff), w_down (d_ff, d) -> (T, d). Raises ValueError unless tp divides d_ff.
    """
    _must_divide(tp, d_ff=w_gate.shape[1])
    width = w_gate.shape[1] // tp
    own = slice(rank * width, (rank + 1) * width)
    return swiglu(x, w_gate[:, own], w_up[:, own], w_down[own])


@dataclass(frozen=True, eq=False)
class ShardedResult:
    """y, each rank's part of it, and the bytes that a ring all-reduce of it makes each rank send."""

    y: np.ndarray
    partials: list[np.ndarray]
    bytes_per_rank: int


def _summed(partials: list[np.ndarray]) -> ShardedResult:
    from utils.engines.tensorrt_llm.all_reduce import ring_all_reduce

    sums, sent = ring_all_reduce(partials)
    return ShardedResult(sums[0], partials, sent)


def tp_mlp(x: np.ndarray, w_gate: np.ndarray, w_up: np.ndarray, w_down: np.ndarray, tp: int) -> ShardedResult:
    """A SwiGLU layer on `tp` ranks with one all-reduce; shapes and errors as `tp_mlp_rank`."""
    return _summed([tp_mlp_rank(x, w_gate, w_up, w_down, rank, tp) for rank in range(tp)])


def tp_attention(x: np.ndarray, wq: np.ndarray, wk: np.ndarray, wv: np.ndarray, wo: np.ndarray, heads: int,
                 kv_heads: int, tp: int) -> ShardedResult:
    """Causal grouped-query attention on `tp` ranks with one all-reduce.

    x (T, d), wq (d, heads D), wk and wv (d, kv_heads D), wo (heads D, d) -> (T, d). A rank has heads / tp query
    heads and the key/value heads that they read; with more ranks than kv_heads these are replicas. Raises
    ValueError when tp does not divide heads, or neither of tp and kv_heads divides the other.
    """
    _must_divide(tp, heads=heads)
    if heads % kv_heads or (kv_heads % tp and tp % kv_heads):
        raise ValueError(f"kv_heads must divide heads, and tp or kv_heads the other, got {heads}, {kv_heads}, {tp}")
    size, group = wq.shape[1] // heads, heads // kv_heads

    def columns(head: int) -> slice:
        return slice(head * size, (head + 1) * size)

    partials = []
    for rank in range(tp):
        y = np.zeros((len(x), wo.shape[1]))
        for head in range(rank * heads // tp, (rank + 1) * heads // tp):
            q, k, v = x @ wq[:, columns(head)], x @ wk[:, columns(head // group)], x @ wv[:, columns(head // group)]
            y += standard_attention(q, k, v, causal=True) @ wo[columns(head)]  # (T, D) @ (D, d)
        partials.append(y)
    return _summed(partials)
