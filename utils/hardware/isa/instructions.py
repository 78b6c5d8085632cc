"""INT8 dot-product instructions, emulated to the bit.

Integers wrap or saturate exactly as in hardware. Sources: Intel 64 and IA-32 Software Developer's Manual (PMADDUBSW,
VPDPBUSD, TDPBUSD) and the Arm Architecture Reference Manual for A-profile (SDOT, SMMLA).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class Instruction:
    """One instruction at its widest form: operand types, the width of its sums, multiply–accumulates it does."""

    name: str
    isa: str
    extension: str
    bits: int
    a_type: str
    b_type: str
    sum_bits: int
    macs: int


_ROWS = (
    Instruction("VPMADDUBSW", "x86-64", "AVX2", 256, "u8", "s8", 16, 32),
    Instruction("VPDPBUSD", "x86-64", "AVX-512 VNNI", 512, "u8", "s8", 32, 64),
    Instruction("TDPBUSD", "x86-64", "AMX", 8192, "u8", "s8", 32, 16 * 16 * 64),
    Instruction("SDOT", "AArch64", "NEON dot product", 128, "s8", "s8", 32, 16),
    Instruction("SMMLA", "AArch64", "NEON I8MM", 128, "s8", "s8", 32, 32),
)

INSTRUCTIONS: Mapping[str, Instruction] = MappingProxyType({row.name: row for row in _ROWS})


def saturate_i16(x: ArrayLike) -> np.ndarray:
    """Integers clamped to [-32768, 32767], as int16 of the same shape. Raises TypeError unless they are integers.

    >>> saturate_i16([64770, -40000, 5]).tolist()
    [32767, -32768, 5]
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iu":
        raise TypeError(f"x must have an integer dtype, got {x.dtype}")
    return np.clip(x, INT16.min, INT16.max).astype(np.int16)


def vpmaddubsw(a_u8: ArrayLike, b_s8: ArrayLike) -> np.ndarray:
    """Sums of neighbouring products, saturated to int16: (..., 2n) uint8 and int8 -> (..., n).

    What x86's VPMADDUBSW computes. Processors without VNNI build their INT8 products on it: 255 * 127 * 2 = 64,770
    does not fit. Raises TypeError "dtype uint8" or "dtype int8", ValueError "shape" for shapes that differ or an odd
    last axis.

    >>> vpmaddubsw(np.uint8([255, 255]), np.int8([127, 127])).tolist()
    [32767]
    """
    a, b = _typed("a_u8", a_u8, np.uint8), _typed("b_s8", b_s8, np.int8)
    if a.shape != b.shape or a.ndim == 0 or a.shape[-1] % 2:
        raise ValueError(f"a_u8 and b_s8 must have one shape with an even last axis, got {a.shape} and {b.shape}")
    products = a.astype(np.int32) * b.astype(np.int32)
    return saturate_i16(products[..., 0::2] + products[..., 1::2])


def vpmaddubsw_dot(a_u8: ArrayLike, b_s8: ArrayLike) -> int:
    """A whole dot product the AVX2 way: pair sums saturated to int16, then added in 32 bits.

    One-dimensional operands. Raises as `vpmaddubsw`.

    >>> vpmaddubsw_dot(np.uint8([255] * 4), np.int8([127] * 4))  # exact: 129,540
    65534
    """
    return int(_wrap_i32(vpmaddubsw(a_u8, b_s8).sum(dtype=np.int64)))


def vpdpbusd(acc_i32: ArrayLike, a_u8: ArrayLike, b_s8: ArrayLike) -> np.ndarray:
    """x86 VNNI: each int32 lane plus the sum of four products, (..., n) with (..., 4n) uint8 and int8.

    Nothing saturates; a sum beyond 32 bits wraps. Raises TypeError for dtypes, ValueError "multiple of 4" or "shape".
    """
    return _dot4(acc_i32, _typed("a_u8", a_u8, np.uint8), _typed("b_s8", b_s8, np.int8))


def sdot(acc_i32: ArrayLike, a_s8: ArrayLike, b_s8: ArrayLike) -> np.ndarray:
    """Arm's SDOT: as `vpdpbusd`, with both operands int8."""
    return _dot4(acc_i32, _typed("a_s8", a_s8, np.int8), _typed("b_s8", b_s8, np.int8))


def smmla(acc_i32: ArrayLike, a_s8: ArrayLike, b_s8: ArrayLike) -> np.ndarray:
    """Arm's SMMLA: acc + a bᵀ of two blocks of two rows with eight int8 each; acc is (..., 2, 2) int32.

    Raises TypeError for dtypes, ValueError "shape" for other shapes.
    """
    acc, a, b = _typed("acc_i32", acc_i32, np.int32), _typed("a_s8", a_s8, np.int8), _typed("b_s8", b_s8, np.int8)
    if a.shape[-2:] != (2, 8) or b.shape[-2:] != (2, 8) or acc.shape[-2:] != (2, 2):
        raise ValueError(f"a_s8, b_s8 and acc_i32 must have shapes (2, 8), (2, 8) and (2, 2), got {a.shape}, "
                         f"{b.shape}, {acc.shape}")
    return _wrap_i32(acc + a.astype(np.int64) @ np.swapaxes(b, -1, -2).astype(np.int64))


def tdpbusd(acc_i32: ArrayLike, a_u8: ArrayLike, b_s8: ArrayLike) -> np.ndarray:
    """x86 AMX: a 16 x 16 tile of int32 plus a tile of 16 x 64 uint8 times one of 64 x 16 int8.

    `b_s8` is stored four rows to a row, as the hardware wants it: shape (16, 64), b[k, 4n + j] is element (4k + j, n).
    Raises TypeError for dtypes, ValueError "shape".
    """
    acc, a, b = _typed("acc_i32", acc_i32, np.int32), _typed("a_u8", a_u8, np.uint8), _typed("b_s8", b_s8, np.int8)
    if a.shape != (16, 64) or b.shape != (16, 64) or acc.shape != (16, 16):
        raise ValueError(f"a_u8, b_s8 and acc_i32 must have shapes (16, 64), (16, 64) and (16, 16), got {a.shape}, "
                         f"{b.shape}, {acc.shape}")
    plain = b.reshape(16, 16, 4).transpose(0, 2, 1).reshape(64, 16)  # (k, n, j) -> (4k + j, n)
    return _wrap_i32(acc + a.astype(np.int64) @ plain.astype(np.int64))


def _dot4(acc: ArrayLike, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    acc = _typed("acc_i32", acc, np.int32)
    if a.ndim == 0 or a.shape[-1] % 4:
        raise ValueError(f"the last axis of a must be a multiple of 4, got shape {a.shape}")
    if a.shape != b.shape or acc.shape != (*a.shape[:-1], a.shape[-1] // 4):
        raise ValueError(f"a and b must have one shape and acc a quarter of it, got {a.shape}, {b.shape}, {acc.shape}")
    products = a.astype(np.int64) * b.astype(np.int64)
    return _wrap_i32(acc + products.reshape(*acc.shape, 4).sum(-1))


def _typed(name: str, x: ArrayLike, dtype: type) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype != dtype:
        raise TypeError(f"{name} must have dtype {np.dtype(dtype)}, got {x.dtype}")
    return x


def _wrap_i32(x: np.ndarray) -> np.ndarray:
    """int64 values as the low 32 bits show them: overflow wraps around."""
    return np.asarray(x, np.int64).astype(np.int32)
