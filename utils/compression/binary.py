"""Weights of one bit and of three values: the best scale, the packing, and a dot product without products."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def _weights(w: ArrayLike) -> np.ndarray:
    w = np.asarray(w, np.float64)
    if w.size == 0:
        raise ValueError("w must not be empty, got 0 weights")
    if not np.all(np.isfinite(w)):
        raise ValueError("w must be finite, got NaN or infinity")
    return w


# --- fitting ----------------------------------------------------------------------------------


def binarize(w: ArrayLike) -> tuple[float, np.ndarray]:
    """(alpha, sign) with the least ||w - alpha sign||^2: alpha = mean |w|, and sign(0) = +1 (XNOR-Net).

    sign is int8 in the shape of w. ValueError for an empty w or one that is not finite.

    >>> binarize([0.5, -1.5])
    (1.0, array([ 1, -1], dtype=int8))
    """
    w = _weights(w)
    return float(np.abs(w).mean()), np.where(w >= 0, 1, -1).astype(np.int8)


def ternarize_optimal(w: ArrayLike) -> tuple[float, np.ndarray]:
    """(alpha, t) with the least ||w - alpha t||^2, t in {-1, 0, 1} (int8, in the shape of w).

    With the k largest |w| kept and S_k their sum, the best alpha is S_k / k and the error ||w||^2 - S_k^2 / k: the
    best k has the largest S_k^2 / k. On a tie the smaller k. An all-zero w gives (0.0, zeros). ValueError for an
    empty w or one that is not finite.

    >>> ternarize_optimal([0.9, -0.3, 0.1, -1.1])
    (1.0, array([ 1,  0,  0, -1], dtype=int8))
    """
    w = _weights(w)
    size = np.abs(w).ravel()
    order = np.argsort(-size, kind="stable")
    sums, k = np.cumsum(size[order]), np.arange(1, size.size + 1)
    best = int(np.argmax(sums**2 / k))
    t = np.zeros(w.size, np.int8)
    kept = order[: best + 1]
    t[kept] = np.sign(w.ravel()[kept])
    return float(sums[best] / (best + 1)), t.reshape(w.shape)


def ternary_fit(w: np.ndarray) -> tuple[float, np.ndarray]:
    """(alpha, t) with the least squared error of w - alpha * t, where t has -1, 0 and 1."""
    return ternarize_optimal(w)


def ternarize_twn(w: ArrayLike) -> tuple[float, np.ndarray]:
    """(alpha, t) by the rule of Ternary Weight Networks (Li & Liu 2016): keep |w| > 0.7 mean |w|.

    alpha is the mean of the kept |w|, 0.0 where none is kept. ValueError as in `ternarize_optimal`.
    """
    w = _weights(w)
    kept = np.abs(w) > 0.7 * np.abs(w).mean()
    t = np.where(kept, np.sign(w), 0).astype(np.int8)
    return (float(np.abs(w[kept]).mean()) if kept.any() else 0.0), t


def relative_error(w: ArrayLike, alpha: float, t: np.ndarray) -> float:
    """||w - alpha t||^2 / ||w||^2, 0.0 for an all-zero w."""
    w = _weights(w)
    energy = float(np.sum(w**2))
    return float(np.sum((w - alpha * t) ** 2)) / energy if energy else 0.0


# --- packing and multiplying ------------------------------------------------------------------


def pack_bits(sign: ArrayLike) -> np.ndarray:
    """Values of +1 and -1 as bits, +1 for 1: uint8, the first value in the highest bit, the last byte filled with 0.

    ValueError for any other value.

    >>> pack_bits([1, 1, -1])
    array([192], dtype=uint8)
    """
    sign = np.asarray(sign).ravel()
    if not np.all((sign == 1) | (sign == -1)):
        raise ValueError("sign must hold +1 and -1 alone, got another value")
    return np.packbits(sign == 1)


def packed_dot(a_bits: np.ndarray, b_bits: np.ndarray, n: int) -> int:
    """Dot product of two packed vectors of n values +1 and -1: n - 2 popcount(a xor b).

    Where the bits agree the product is +1, where they differ -1. The filling is 0 on both sides, so xor does
    not see it. ValueError unless both are ceil(n / 8) bytes (uint8).
    """
    for name, bits in (("a_bits", a_bits), ("b_bits", b_bits)):
        if bits.dtype != np.uint8 or bits.shape != (-(-n // 8),):
            raise ValueError(f"{name} must be {-(-n // 8)} bytes (uint8) for {n} values, got {bits.dtype} {bits.shape}")
    return n - 2 * int(np.bitwise_count(a_bits ^ b_bits).sum())


def xnor_dot(a: np.ndarray, b: np.ndarray) -> int:
    """Dot product of two vectors of +1 and -1, computed on packed bits.

    ValueError for other values, or for vectors of different lengths.

    >>> xnor_dot(np.array([1, 1, -1]), np.array([1, -1, -1]))
    1
    """
    if len(a) != len(b):
        raise ValueError(f"a and b must have one length, got {len(a)} and {len(b)}")
    return packed_dot(pack_bits(a), pack_bits(b), len(a))


def pack_trits(t: ArrayLike) -> bytes:
    """Values of -1, 0 and 1 five to a byte: t + 1 are digits in base 3, the first one the lowest (3^5 = 243 <= 256).

    The last byte is filled with digits 0. ValueError for any other value.

    >>> pack_trits([1, 0, -1, -1, 1, 1])
    b'\\xa7\\x02'
    """
    t = np.asarray(t).ravel()
    if not np.all((t == -1) | (t == 0) | (t == 1)):
        raise ValueError("t must hold -1, 0 and 1 alone, got another value")
    digits = np.zeros(-(-t.size // 5) * 5, np.int64)
    digits[: t.size] = t + 1
    return (digits.reshape(-1, 5) @ 3 ** np.arange(5)).astype(np.uint8).tobytes()


def unpack_trits(data: bytes, n: int) -> np.ndarray:
    """The first n values (int8) that `pack_trits` wrote. ValueError for too few bytes or one above 242."""
    words = np.frombuffer(data, np.uint8)
    if 5 * len(words) < n or np.any(words > 242):
        raise ValueError(f"data must be {-(-n // 5)} bytes of at most 242, got {len(words)} bytes")
    return (words[:, None].astype(np.int64) // 3 ** np.arange(5) % 3 - 1).ravel()[:n].astype(np.int8)


def xnor_operation_ratio(c_in: int, kernel: int) -> float:
    """How many times fewer operations a binary convolution has, at 64 bit operations an instruction.

    A position of the output takes c_in * kernel^2 multiply-adds; with bits, that many / 64 and one scaling in
    full precision, as XNOR-Net counts. These are operations; nothing is timed.

    >>> round(xnor_operation_ratio(256, 3), 2)
    62.27
    """
    n = c_in * kernel**2
    return 64 * n / (n + 64)
