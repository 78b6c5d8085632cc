"""FlashAttention: exact attention tile by tile, without S or P in memory.

Shapes and the causal rule are those of `utils.attention.standard`. A running row maximum m and normaliser l
rescale what was summed before whenever a larger score appears; lse = m + log l is all that backward needs.
"""

from __future__ import annotations

import numpy as np

from utils.attention.hbm import HBM, check_blocks, tiles
from utils.attention.merge import merge_pair, merge_partials, online_softmax, online_softmax_states
from utils.attention.standard import check_qkv, first_position, hidden

__all__ = ["flash_backward", "flash_forward", "flash_forward_v1", "merge_pair", "merge_partials", "online_softmax",
           "online_softmax_states", "split_kv_decode"]


def _finite(m: np.ndarray) -> np.ndarray:
    """m with 0 in place of -inf, so that exp(s - m) of a row without visible keys is 0 and not nan."""
    return np.where(np.isneginf(m), 0, m)


def _scores(q: np.ndarray, k: np.ndarray, rows: slice, cols: slice, causal: bool, offset: int) -> np.ndarray:
    """One tile of S (r, c) from already scaled queries; only tiles on the diagonal need a mask."""
    s = q @ k.T
    if causal and cols.stop - 1 > offset + rows.start:
        s[hidden(rows, cols, offset)] = -np.inf
    return s


def _no_visible_key(rows: slice, cols: slice, causal: bool, offset: int) -> bool:
    return causal and cols.start > offset + rows.stop - 1


def flash_forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False, *,
                  q_offset: int | None = None, hbm: HBM | None = None) -> tuple[np.ndarray, np.ndarray]:
    """o (Nq, dv) and lse (Nq,) in the loop order of FlashAttention-2 (Dao 2023, Algorithm 1): Q outside.

    Fully masked tiles are neither loaded nor computed. A row without a visible key gives o = 0, lse = -inf.
    Raises ValueError for block sizes below 1 or shapes that do not fit.

    >>> o, lse = flash_forward(np.eye(2), np.eye(2), np.eye(2), 1, 1)
    >>> o[0].round(3).tolist(), round(float(lse[0]), 3)
    ([0.67, 0.33], 1.108)
    """
    check_qkv(q, k, v)
    check_blocks(block_q, block_k)
    hbm = hbm or HBM()
    offset = first_position(q, k, q_offset)
    dtype = np.result_type(q, k, v)
    scale = 1 / np.sqrt(q.shape[1]).astype(dtype)
    o, lse = np.empty((len(q), v.shape[1]), dtype), np.empty(len(q), dtype)

    for rows in tiles(len(q), block_q):
        qi = hbm.load(q[rows]) * scale                              # (r, d)
        m = np.full(len(qi), -np.inf, dtype)
        l = np.zeros(len(qi), dtype)
        acc = np.zeros((len(qi), v.shape[1]), dtype)                # sum of exp(s - m) v, normalised at the end
        for cols in tiles(len(k), block_k):
            if _no_visible_key(rows, cols, causal, offset):
                break
            kj, vj = hbm.load(k[cols]), hbm.load(v[cols])           # (c, d), (c, dv)
            s = _scores(qi, kj, rows, cols, causal, offset)         # (r, c)
            m_new = np.maximum(m, s.max(axis=1))
            shift = _finite(m_new)
            p = np.exp(s - shift[:, None])
            keep = np.exp(m - shift)                                # what the old sums are worth now
            l = keep * l + p.sum(axis=1)
            acc = keep[:, None] * acc + p @ vj
            m = m_new
        total = np.where(l > 0, l, 1)
        hbm.store(o, rows, acc / total[:, None])
        hbm.store(lse, rows, m + np.log(total))
    return o, lse


def flash_forward_v1(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                     hbm: HBM | None = None) -> tuple[np.ndarray, np.ndarray]:
    """o and lse in the loop order of 2022 (Dao et al., Algorithm 1): K and V outside.

    O, l and m go through HBM at every step, normalised each time. The log-sum-exp is put together from the
    stored m and l at the end and not counted: the paper returns O alone.
    """
    check_qkv(q, k, v)
    check_blocks(block_q, block_k)
    hbm = hbm or HBM()
    dtype = np.result_type(q, k, v)
    scale = 1 / np.sqrt(q.shape[1]).astype(dtype)
    o, l, m = np.empty((len(q), v.shape[1]), dtype), np.empty(len(q), dtype), np.empty(len(q), dtype)
    hbm.store(o, ..., 0)
    hbm.store(l, ..., 0)
    hbm.store(m, ..., -np.inf)

    for cols in tiles(len(k), block_k):
        kj, vj = hbm.load(k[cols]), hbm.load(v[cols])               # (c, d), (c, dv)
        for rows in tiles(len(q), block_q):
            qi, oi, li, mi = (hbm.load(a[rows]) for a in (q, o, l, m))
            s = qi * scale @ kj.T                                   # (r, c)
            m_new = np.maximum(mi, s.max(axis=1))
            p = np.exp(s - m_new[:, None])
            kept = li * np.exp(mi - m_new)                          # the old normaliser at the new maximum
            l_new = kept + p.sum(axis=1)
            hbm.store(o, rows, (kept[:, None] * oi + p @ vj) / l_new[:, None])
            hbm.store(l, rows, l_new)
            hbm.store(m, rows, m_new)
    return o, m + np.log(l)


def flash_backward(q: np.ndarray, k: np.ndarray, v: np.ndarray, o: np.ndarray, do: np.ndarray, lse: np.ndarray,
                   block_q: int, block_k: int, causal: bool = False, *, q_offset: int | None = None,
                   hbm: HBM | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dq, dk, dv) from o (Nq, dv), its gradient do and lse (Nq,): P is recomputed tile by tile.

    P = exp(S - lse) is normalised already. Softmax couples a row, dS = P * (dP - D), and D = rowsum(P * dP) =
    rowsum(do * o) comes without a second pass over the keys (Dao 2023, Algorithm 2). dq starts as zeroed
    memory, which is not counted. Raises ValueError as `flash_forward` does.
    """
    check_qkv(q, k, v)
    check_blocks(block_q, block_k)
    hbm = hbm or HBM()
    offset = first_position(q, k, q_offset)
    dtype = np.result_type(q, k, v)
    scale = 1 / np.sqrt(q.shape[1]).astype(dtype)
    dq, dk, dv = np.zeros(q.shape, dtype), np.empty(k.shape, dtype), np.empty(v.shape, dtype)
    delta = np.empty(len(q), dtype)
    for rows in tiles(len(q), block_q):
        hbm.store(delta, rows, (hbm.load(o[rows]) * hbm.load(do[rows])).sum(axis=1))

    for cols in tiles(len(k), block_k):
        kj, vj = hbm.load(k[cols]), hbm.load(v[cols])
        dkj, dvj = np.zeros(kj.shape, dtype), np.zeros(vj.shape, dtype)
        for rows in tiles(len(q), block_q):
            if _no_visible_key(rows, cols, causal, offset):
                continue
            qi, doi, dqi, lsei, di = (hbm.load(a[rows]) for a in (q, do, dq, lse, delta))
            s = _scores(qi * scale, kj, rows, cols, causal, offset)
            p = np.exp(s - _finite(lsei)[:, None])                  # (r, c)
            ds = p * (doi @ vj.T - di[:, None]) * scale             # (r, c)
            dvj += p.T @ doi
            dkj += ds.T @ qi
            hbm.store(dq, rows, dqi + ds @ kj)
        hbm.store(dk, cols, dkj)
        hbm.store(dv, cols, dvj)
    return dq, dk, dv


def split_kv_decode(q: np.ndarray, k: np.ndarray, v: np.ndarray, splits: int) -> np.ndarray:
    """Attention of one query q (d,) over all keys by `splits` independent workers and a merge: o (dv,).

    This is Flash-Decoding (Dao, Haziza, Massa and Sizov 2023): one query offers no tiles of Q to run in
    parallel, so the keys are divided. Raises ValueError unless 1 <= splits <= len(k).
    """
    check_qkv(q, k, v)
    if not 1 <= splits <= len(k):
        raise ValueError(f"splits must be between 1 and the {len(k)} keys, got {splits}")
    keys, values = np.array_split(k, splits), np.array_split(v, splits)
    parts = [flash_forward(q[None], kp, vp, 1, len(kp)) for kp, vp in zip(keys, values)]
    o, _ = merge_partials(np.stack([o for o, _ in parts]), np.stack([lse for _, lse in parts]))
    return o[0]
