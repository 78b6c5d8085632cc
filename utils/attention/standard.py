"""Attention as the formula says it: S = QK^T / sqrt(d), P = softmax(S), O = PV, with S and P in memory.

One head: q (Nq, d), k (Nk, d), v (Nk, dv). Query i stands at position q_offset + i and, when `causal`, sees
key j iff j <= q_offset + i. q_offset = Nk - Nq aligns the last query with the last key (bottom right, the
default here and in FlashAttention since 2.1); q_offset = 0 is top left, torch's `is_causal`.
"""

from __future__ import annotations

import numpy as np

from utils.attention.hbm import HBM


def check_qkv(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> None:
    """Raise ValueError unless q (Nq, d), k (Nk, d) and v (Nk, dv) fit together and there is a key."""
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q and k must have the same feature dimension, got {q.shape[-1]} and {k.shape[-1]}")
    if len(k) != len(v):
        raise ValueError(f"k and v must hold the same number of keys and values, got {len(k)} and {len(v)}")
    if not len(k):
        raise ValueError("k must hold at least one key, got none")


def first_position(q: np.ndarray, k: np.ndarray, q_offset: int | None) -> int:
    """Position of query 0: `q_offset`, or bottom-right alignment when it is None."""
    return len(k) - len(q) if q_offset is None else q_offset


def hidden(rows: slice, cols: slice, q_offset: int) -> np.ndarray:
    """True where the query of a row must not see the key of a column: the causal mask of one tile (r, c)."""
    positions = q_offset + np.arange(rows.start, rows.stop)[:, None]  # (r, 1)
    return np.arange(cols.start, cols.stop) > positions               # (r, c)


def _softmax_rows(s: np.ndarray) -> np.ndarray:
    """Softmax of each row; a row of -inf becomes zeros."""
    m = s.max(axis=1, keepdims=True)
    e = np.exp(s - np.where(np.isneginf(m), 0, m))
    l = e.sum(axis=1, keepdims=True)
    return e / np.where(l > 0, l, 1)


def standard_attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, causal: bool = False,
                       q_offset: int | None = None, hbm: HBM | None = None) -> np.ndarray:
    """O (Nq, dv) by Algorithm 0 of Dao et al. 2022; `hbm` counts that S and P are written and read back.

    Rows without a visible key give zeros. Raises ValueError when the shapes do not fit.
    """
    return standard_forward(q, k, v, causal, q_offset, hbm)[0]


def standard_forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, causal: bool = False,
                     q_offset: int | None = None, hbm: HBM | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(O, P): `standard_attention` that also hands out the P (Nq, Nk) which Algorithm 3 needs."""
    check_qkv(q, k, v)
    hbm = hbm or HBM()
    dtype = np.result_type(q, k, v)
    s, p = np.empty((2, len(q), len(k)), dtype)
    o = np.empty((len(q), v.shape[1]), dtype)

    hbm.store(s, ..., hbm.load(q) @ hbm.load(k).T / np.sqrt(q.shape[1]).astype(dtype))
    scores = hbm.load(s)
    if causal:
        scores[hidden(slice(0, len(q)), slice(0, len(k)), first_position(q, k, q_offset))] = -np.inf
    hbm.store(p, ..., _softmax_rows(scores))
    hbm.store(o, ..., hbm.load(p) @ hbm.load(v))
    return o, p


def standard_backward(q: np.ndarray, k: np.ndarray, v: np.ndarray, p: np.ndarray, do: np.ndarray,
                      hbm: HBM | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dQ, dK, dV) from the saved P (Nq, Nk), by Algorithm 3 of Dao et al. 2022 without dropout.

    Masked entries need no care: their P is 0, so is their dS.
    """
    hbm = hbm or HBM()
    scale = 1 / np.sqrt(q.shape[1]).astype(p.dtype)
    dq, dk, dv, dp, ds = (np.empty_like(a, dtype=p.dtype) for a in (q, k, v, p, p))

    hbm.store(dv, ..., hbm.load(p).T @ hbm.load(do))
    hbm.store(dp, ..., hbm.load(do) @ hbm.load(v).T)
    p, dp = hbm.load(p), hbm.load(dp)
    hbm.store(ds, ..., p * (dp - (p * dp).sum(axis=1, keepdims=True)))  # the row sum couples the softmax
    hbm.store(dq, ..., hbm.load(ds) @ hbm.load(k) * scale)
    hbm.store(dk, ..., hbm.load(ds).T @ hbm.load(q) * scale)
    return dq, dk, dv
