"""Weight-only methods: round to nearest, GPTQ, AWQ, and the input scales of SmoothQuant.

W is (out, in), X is (samples, in), and a layer computes X @ W.T. Everything is float64 NumPy.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from utils.compression.quant_methods.ste import symmetric_levels

Order = Literal["natural", "activation"]


def _matrix(W: ArrayLike, name: str = "W") -> np.ndarray:
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2 or W.size == 0:
        raise ValueError(f"{name} must be a matrix with entries, got shape {W.shape}")
    if not np.isfinite(W).all():
        raise ValueError(f"{name} must be finite, got {np.count_nonzero(~np.isfinite(W))} NaN or infinite values")
    return W


def weight_scales(W: ArrayLike, bits: int, *, axis: int | None = 0, group_size: int | None = None) -> np.ndarray:
    """max|w| / qmax at W's shape: one scale a tensor (axis None), a row (0), a column (1), or a group of a row.

    A group is `group_size` neighbouring inputs of one row; the last one may be shorter. An all-zero part has scale 1.
    Raises ValueError for another axis, or a group_size below 1.
    """
    W, qmax = _matrix(W), symmetric_levels(bits)
    if axis not in (None, 0, 1):
        raise ValueError(f"axis must be None, 0 or 1, got {axis}")
    if group_size is not None:
        if group_size < 1:
            raise ValueError(f"group_size must be positive, got {group_size}")
        starts = np.arange(0, W.shape[1], group_size)
        top = np.maximum.reduceat(np.abs(W), starts, axis=1)  # (out, groups)
        top = np.repeat(top, np.diff(np.append(starts, W.shape[1])), axis=1)
    else:
        top = np.abs(W).max(axis=None if axis is None else 1 - axis, keepdims=True)
    return np.broadcast_to(np.where(top > 0, top / qmax, 1.0), W.shape)


def on_grid(W: np.ndarray, scale: np.ndarray | float, qmax: int) -> np.ndarray:
    """scale * clamp(round(W / scale), -qmax, qmax), ties to even."""
    return np.clip(np.rint(W / scale), -qmax, qmax) * scale


def quantize_weights_rtn(W: ArrayLike, bits: int, *, axis: int | None = 0, group_size: int | None = None) -> np.ndarray:
    """Round to nearest: dequantized weights on a symmetric grid, qmax = 2^(bits - 1) - 1; errors as `weight_scales`.

    >>> quantize_weights_rtn([[0.4, 0.4, 3.0]], 3).tolist()
    [[0.0, 0.0, 3.0]]
    """
    scale = weight_scales(W, bits, axis=axis, group_size=group_size)
    return on_grid(_matrix(W), scale, symmetric_levels(bits))


# --- GPTQ -------------------------------------------------------------------------------------


def hessian(X: ArrayLike, damp: float = 0.01) -> np.ndarray:
    """X.T @ X / n, with `damp` times its mean diagonal added to the diagonal: (in, in), positive definite.

    It is half the Hessian of the layer's mean squared output error; GPTQ does not care about the factor.
    """
    X = _matrix(X, "X")
    H = X.T @ X / len(X)
    return H + (damp * np.mean(np.diag(H)) or 1e-12) * np.eye(len(H))


def gptq(W: ArrayLike, X: ArrayLike, bits: int, *, group_size: int | None = None, damp: float = 0.01,
         order: Order = "natural") -> np.ndarray:
    """Dequantized weights, rounded column by column while later columns make up for each error (Frantar et al. 2022).

    Scales are fixed beforehand: one a row, or one a group. `order` "activation" takes the columns with the largest
    inputs first. Raises ValueError for another order and for shapes that do not match.
    """
    W = _matrix(W)
    H = hessian(X, damp)
    if H.shape[0] != W.shape[1]:
        raise ValueError(f"X must have the {W.shape[1]} inputs of W, got {H.shape[0]}")
    if order not in ("natural", "activation"):
        raise ValueError(f"order must be 'natural' or 'activation', got {order!r}")
    columns = np.arange(W.shape[1]) if order == "natural" else np.argsort(-np.diag(H), kind="stable")
    scale = weight_scales(W, bits, group_size=group_size)
    found = np.empty_like(W)
    found[:, columns] = _gptq_columns(W[:, columns], H[np.ix_(columns, columns)], scale[:, columns],
                                      symmetric_levels(bits))
    return found


def _gptq_columns(W: np.ndarray, H: np.ndarray, scale: np.ndarray, qmax: int) -> np.ndarray:
    W, found = W.copy(), np.empty_like(W)
    # Row i of U holds what column i tells the later ones, once the earlier ones are frozen: inv(H[i:, i:]) row 0,
    # over the root of its first entry.
    U = np.linalg.cholesky(np.linalg.inv(H)).T  # upper triangular
    for i in range(W.shape[1]):
        found[:, i] = on_grid(W[:, i], scale[:, i], qmax)
        error = (W[:, i] - found[:, i]) / U[i, i]  # (out,)
        W[:, i + 1:] -= np.outer(error, U[i, i + 1:])
    return found


def gptq_layer(W: np.ndarray, H: np.ndarray, bits: int) -> np.ndarray:
    """GPTQ with one scale a row, columns from left to right and a given Hessian, undamped.

    W (out, in), H (in, in) symmetric positive definite. Returns the dequantized weights; W stays as it is.

    >>> gptq_layer(np.array([[0.4, 0.4, 3.0]]), np.full((3, 3), 0.9) + 0.1 * np.eye(3), 3).tolist()
    [[0.0, 1.0, 3.0]]
    """
    W = _matrix(W)
    return _gptq_columns(W, np.asarray(H, dtype=np.float64), weight_scales(W, bits), symmetric_levels(bits))


def gptq_slow(W: np.ndarray, H: np.ndarray, bits: int) -> np.ndarray:
    """`gptq_layer` as it is explained: the Hessian of the columns that are left is inverted again in each step."""
    W = _matrix(W).copy()
    scale, qmax = weight_scales(W, bits), symmetric_levels(bits)
    for i in range(W.shape[1]):
        left = np.linalg.inv(H[i:, i:])
        q = on_grid(W[:, i], scale[:, i], qmax)
        W[:, i + 1:] -= np.outer((W[:, i] - q) / left[0, 0], left[0, 1:])
        W[:, i] = q
    return W


def output_error(W: np.ndarray, W_hat: np.ndarray, H: np.ndarray) -> float:
    """sum over rows of d H d^T with d = W_hat - W: the layer's squared output error on the data behind H."""
    d = np.asarray(W_hat) - np.asarray(W)
    return float(np.einsum("oi,ij,oj->", d, H, d))


# --- scales of the inputs ---------------------------------------------------------------------


def awq_scales(W: ArrayLike, X: ArrayLike, bits: int, grid: int = 20, *, group_size: int | None = None) -> np.ndarray:
    """Factors (in,) for the columns of W that make rounding hurt least (Lin et al., AWQ, 2023).

    Tries mean|x|^a for a = 0, 1/grid, ..., 1, normalized to a geometric mean of 1, and keeps the one with the
    smallest output error of round-to-nearest on X. a = 0 changes nothing, so the result is never worse than that.
    """
    W, X = _matrix(W), _matrix(X, "X")
    strength = np.abs(X).mean(axis=0)
    strength = np.where(strength > 0, strength, strength[strength > 0].min() if strength.any() else 1.0)
    H, best = X.T @ X, (np.inf, np.ones(W.shape[1]))
    for a in np.linspace(0, 1, grid + 1):
        s = strength**a
        s = s / np.exp(np.mean(np.log(s)))
        error = output_error(W, quantize_weights_rtn(W * s, bits, group_size=group_size) / s, H)
        if error < best[0]:
            best = (error, s)
    return best[1]


def smooth_scales(act_absmax: ArrayLike, W: ArrayLike, alpha: float = 0.5) -> np.ndarray:
    """Factors (in,) that move activation outliers into the weights: max|x_j|^alpha / max|w_j|^(1 - alpha).

    Inputs are divided by them and columns of W multiplied (Xiao et al., SmoothQuant, 2022). A channel that is all
    zero on either side keeps 1. Raises ValueError unless 0 <= alpha <= 1.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")
    x, w = np.asarray(act_absmax, dtype=np.float64), np.abs(_matrix(W)).max(axis=0)
    used = (x > 0) & (w > 0)
    return np.where(used, np.where(used, x, 1.0) ** alpha / np.where(used, w, 1.0) ** (1 - alpha), 1.0)
