"""Parity: does the converted network still give the reference's outputs? It needs no labels, and it finds the hop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from utils.numerics.noise import sqnr_db


@dataclass(frozen=True)
class ParityReport:
    """How far two outputs (N, C) are apart. The numbers are NaN when `nonfinite` values of `got` is above 0.

    max_abs: largest |ref - got|. min_cosine: smallest cosine of two rows (two zero rows 1.0, one 0.0). sqnr_db:
    10 log10 of the reference's power over the error's (inf if equal). top1_agreement: share of rows whose largest value
    stands at the same place, the first of equals.
    """

    max_abs: float
    min_cosine: float
    sqnr_db: float
    top1_agreement: float
    nonfinite: int

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def parity(ref: np.ndarray, got: np.ndarray) -> ParityReport:
    """Compare `got` with the yardstick `ref`, both (N, C), in float64 whatever their dtype.

    Raises ValueError when the shapes differ, are not (N, C), or a value of `ref` is not finite.

    >>> parity(np.array([[1., 2, 3], [0, 0, 5]]), np.array([[1., 2, 2.5], [0, 1, 5]])).top1_agreement
    1.0
    """
    ref, got = np.asarray(ref), np.asarray(got)
    if ref.shape != got.shape or ref.ndim != 2 or not ref.size:
        raise ValueError(f"ref and got must have one shape (N, C), got {ref.shape} and {got.shape}")
    ref, got = ref.astype(np.float64), got.astype(np.float64)
    if not np.isfinite(ref).all():
        raise ValueError("ref must be finite, got NaN or infinity")
    nonfinite = int((~np.isfinite(got)).sum())
    if nonfinite:
        return ParityReport(np.nan, np.nan, np.nan, np.nan, nonfinite)
    from utils.graphs.optimize.comparison import compare_arrays

    found = compare_arrays(ref, got)
    silent = not ref.any() and got.any()  # no signal, only noise
    return ParityReport(found.max_abs, found.min_cosine, float("-inf") if silent else sqnr_db(ref, got), found.top1, 0)


def parity_report(ref: np.ndarray, got: np.ndarray) -> dict:
    """`parity` as a dict: max_abs, min_cosine, sqnr_db, top1_agreement, and finite (whether all of `got` is)."""
    report = parity(ref, got).as_dict()
    finite = report.pop("nonfinite") == 0
    return {**report, "finite": finite}


@dataclass(frozen=True)
class Tolerance:
    """Limits of a hop; None sets no limit. They depend on what the hop does: FP32 to FP32 is near, INT8 is not."""

    max_abs: float | None = None
    min_cosine: float | None = None
    min_sqnr_db: float | None = None
    min_top1: float | None = None


def accept(report: ParityReport, tolerance: Tolerance) -> list[str]:
    """The limits that a report breaks, a sentence each; values that are not finite break every contract."""
    if report.nonfinite:
        return [f"{report.nonfinite} values are not finite"]
    rules = (("largest difference", report.max_abs, tolerance.max_abs, 1),
             ("smallest cosine", report.min_cosine, tolerance.min_cosine, -1),
             ("SQNR in dB", report.sqnr_db, tolerance.min_sqnr_db, -1),
             ("top-1 agreement", report.top1_agreement, tolerance.min_top1, -1))
    return [f"{name} {value:.4g}, {'at most' if sign > 0 else 'at least'} {limit:g} allowed"
            for name, value, limit, sign in rules if limit is not None and sign * value > sign * limit]


def first_divergence(ref_outputs: Mapping[str, np.ndarray], got_outputs: Mapping[str, np.ndarray], order: Sequence[str],
                     tolerance: float) -> str | None:
    """The first tensor in `order` (the graph's) that is not the reference's within `tolerance`; None if all are.

    An element may be off by tolerance * (the tensor's largest reference magnitude). A different shape, a missing tensor
    and NaN are divergences too. Everything behind the first one is a consequence. `expose_outputs` of
    utils.graphs.onnx_tools makes the tensors between the nodes readable. Raises KeyError for a name that the reference
    does not have.
    """
    for name in order:
        ref = np.asarray(ref_outputs[name], np.float64)
        got = np.asarray(got_outputs[name], np.float64) if name in got_outputs else None
        if got is None or got.shape != ref.shape:
            return name
        allowed = tolerance * float(np.abs(ref).max(initial=0.0))
        if not bool((np.abs(got - ref) <= allowed).all()):
            return name
    return None


def sine_sqnr_db(bits: int) -> float:
    """SQNR in dB of uniform quantisation to `bits` bits of a sine that fills the range: 6.02 b + 1.76."""
    return float(10 * np.log10(1.5 * 4.0**bits))
