"""Softmax in pieces: one pass with a running maximum, and the exact merge of partial attentions."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, inf

import numpy as np


def online_softmax_states(x: np.ndarray, block: int) -> Iterator[tuple[float, float]]:
    """(m, l) after each block of scores: the maximum so far and the sum of exp(x - m) so far.

    `x` is read once, left to right, at most `block` values at a time.
    """
    if block < 1:
        raise ValueError(f"block must be >= 1, got {block}")
    if not len(x):
        raise ValueError("x must not be empty, got no score")
    m, l = -inf, 0.0
    for start in range(0, len(x), block):
        scores = np.asarray(x[start:start + block], dtype=np.float64)
        m_new = max(m, float(scores.max()))
        if m_new > -inf:  # until the first visible score there is nothing to add
            l = l * exp(m - m_new) + float(np.exp(scores - m_new).sum())
        m = m_new
        yield m, l


def online_softmax(x: np.ndarray, block: int) -> tuple[float, float]:
    """m = max(x) and l = sum of exp(x - m) in one pass (Milakov and Gimelshein 2018).

    Scores may be -inf; if all are, the answer is (-inf, 0.0). Raises ValueError for block < 1 or an empty x.

    >>> online_softmax(np.array([1.0, 3.0, 2.0, 5.0]), block=2)
    (5.0, 1.2034379904932107)
    """
    *_, state = online_softmax_states(x, block)
    return state


def merge_partials(outs: np.ndarray, lses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Combine P attentions over disjoint sets of keys into the attention over all of them, exactly.

    outs (P, N, d) are normalised outputs, lses (P, N) their log-sum-exps; returns o (N, d) and lse (N,).
    A part with lse = -inf saw no key and contributes nothing; where no part saw one, o = 0 and lse = -inf.
    """
    outs, lses = np.asarray(outs), np.asarray(lses)
    top = lses.max(axis=0)                                # (N,)
    top = np.where(np.isneginf(top), 0, top)              # -inf - (-inf) would be nan
    weights = np.exp(lses - top)                          # (P, N)
    total = weights.sum(axis=0)                           # (N,)
    seen = total > 0
    safe = np.where(seen, total, 1)
    parts = np.where(weights[..., None] > 0, outs, 0)     # an empty part may hold anything, also nan
    o = (weights[..., None] * parts).sum(axis=0) / safe[..., None]
    return o, np.where(seen, top + np.log(safe), -np.inf)


def merge_pair(o1: np.ndarray, lse1: np.ndarray, o2: np.ndarray, lse2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`merge_partials` of two: o (N, d) and lse (N,) of both sides give the combined o and lse.

    >>> o, lse = merge_pair(np.array([[1.0]]), np.array([0.0]), np.array([[3.0]]), np.log([3.0]))
    >>> round(o.item(), 6), round(lse.item(), 6)
    (2.5, 1.386294)
    """
    return merge_partials(np.stack([o1, o2]), np.stack([lse1, lse2]))
