"""Small integers without a scale: exact products with a 32-bit accumulator, two 4-bit values in a byte."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

INT32 = np.iinfo(np.int32)


def max_safe_k(a_bits: int, b_bits: int, a_signed: bool, b_signed: bool, acc_bits: int = 32) -> int:
    """Longest sum of products that no operands of these types can push beyond a signed accumulator.

    Zero points are not counted in. Raises ValueError unless the numbers of bits are positive.

    >>> max_safe_k(8, 8, True, True), max_safe_k(8, 8, False, True), max_safe_k(8, 8, False, False)
    (131071, 65793, 33025)
    """
    if min(a_bits, b_bits, acc_bits) < 1:
        raise ValueError(f"a_bits, b_bits and acc_bits must be positive, got {a_bits}, {b_bits}, {acc_bits}")
    a_max, b_max = (2 ** (bits - 1) if signed else 2**bits - 1
                    for bits, signed in ((a_bits, a_signed), (b_bits, b_signed)))
    return (2 ** (acc_bits - 1) - 1) // (a_max * b_max)


def _is_signed(matrix: np.ndarray, name: str) -> bool:
    if matrix.dtype not in (np.int8, np.uint8):
        raise TypeError(f"{name} must have dtype int8 or uint8, got {matrix.dtype}")
    return matrix.dtype == np.int8


def int_matmul(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    """(a_q - a_zero) @ (b_q - b_zero) as int32, without subtracting the zero points from the operands.

    a_q (m, k) and b_q (k, n) are int8 or uint8; A @ B - z_a colsum(B) - z_b rowsum(A) + k z_a z_b is ONNX's
    MatMulInteger. Raises TypeError for other dtypes, ValueError for inner dimensions that differ, OverflowError
    when k exceeds `max_safe_k` or a result does not fit 32 bits.

    >>> int_matmul(np.int8([[10, 20]]), np.int8([[1], [-2]]), 5, 1).tolist()
    [[-45]]
    """
    a_q, b_q = np.asarray(a_q), np.asarray(b_q)
    if a_q.ndim != 2 or b_q.ndim != 2 or a_q.shape[1] != b_q.shape[0]:
        raise ValueError(f"a_q and b_q must be matrices with equal inner dimensions, got {a_q.shape}, {b_q.shape}")
    k, limit = a_q.shape[1], max_safe_k(8, 8, _is_signed(a_q, "a_q"), _is_signed(b_q, "b_q"))
    if k > limit:
        raise OverflowError(f"the inner dimension must be at most {limit} for an int32 accumulator, got {k}")
    acc = a_q.astype(np.int32) @ b_q.astype(np.int32)  # (m, n)
    rows = a_q.sum(axis=1, dtype=np.int64)[:, None]  # (m, 1)
    columns = b_q.sum(axis=0, dtype=np.int64)[None]  # (1, n)
    a_zero, b_zero = int(a_zero), int(b_zero)
    exact = acc - a_zero * columns - b_zero * rows + k * a_zero * b_zero  # int64
    if exact.size and (exact.min() < INT32.min or exact.max() > INT32.max):
        raise OverflowError(f"the product must fit int32, got values from {exact.min()} to {exact.max()}")
    return exact.astype(np.int32)


def pack_int4(values: ArrayLike) -> np.ndarray:
    """Signed 4-bit values, flattened, as uint8: first value in the low nibble, two's complement, 0 as padding.

    The layout of ONNX's INT4. Raises TypeError unless they are integers, ValueError outside [-8, 7].

    >>> pack_int4([1, -8, 7, -1, 3]).tobytes().hex()
    '81f703'
    """
    flat = np.ravel(values)
    if flat.size == 0:
        return np.zeros(0, np.uint8)
    if flat.dtype.kind not in "iu":
        raise TypeError(f"values must be integers, got {flat.dtype}")
    if flat.min() < -8 or flat.max() > 7:
        raise ValueError(f"values must be in [-8, 7], got {flat.min()} to {flat.max()}")
    nibbles = (np.append(flat, [0] * (flat.size % 2)).astype(np.int64) & 15).astype(np.uint8)
    return nibbles[0::2] | nibbles[1::2] << 4


def unpack_int4(data: np.ndarray, n: int, *, signed: bool = True) -> np.ndarray:
    """The first `n` 4-bit values of packed bytes: int8 in [-8, 7], or uint8 in [0, 15] when not `signed`.

    Raises TypeError unless `data` is uint8, ValueError when it holds fewer than `n` values.
    """
    data = np.asarray(data)
    if data.dtype != np.uint8:
        raise TypeError(f"data must have dtype uint8, got {data.dtype}")
    if not 0 <= n <= 2 * data.size:
        raise ValueError(f"n must be in [0, {2 * data.size}] for {data.size} bytes, got {n}")
    nibbles = np.stack([data.ravel() & 15, data.ravel() >> 4], axis=1).ravel()[:n]
    return ((nibbles ^ 8).astype(np.int8) - np.int8(8)) if signed else nibbles
