"""Low-rank factorisation: one matrix as the product of two thin ones, and when that saves anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from torch import nn


def _matrix(W: ArrayLike, name: str = "W") -> np.ndarray:
    W = np.asarray(W, np.float64)
    if W.ndim != 2 or W.size == 0:
        raise ValueError(f"{name} must be a matrix with at least one entry, got shape {W.shape}")
    if not np.all(np.isfinite(W)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return W


def svd_factor(W: ArrayLike, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The best factors of a rank: A (m, rank) and B (rank, n) with the least ||W - A B|| (Eckart & Young 1936).

    Each factor gets the square roots of the singular values, so that both have entries of one size. The squared
    error is the sum of the squared singular values that are left out. float64; ValueError unless W is a finite
    matrix and 1 <= rank <= min(m, n).

    >>> A, B = svd_factor([[3, 0], [0, 1]], 1)
    >>> (A @ B + 0.0).round(12).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    W = _matrix(W)  # (m, n)
    if not 1 <= rank <= min(W.shape):
        raise ValueError(f"rank must be between 1 and {min(W.shape)}, got {rank}")
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    root = np.sqrt(S[:rank])
    return U[:, :rank] * root, root[:, None] * Vt[:rank]  # (m, r), (r, n)


def break_even_rank(m: int, n: int) -> int:
    """The largest rank whose factors have fewer parameters than an m x n matrix: r (m + n) < m n. May be 0.

    >>> break_even_rank(1024, 1024), break_even_rank(512, 128), break_even_rank(64, 10)
    (511, 102, 8)
    """
    if m < 1 or n < 1:
        raise ValueError(f"m and n must be at least 1, got {m} and {n}")
    return (m * n - 1) // (m + n)


def rank_for_error(W: ArrayLike, rel_error: float) -> int:
    """The smallest rank, at least 1, whose best factors have ||W - A B|| <= rel_error * ||W|| (Frobenius).

    ValueError unless W is a finite matrix and rel_error >= 0.
    """
    W = _matrix(W)
    if not rel_error >= 0:
        raise ValueError(f"rel_error must not be negative, got {rel_error}")
    S = np.linalg.svd(W, compute_uv=False)
    left_out = np.sqrt(np.append(np.cumsum(S[::-1] ** 2)[::-1], 0.0))  # (r + 1,): the error at each rank
    return max(1, int(np.argmax(left_out <= rel_error * left_out[0])))


def compress_linear(W: np.ndarray, budget_ratio: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Best factors A (m, r) and B (r, n) of W (m, n) within a share of its parameters; None if r would be 0.

    r is the largest rank with r (m + n) <= budget_ratio * m n, and never above min(m, n).
    ValueError unless budget_ratio is positive and W is a finite matrix.
    """
    if not budget_ratio > 0:
        raise ValueError(f"budget_ratio must be positive, got {budget_ratio}")
    m, n = _matrix(W).shape
    rank = min(int(budget_ratio * m * n / (m + n)), m, n)
    return svd_factor(W, rank) if rank else None


def svd_whitened(W: ArrayLike, X: ArrayLike, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors A (m, rank) and B (rank, n) with the least error of the layer's *output*, ||X W^T - X (A B)^T||.

    W (m, n) weighs all directions of its input alike; real inputs X (samples, n) do not use them all. The outputs
    Y = X W^T are projected on their own best subspace P: A = P, B = P^T W. Then X (A B)^T = Y P P^T, and by
    Eckart and Young no output of that rank is nearer to Y.
    """
    W, X = _matrix(W), _matrix(X, "X")
    if X.shape[1] != W.shape[1]:
        raise ValueError(f"X must have {W.shape[1]} columns as W does, got {X.shape[1]}")
    if not 1 <= rank <= min(W.shape):
        raise ValueError(f"rank must be between 1 and {min(W.shape)}, got {rank}")
    Y = X @ W.T                                # (samples, m)
    P = np.linalg.eigh(Y.T @ Y)[1][:, ::-1]    # (m, m), the strongest direction first
    return P[:, :rank], P[:, :rank].T @ W      # (m, r), (r, n)


def factorize_linear(layer: nn.Linear, rank: int, X: ArrayLike | None = None) -> nn.Sequential:
    """A linear layer n -> m as two: n -> rank without bias, rank -> m with the layer's bias.

    With `X`, inputs (samples, n) that the layer sees, the factors are fitted to its outputs (`svd_whitened`).
    The result shares no memory with `layer`.
    """
    import torch
    from torch import nn

    W = layer.weight.detach().cpu().numpy()  # (m, n)
    A, B = svd_factor(W, rank) if X is None else svd_whitened(W, X, rank)
    first = nn.Linear(layer.in_features, rank, bias=False)
    second = nn.Linear(rank, layer.out_features, bias=layer.bias is not None)
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(B.copy()))
        second.weight.copy_(torch.from_numpy(A.copy()))
        if layer.bias is not None:
            second.bias.copy_(layer.bias)
    return nn.Sequential(first, second).to(layer.weight)


def lora_merge(W0: ArrayLike, A: ArrayLike, B: ArrayLike, alpha: float, r: int) -> np.ndarray:
    """The served matrix after LoRA: W0 + (alpha / r) B A, as large as W0 (Hu et al. 2021, arXiv:2106.09685).

    In the paper's letters W0 is (m, n), A (r, n) and B (m, r). ValueError for other shapes.
    """
    W0, A, B = _matrix(W0, "W0"), _matrix(A, "A"), _matrix(B, "B")
    m, n = W0.shape
    if A.shape != (r, n) or B.shape != (m, r):
        raise ValueError(f"A and B must have the shapes {(r, n)} and {(m, r)}, got {A.shape} and {B.shape}")
    return W0 + alpha / r * (B @ A)
