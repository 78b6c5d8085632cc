"""How much a tensor suffers from a number format: signal-to-noise ratios, and which of two grids fits better."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from utils.numerics.formats import FORMATS, decode, encode, overflows, round_to_format

INT8_MAX = 127  # of the symmetric range [-127, 127]


def sqnr_db(ref: ArrayLike, got: ArrayLike) -> float:
    """Signal-to-quantization-noise ratio 10 log10(sum ref^2 / sum (got - ref)^2) in dB, in float64.

    inf when the two are equal, -inf when `got` holds an infinity that `ref` does not. Raises ValueError for
    shapes that differ, and "zero signal" when `ref` is all zeros or empty but `got` is not equal to it.

    >>> sqnr_db([10.0, 0.0], [9.0, 0.0])
    20.0
    """
    ref, got = np.asarray(ref, dtype=np.float64), np.asarray(got, dtype=np.float64)
    if ref.shape != got.shape:
        raise ValueError(f"got must have the shape of ref, {ref.shape}, got {got.shape}")
    if np.array_equal(ref, got):
        return math.inf
    signal, noise = float(np.sum(ref**2)), float(np.sum((got - ref) ** 2))
    if signal == 0:
        raise ValueError("ref must not be zero signal, got only zeros")
    return -math.inf if math.isinf(noise) else 10 * math.log10(signal / noise)


def crest_factor_db(x: ArrayLike) -> float:
    """20 log10(max|x| / rms) in dB: 0 for a constant, 4.8 for a uniform distribution, large with outliers.

    Raises ValueError "zero signal" when all values are zero or there are none.
    """
    x = np.abs(np.asarray(x, dtype=np.float64))
    if not x.any():
        raise ValueError("x must not be zero signal, got only zeros")
    return 20 * math.log10(float(x.max()) / math.sqrt(float(np.mean(x**2))))


def predicted_int8_sqnr_db(crest_db: float) -> float:
    """SQNR of symmetric per-tensor INT8: errors uniform over a step max|x|/127 have the power step^2 / 12.

    >>> round(predicted_int8_sqnr_db(0.0), 2)
    52.87
    """
    return 10 * math.log10(12) + 20 * math.log10(INT8_MAX) - crest_db


def absmax_scale(x: ArrayLike, fmt_name: str) -> float:
    """The scale that puts max|x| on the largest value of the format: 127 for "int8"; 1.0 if all are zero.

    Raises KeyError for an unknown format, ValueError for an empty `x`.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.size == 0:
        raise ValueError("x must not be empty, got no values")
    largest = INT8_MAX if fmt_name == "int8" else FORMATS[fmt_name].max_finite
    return float(np.abs(x).max()) / largest or 1.0


def round_scaled(x: ArrayLike, fmt_name: str, scale: float) -> np.ndarray:
    """`x` as scale * (a value of the format), rounded to nearest even and saturated: float64 of x's shape.

    `fmt_name` is a key of FORMATS or "int8" (integers in [-127, 127]).
    """
    x = np.asarray(x, dtype=np.float64)
    if fmt_name == "int8":
        return np.clip(np.rint(x / scale), -INT8_MAX, INT8_MAX) * scale
    return round_to_format(x / scale, FORMATS[fmt_name], saturate=True) * scale


def pick_8bit(x: ArrayLike) -> tuple[str, float, float]:
    """(winner, SQNR of INT8, SQNR of E4M3) in dB, each with max|x| scaled to its largest value, 127 and 448.

    The winner is "int8" or "e4m3"; equal values count as "int8". Raises ValueError unless `x` is finite and
    not all zero.

    >>> winner, int8_db, e4m3_db = pick_8bit([3.0, -2.9, 2.0, -1.7, 1.1])
    >>> winner, round(int8_db, 3), round(e4m3_db, 3)
    ('int8', 51.105, 31.993)
    """
    x = np.asarray(x, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"x must be finite, got {np.count_nonzero(~np.isfinite(x))} other values")
    if not x.any():
        raise ValueError("x must not be zero signal, got only zeros")
    int8_db, e4m3_db = (sqnr_db(x, round_scaled(x, name, absmax_scale(x, name))) for name in ("int8", "e4m3"))
    return ("int8" if int8_db >= e4m3_db else "e4m3"), int8_db, e4m3_db


def compare_formats(x: ArrayLike, names: Sequence[str]) -> list[dict[str, object]]:
    """One row a format: name, bytes, max_abs_error, sqnr_db, overflows (how many values became inf or NaN).

    Floats are cast without a scale, so that an overflow shows as an infinite error and -inf dB; "int8" has its
    absmax scale, whose 4 bytes are counted. Bytes are those in memory: TF32 takes 4 an element, E2M1 half a
    byte. Raises KeyError for an unknown format, ValueError unless `x` is finite and not empty.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"x must be finite and not empty, got {np.isfinite(x).sum()} finite of {x.size}")
    rows: list[dict[str, object]] = []
    for name in names:
        if name == "int8":
            x_hat, lost, n_bytes = round_scaled(x, name, absmax_scale(x, name)), np.zeros(x.shape, bool), x.size + 4
        else:
            fmt = FORMATS[name]
            lost = overflows(x, fmt)
            x_hat = np.where(lost, np.inf, round_to_format(x, fmt))
            n_bytes = math.ceil(x.size * fmt.storage_bits / 8)
        rows.append({"name": name, "bytes": n_bytes, "max_abs_error": float(np.abs(x_hat - x).max()),
                     "sqnr_db": sqnr_db(x, x_hat), "overflows": int(lost.sum())})
    return rows


# Bin borders of the ruler in binades below max|x|; max|x| lies inside the last bin.
_BINADES = np.arange(-23.75, 0.5, 0.5)


def _values_below(t: np.ndarray, fmt_name: str, scale: float) -> np.ndarray:
    """How many positive values of the scaled grid lie below each positive t."""
    if fmt_name == "int8":
        return np.minimum(np.ceil(t / scale) - 1, INT8_MAX)
    fmt = FORMATS[fmt_name]
    word = encode(t / scale, fmt, "rtz", saturate=True).astype(np.int64)
    return word - (decode(word, fmt) >= t / scale)  # words 1 ... word are positive values in ascending order


def ruler_data(fmt_a: str, fmt_b: str, x: ArrayLike) -> dict[str, np.ndarray]:
    """Where the values of two formats lie around the values of `x`, and the errors that `x` suffers in each.

    Formats are keys of FORMATS or "int8"; those of at most 8 bits get their absmax scale, wider ones are cast
    and saturate.
    Keys: `edges` (98,), ascending half binades mirrored around one bin that holds 0, `x_counts`;
    for each of a and b `density_*` (values of the format a bin), `scale_*`, `sqnr_db_*`; `error_edges` and
    `error_counts_*`, a histogram of x_hat - x over the larger of the two errors. Everything is an array,
    single numbers are 0-d. Raises KeyError for an unknown format, ValueError unless `x` is finite and not all zero.
    """
    x = np.asarray(x, dtype=np.float64).ravel()
    if not np.isfinite(x).all() or not x.any():
        raise ValueError(f"x must be finite and not all zero, got {np.isfinite(x).sum()} finite of {x.size}")
    borders = np.abs(x).max() * 2.0**_BINADES
    edges = np.concatenate([-borders[::-1], borders])
    data: dict[str, np.ndarray] = {"edges": edges, "x_counts": np.histogram(x, edges)[0]}
    errors = {}
    for side, name in (("a", fmt_a), ("b", fmt_b)):
        scale = absmax_scale(x, name) if name == "int8" or FORMATS[name].bits <= 8 else 1.0
        below = _values_below(borders, name, scale)
        bins = np.diff(below)
        data[f"density_{side}"] = np.concatenate([bins[::-1], [2 * below[0] + 1], bins])
        data[f"scale_{side}"] = np.asarray(scale)
        x_hat = round_scaled(x, name, scale)
        data[f"sqnr_db_{side}"] = np.asarray(sqnr_db(x, x_hat))
        errors[side] = x_hat - x
    widest = max(float(np.abs(e).max()) for e in errors.values()) or 1.0
    data["error_edges"] = np.linspace(-widest, widest, 82)
    for side, e in errors.items():
        data[f"error_counts_{side}"] = np.histogram(e, data["error_edges"])[0]
    return data
