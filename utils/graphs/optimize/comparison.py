"""Do two arrays agree? One comparison for every chapter that converts a network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """How far `got` lies from `ref`.

    ok: every element passes. max_abs, max_rel: largest |got - ref|, and largest |got - ref| / |ref| where ref is
    not 0; over pairs of which both are finite, 0.0 if there is none. min_cosine: smallest cosine between the
    samples (axis 0) over their finite pairs; two zero samples count 1.0, one zero sample 0.0. top1: share of the
    samples whose largest value stands at the same place (the first of equals; NaN counts as the largest).
    worst: index of the largest deviation, None for empty arrays. finite: `got` holds no NaN and no infinity.
    """

    ok: bool
    max_abs: float
    max_rel: float
    min_cosine: float
    top1: float
    worst: tuple[int, ...] | None
    finite: bool

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def compare_arrays(ref: Any, got: Any, rtol: float = 1e-3, atol: float = 1e-5) -> Comparison:
    """Compare `got` with the yardstick `ref`, element by element, in float64.

    An element passes if |got - ref| <= atol + rtol * |ref|, or if both are NaN, or the same infinity. `worst` is
    the first index, in C order, of the largest |got - ref|, where a pair that is not finite counts 0 if it passes
    and infinity if not. An array without axes, or with one, is a single sample.
    Raises ValueError when shape or kind of dtype (float, signed, unsigned, bool) differ, for numbers that are not
    real, and for a tolerance that is negative or not finite.

    >>> compare_arrays([1.0, 100.0, 0.0], [1.0005, 100.2, 1e-6]).worst
    (1,)
    """
    ref, got = np.asarray(ref), np.asarray(got)
    _refuse_unlike(ref, got, rtol, atol)
    ref, got = ref.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(ref) & np.isfinite(got)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(got - ref)  # NaN or inf where a pair is not finite: never read there
        within = distance <= atol + rtol * np.abs(ref)
        relative = distance[finite & (ref != 0)] / np.abs(ref[finite & (ref != 0)])
    same = (np.isnan(ref) & np.isnan(got)) | (ref == got)
    passes = np.where(finite, within, same)
    return Comparison(
        ok=bool(passes.all()),
        max_abs=float(distance[finite].max(initial=0.0)),
        max_rel=float(relative.max(initial=0.0)),
        min_cosine=_min_cosine(_samples(np.where(finite, ref, 0.0)), _samples(np.where(finite, got, 0.0))),
        top1=_top1(_samples(ref), _samples(got)),
        worst=_first_largest(np.where(finite, distance, np.where(passes, 0.0, np.inf))),
        finite=bool(np.isfinite(got).all()),
    )


def compare_outputs(ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> dict[str, Any]:
    """`compare_arrays` as a dict of four of its fields: ok, max_abs, max_rel, worst."""
    found = compare_arrays(ref, got, rtol, atol)
    return {"ok": found.ok, "max_abs": found.max_abs, "max_rel": found.max_rel, "worst": found.worst}


def _refuse_unlike(ref: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> None:
    if ref.shape != got.shape:
        raise ValueError(f"got must have the reference's shape {ref.shape}, got {got.shape}")
    if (kinds := (_kind(ref), _kind(got)))[0] != kinds[1] or kinds[0] not in ("f", "i", "u", "b"):
        raise ValueError(f"got must have a real dtype of the reference's kind ({ref.dtype}), got {got.dtype}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be at least 0 and finite, got {value}")


def _kind(array: np.ndarray) -> str:
    # bfloat16 and the 8-bit floats of ml_dtypes say kind "V"
    return "f" if array.dtype.name.startswith(("float", "bfloat")) else array.dtype.kind


def _samples(array: np.ndarray) -> np.ndarray:
    """(samples, values): axis 0 against all others; one sample when there is no second axis."""
    rows = len(array) if array.ndim > 1 else 1
    return array.reshape(rows, array.size // rows if rows else 0)


def _min_cosine(ref: np.ndarray, got: np.ndarray) -> float:
    if not ref.size:
        return 1.0
    ref, got = _scaled(ref), _scaled(got)
    lengths = np.linalg.norm(ref, axis=1), np.linalg.norm(got, axis=1)
    both, none = (lengths[0] > 0) & (lengths[1] > 0), (lengths[0] == 0) & (lengths[1] == 0)
    product = np.where(both, lengths[0] * lengths[1], 1.0)
    cosine = np.where(both, (ref * got).sum(axis=1) / product, np.where(none, 1.0, 0.0))
    return float(np.clip(cosine, -1.0, 1.0).min())


def _scaled(rows: np.ndarray) -> np.ndarray:
    """Rows with largest magnitude 1: squares of 1e200 would overflow, and the cosine does not change."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    return rows / np.where(largest > 0, largest, 1.0)


def _top1(ref: np.ndarray, got: np.ndarray) -> float:
    return float((ref.argmax(axis=1) == got.argmax(axis=1)).mean()) if ref.size else 1.0


def _first_largest(distance: np.ndarray) -> tuple[int, ...] | None:
    if not distance.size:
        return None
    return tuple(int(i) for i in np.unravel_index(distance.argmax(), distance.shape))
