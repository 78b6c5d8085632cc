"""Integer matrix products as the libraries build them from the instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from utils.hardware.isa.instructions import smmla, vpdpbusd, vpmaddubsw, vpmaddubsw_dot

X86 = Literal["avx2", "vnni"]
OFFSET = 128  # what takes int8 to uint8


def gemm_u8s8(a: np.ndarray, b: np.ndarray, isa: X86) -> np.ndarray:
    """(m, k) uint8 times (k, n) int8 as int32: VPMADDUBSW pairs for "avx2", VPDPBUSD groups for "vnni".

    K is padded with zeros to whole groups. Raises TypeError for dtypes, ValueError "shape" or for another `isa`.
    """
    group = {"avx2": 2, "vnni": 4}.get(isa)
    if group is None:
        raise ValueError(f"isa must be 'avx2' or 'vnni', got {isa!r}")
    a, b = _matrices(a, b)
    a, b = _padded(a, 1, group), _padded(b, 0, group)
    acc = np.zeros((a.shape[0], b.shape[1]), np.int32)
    for k in range(0, a.shape[1], group):
        left, right = np.broadcast_arrays(a[:, None, k : k + group], b[k : k + group].T[None])  # (m, n, group)
        if isa == "avx2":
            acc += vpmaddubsw(left, right)[..., 0]
        else:
            acc = vpdpbusd(acc[..., None], left, right)[..., 0]
    return acc


def s8_gemm_on_x86(a_s8: np.ndarray, b_s8: np.ndarray,
                    u8s8: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """int8 product (m, k) x (k, n) -> int32 by one call of `u8s8`, which multiplies uint8 by int8.

    The left side is shifted by 128, and 128 times the column sums of `b_s8` are taken off again (the compensation).
    """
    shifted = (a_s8.astype(np.int16) + OFFSET).astype(np.uint8)
    return u8s8(shifted, b_s8) - OFFSET * b_s8.sum(axis=0, dtype=np.int32)


def gemm_s8s8_x86(a: np.ndarray, b: np.ndarray, isa: X86 = "vnni") -> np.ndarray:
    """int8 by int8 on instructions that want uint8 on the left: `s8_gemm_on_x86` over `gemm_u8s8`."""
    return s8_gemm_on_x86(a, b, lambda left, right: gemm_u8s8(left, right, isa))


def smmla_gemm(a_s8: np.ndarray, b_s8: np.ndarray) -> tuple[np.ndarray, int]:
    """int8 product (m, k) x (k, n) by SMMLA tiles: the int32 result and the number of instructions.

    A tile is two rows of eight from `a_s8` and two columns of eight from `b_s8`; edges are padded with zeros.
    Raises TypeError for dtypes, ValueError "shape".

    >>> smmla_gemm(np.ones((4, 16), np.int8), np.ones((16, 6), np.int8))[1]
    12
    """
    a_s8, b_s8 = _matrices(a_s8, b_s8, np.int8)
    (m, _), n = a_s8.shape, b_s8.shape[1]
    a = _padded(_padded(a_s8, 0, 2), 1, 8)
    bt = _padded(_padded(b_s8.T, 0, 2), 1, 8)  # rows of bᵀ are columns of b
    out, count = np.zeros((a.shape[0], bt.shape[0]), np.int32), 0
    for i in range(0, a.shape[0], 2):
        for j in range(0, bt.shape[0], 2):
            for k in range(0, a.shape[1], 8):
                tile = out[i : i + 2, j : j + 2]
                out[i : i + 2, j : j + 2] = smmla(tile, a[i : i + 2, k : k + 8], bt[j : j + 2, k : k + 8])
                count += 1
    return out[:m, :n], count


def avx2_dot(a: np.ndarray, b: np.ndarray) -> int:
    """Dot product of uint8 and int8 as AVX2 computes it: pairs saturate at 16 bits.

    Raises ValueError "even" for an odd length, and as `vpmaddubsw_dot`.
    """
    return vpmaddubsw_dot(a, b)


def _matrices(a: np.ndarray, b: np.ndarray, left: type = np.uint8) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a), np.asarray(b)
    for name, x, dtype in (("a", a, left), ("b", b, np.int8)):
        if x.dtype != dtype:
            raise TypeError(f"{name} must have dtype {np.dtype(dtype)}, got {x.dtype}")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"a and b must have shapes (m, k) and (k, n), got {a.shape} and {b.shape}")
    return a, b


def _padded(x: np.ndarray, axis: int, multiple: int) -> np.ndarray:
    """`x` with zeros at the end of `axis`, up to a multiple."""
    missing = -x.shape[axis] % multiple
    return np.pad(x, [(0, missing if i == axis else 0) for i in range(x.ndim)])
