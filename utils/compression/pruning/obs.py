"""Second-order pruning: remove the weight that costs least when the others may compensate.

Optimal Brain Surgeon (Hassibi & Stork 1993). Near a minimum the loss rises by 1/2 d' H d for a change d of the
weights. With d_q = -w_q prescribed, the cheapest change is d = -w_q / [H^-1]_qq * H^-1 e_q, and it costs
w_q^2 / (2 [H^-1]_qq).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


def obs_prune(H: np.ndarray, w: np.ndarray, q: int) -> tuple[float, np.ndarray]:
    """(saliency, compensated weights) of removing weight q: entry q is exactly 0, the others have moved.

    H is the (n, n) Hessian, w the (n,) weights. Raises ValueError unless H is symmetric positive definite.
    """
    return _remove(*_problem(H, w), q)


def obs_step(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    """(index, compensated weights, cost) of the weight whose removal costs least.

    >>> obs_step(np.array([[2.0, 1.0], [1.0, 1.0]]), np.array([1.0, 2.0]))
    (0, array([0., 3.]), 0.5)
    """
    h_inv, w = _problem(H, w)
    q = int(np.argmin(w**2 / np.diag(h_inv)))
    cost, compensated = _remove(h_inv, w, q)
    return q, compensated, cost


@dataclass(frozen=True)
class ObsSequence:
    """Weights removed one after another: their order, the cost of each step, and what is left."""

    removed: tuple[int, ...]
    costs: tuple[float, ...]
    weights: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """The fields as a plain dict."""
        return asdict(self)


def obs_sequence(H: np.ndarray, w: np.ndarray, k: int) -> ObsSequence:
    """Remove k weights greedily; removed ones stay at exactly 0 while the rest compensates.

    After each removal the inverse shrinks to that of the remaining rows and columns by one elimination step,
    which is what SparseGPT does column by column; the costs add up to the rise of the loss.
    Raises ValueError unless 0 <= k <= len(w).
    """
    h_inv, w = _problem(H, w)
    if not 0 <= k <= len(w):
        raise ValueError(f"k must be between 0 and {len(w)}, got {k}")
    left = list(range(len(w)))
    removed, costs = [], []
    for _ in range(k):
        i = int(np.argmin(w[left] ** 2 / np.diag(h_inv)))  # a position among those left
        cost, w[left] = _remove(h_inv, w[left], i)
        h_inv = h_inv - np.outer(h_inv[:, i], h_inv[i]) / h_inv[i, i]
        h_inv = np.delete(np.delete(h_inv, i, 0), i, 1)
        removed.append(left.pop(i))
        costs.append(cost)
    return ObsSequence(tuple(removed), tuple(costs), w)


def _remove(h_inv: np.ndarray, w: np.ndarray, q: int) -> tuple[float, np.ndarray]:
    compensated = w - w[q] / h_inv[q, q] * h_inv[:, q]
    compensated[q] = 0.0  # exactly
    return float(w[q] ** 2 / (2 * h_inv[q, q])), compensated


def _problem(H: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of a checked Hessian and a float64 copy of the weights."""
    H, w = np.asarray(H, np.float64), np.array(w, np.float64)
    if w.ndim != 1 or H.shape != (len(w), len(w)):
        raise ValueError(f"H must have a row and a column for each of w's {w.size} weights, got shape {H.shape}")
    try:
        if not np.allclose(H, H.T, rtol=1e-9, atol=0):
            raise np.linalg.LinAlgError
        np.linalg.cholesky(H)  # exists for positive definite matrices only
        return np.linalg.inv(H), w
    except np.linalg.LinAlgError:
        shown = H.tolist() if H.size <= 9 else f"shape {H.shape}"
        raise ValueError(f"H must be symmetric positive definite, got {shown}") from None
