"""Distilling a language model: a vocabulary is too large to store, so the teacher sends its k best classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from utils.compression.distillation.losses import log_softmax_t

SUM_TOLERANCE = 1e-12  # probabilities that add up to 1 in float64 may miss it by a few ulps


def topk_targets(logits: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most likely classes and their probabilities at temperature 1, both (..., k), the likeliest first.

    Among equal logits the lower id comes first. ValueError unless 1 <= k <= C.

    >>> idx, prob = topk_targets([4, 2, 1, 0], 2)
    >>> idx.tolist(), prob.round(5).tolist()
    ([0, 1], [0.83095, 0.11246])
    """
    log_p = log_softmax_t(logits)
    if not 1 <= k <= log_p.shape[-1]:
        raise ValueError(f"k must be in [1, {log_p.shape[-1]}], got {k}")
    idx = np.argsort(-log_p, axis=-1, kind="stable")[..., :k]
    return idx, np.exp(np.take_along_axis(log_p, idx, axis=-1))


def topk_kl(student_logits: ArrayLike, idx: ArrayLike, prob: ArrayLike) -> np.ndarray:
    """KL(teacher || student) in nats over k named classes and one bucket for all others, shape (...).

    student_logits (..., C); idx (..., k) holds different class ids, prob (..., k) the teacher's probabilities.
    Merging classes into a bucket can only lower a KL divergence (the data-processing inequality), so this is
    between 0 and the full one. A class or a bucket without teacher mass contributes 0.
    """
    log_q = log_softmax_t(student_logits)  # (..., C)
    idx, prob = np.asarray(idx), np.asarray(prob, np.float64)
    named = np.take_along_axis(log_q, idx, axis=-1)  # (..., k)
    others = log_q.copy()
    np.put_along_axis(others, idx, -np.inf, axis=-1)
    with np.errstate(divide="ignore"):  # where all classes are named, the bucket is empty: log 0
        rest = np.logaddexp.reduce(others, axis=-1)  # 1 - sum would lose a small rest to rounding
    mass = 1 - prob.sum(axis=-1)
    return _times_log_ratio(prob, named).sum(axis=-1) + _times_log_ratio(np.where(mass > SUM_TOLERANCE, mass, 0), rest)


def _times_log_ratio(p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """p·(log p - log q), and 0 where p is 0."""
    some = p > 0
    safe = np.where(some, p, 1)
    return np.where(some, safe * (np.log(safe) - np.where(some, log_q, 0)), 0)


def topk_kd(student_logits: np.ndarray, idx: np.ndarray, prob: np.ndarray) -> float:
    """KL(teacher || student) of one position in nats: k classes by name, all others in one bucket.

    student_logits (V,), idx (k,) class ids, prob (k,) the teacher's probabilities at temperature 1.
    """
    return float(topk_kl(student_logits, idx, prob))


def teacher_cache_bytes(tokens: int, vocab: int, k: int | None = None, prob_bytes: int = 2,
                        id_bytes: int = 4) -> int:
    """Bytes of a file with the teacher's output for every token: k (id, probability) pairs, or with k=None one
    probability for each word of the vocabulary.

    ValueError unless 1 <= k <= vocab.

    >>> teacher_cache_bytes(10**9, 128_000, 64), teacher_cache_bytes(10**9, 128_000)
    (384000000000, 256000000000000)
    """
    if k is None:
        return tokens * vocab * prob_bytes
    if not 1 <= k <= vocab:
        raise ValueError(f"k must be in [1, {vocab}], got {k}")
    return tokens * k * (prob_bytes + id_bytes)
