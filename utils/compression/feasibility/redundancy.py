"""How much of a trained matrix is repetition: its spectrum, and the entropy of its exponents."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from utils.compression.coding import bf16_exponent_entropy

SLACK = 1e-12  # relative: a sum of n squares carries about n eps of rounding, 1e-13 for a thousand


def _singular_values(W: ArrayLike) -> np.ndarray:
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2 or W.size == 0:
        raise ValueError(f"W must be a matrix with entries, got shape {W.shape}")
    if not np.isfinite(W).all():
        raise ValueError("W must be finite, got NaN or infinity")
    return np.linalg.svd(W, compute_uv=False)  # descending


def energy_rank(W: np.ndarray, energy: float) -> int:
    """Smallest r whose r largest squared singular values hold at least the share `energy` of their sum.

    The comparison has a relative slack of 1e-12. A zero matrix has rank 0.
    Raises ValueError unless 0 < energy <= 1 and W is a finite matrix.

    >>> energy_rank(np.diag([3.0, 4.0]), 0.6), energy_rank(np.diag([3.0, 4.0]), 0.65)
    (1, 2)
    """
    if not 0 < energy <= 1:
        raise ValueError(f"energy must be in (0, 1], got {energy}")
    squares = _singular_values(W) ** 2
    total = squares.sum()
    if total == 0:
        return 0
    return int(np.count_nonzero(np.cumsum(squares) < energy * total * (1 - SLACK))) + 1


def effective_rank(W: ArrayLike) -> float:
    """exp of the entropy of the normalised singular values: n for equal ones, 1 for rank one (Roy & Vetterli 2007).

    A zero matrix has 0. Raises ValueError unless W is a finite matrix.
    """
    S = _singular_values(W)
    if S[0] == 0:
        return 0.0
    p = S / S.sum()
    p = p[p > 0]
    return float(np.exp(-np.sum(p * np.log(p))))


def random_baseline_rank(shape: tuple[int, int], energy: float, seed: int = 0) -> int:
    """`energy_rank` of a matrix of this shape with independent normal entries: what "no structure" looks like."""
    return energy_rank(np.random.default_rng(seed).normal(size=shape), energy)


def exponent_entropy(w: np.ndarray) -> float:
    """Shannon entropy in bits of the 8-bit exponent field of `w` in bfloat16.

    float32 of any shape, rounded to nearest even; zeros count, with field 0. Raises ValueError for no values.

    >>> exponent_entropy(np.float32([1, 1.5, 2, 4]))
    1.5
    """
    return bf16_exponent_entropy(np.asarray(w, dtype=np.float32))


def lossless_bound_bits(w: np.ndarray) -> float:
    """Bits a weight for BF16 weights whose exponents are coded ideally one by one, with sign and mantissa as they are.

    Raises ValueError for no values.
    """
    return 8 + exponent_entropy(w)
