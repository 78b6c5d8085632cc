"""Exercise 48.queries_needed: how many queries a percentile needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import scipy.special  # here and not where it is used: its import must not count as an answer's time

from utils.cost import tail

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _formula(count: Callable[[float, float, float], float], *, check: bool = True) -> Callable[[float, float, float], int]:
    """An answer from a formula of (percentile, margin, confidence), rounded to the nearest integer."""

    def answer(percentile: float, margin: float, confidence: float) -> int:
        if check and not all(0 < x < 1 for x in (percentile, margin, confidence)):
            raise ValueError("all three must lie between 0 and 1")
        return round(count(percentile, margin, confidence))

    return answer


def _wrong(*formulas: Callable[[float, float, float], float]) -> dict:
    """`answer` and `also` of a misconception: each formula with and without the refusals."""
    first, *others = [_formula(f, check=check) for check in (True, False) for f in formulas]
    return {"answer": first, "also": tuple(others)}


def _not_rounded(percentile: float, margin: float, confidence: float) -> float:
    return _z(confidence) ** 2 * percentile * (1 - percentile) / margin**2


def _not_rounded_checked(percentile: float, margin: float, confidence: float) -> float:
    _checked(percentile, margin, confidence)
    return _not_rounded(percentile, margin, confidence)


def _checked(percentile: float, margin: float, confidence: float) -> None:
    for value in (percentile, margin, confidence):
        if value <= 0 or value >= 1:
            raise ValueError(f"a fraction between 0 and 1, not {value}")


def _with_scipy(percentile: float, margin: float, confidence: float) -> int:
    _checked(percentile, margin, confidence)
    z = float(scipy.special.ndtri(1 - (1 - confidence) / 2))
    return int(np.rint(percentile * (1 - percentile) * (z / margin) ** 2))


def _with_chi_square(percentile: float, margin: float, confidence: float) -> int:
    """z squared is a quantile of chi-square with one degree of freedom."""
    _checked(percentile, margin, confidence)
    z2 = scipy.special.chdtri(1, 1 - confidence)
    return round(float(z2) * percentile * (1 - percentile) / margin / margin)


def _with_erfinv(percentile: float, margin: float, confidence: float) -> int:
    _checked(percentile, margin, confidence)
    z = math.sqrt(2) * float(scipy.special.erfinv(confidence))
    standard_error = margin / z
    return int(percentile * (1 - percentile) / standard_error**2 + 0.5)


def _draw(rng: np.random.Generator) -> Case:
    """Stays away from halves, where the last bit of z decides."""
    while True:
        p = float(rng.choice([0.5, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999]))
        margin = round((1 - p) / float(rng.choice([3, 5, 10, 20, 40])), 7)
        confidence = float(rng.choice([0.8, 0.9, 0.95, 0.98, 0.99, 0.999]))
        exact_count = _z(confidence) ** 2 * p * (1 - p) / margin**2
        if abs(exact_count % 1 - 0.5) > 0.01 and abs(exact_count % 1) > 1e-4:
            return Case(p, margin, confidence)


queries_needed = Exercise(
    id="48.queries_needed", points=3, difficulty=2, minutes=10, idea="a tail needs far more samples than a mean",
    reference=tail.queries_needed,
    cases=[Case(0.99, 0.0005, 0.99), Case(0.9, 0.005, 0.99)],
    hidden=[Case(0.95, 0.0025, 0.99), Case(0.97, 0.0015, 0.99), Case(0.99, 0.0005, 0.95), Case(0.999, 0.00005, 0.99),
            Case(0.5, 0.01, 0.95), Case(0.5, 0.2, 0.9), Case(0.25, 0.05, 0.8)],
    draw=_draw, draws=30,
    raises=[Case(0, 0.01, 0.99), Case(1, 0.01, 0.99), Case(99, 0.05, 0.99), Case(-0.5, 0.01, 0.99), Case(0.99, 0, 0.99), Case(0.99, 1, 0.99),
            Case(0.99, -0.01, 0.99), Case(0.99, 0.5, 0), Case(0.99, 0.0005, 1), Case(0.99, 0.0005, 1.5), Case(0.99, 0.0005, -0.2),
            Case(0.99, 5, 0.99)],
    compare=exact(),
    misconceptions=[
        Misconception(
            "one_sided", **_wrong(lambda p, m, c: NormalDist().inv_cdf(c) ** 2 * p * (1 - p) / m**2),
            message="Your z leaves the whole error on one side: 2.326 for 99 %. The margin reaches to both sides, so half of the error "
                    "lies above and half below. Which quantile of the normal distribution is that?",
            title="The interval has two sides."),
        Misconception(
            "hundred_in_the_tail", **_wrong(lambda p, m, c: 100 / (1 - p), lambda p, m, c: 1 / (1 - p), lambda p, m, c: 10 / (1 - p)),
            message="You ask for a fixed number of samples beyond the percentile. That rule knows neither a margin nor a confidence. "
                    "Start from the standard deviation of a share of n samples.",
            title="A rule of thumb."),
        Misconception(
            "no_variance", **_wrong(lambda p, m, c: _z(c) ** 2 * p / m**2, lambda p, m, c: _z(c) ** 2 / m**2,
                                    lambda p, m, c: _z(c) ** 2 * (1 - p) / m**2),
            message="The variance of one yes-or-no sample is p(1 − p), and one of its factors is missing. It makes extreme "
                    "percentiles steadier than the median at an equal margin.",
            title="The variance is not p(1 − p)."),
        Misconception(
            "worst_case", **_wrong(lambda p, m, c: _z(c) ** 2 * 0.25 / m**2),
            message="You used the variance 1/4, which is that of p = 0.5. Polls do that when p is not known. Here the percentile "
                    "says what p is.",
            title="p(1 − p) was replaced by 1/4."),
        Misconception(
            "margin_not_squared", **_wrong(lambda p, m, c: _z(c) ** 2 * p * (1 - p) / m),
            message="The error of a share falls with the square root of n. Half the margin needs four times the samples: "
                    "the margin enters squared.",
            title="Half the margin, twice the samples."),
        Misconception(
            "z_not_squared", **_wrong(lambda p, m, c: _z(c) * p * (1 - p) / m**2, lambda p, m, c: (_z(c) * math.sqrt(p * (1 - p)) / m),
                                      lambda p, m, c: _z(c) * math.sqrt(p * (1 - p)) / m**2),
            message="Solve margin = z · sqrt(p(1 − p)/n) for n again. Everything beside n is squared, z as well.",
            title="Not everything was squared."),
        Misconception(
            "relative_margin", **_wrong(lambda p, m, c: _z(c) ** 2 * p * (1 - p) / (m * (1 - p)) ** 2, lambda p, m, c: _z(c) ** 2 * p * (1 - p) / (m * p) ** 2),
            message="You took the margin as a share of the tail or of the percentile. It is absolute: 0.0005 around 0.99 means from "
                    "0.9895 to 0.9905.",
            title="The margin is absolute."),
        Misconception(
            "confidence_as_z_level", **_wrong(lambda p, m, c: NormalDist().inv_cdf(1 - (1 - c) / 4) ** 2 * p * (1 - p) / m**2),
            message="You halved the error twice. 99 % confidence leaves 1 % outside, 0.5 % on each side.",
            title="Halved once too often."),
        Misconception(
            "not_the_nearest", _formula(lambda p, m, c: math.ceil(_not_rounded(p, m, c))),
            "The number is right but for its rounding. Asked is the nearest integer, as in MLPerf's table.",
            "Round to the nearest.",
            also=(_formula(lambda p, m, c: math.ceil(_not_rounded(p, m, c)), check=False),
                  _formula(lambda p, m, c: math.floor(_not_rounded(p, m, c))),
                  _formula(lambda p, m, c: math.floor(_not_rounded(p, m, c)), check=False), _not_rounded_checked, _not_rounded)),
    ],
    alternatives=[_with_scipy, _with_chi_square, _with_erfinv],
    hints=(
        "Of n samples, the share below the true percentile p has the standard deviation sqrt(p(1 − p)/n).",
        "The margin is z of these standard deviations. Solve for n.",
        "`statistics.NormalDist().inv_cdf((1 + confidence) / 2)` is the two-sided z: about 2.5758 for 99 %.",
    ),
    worth_knowing="MLPerf Inference v0.5 rounded such counts up to multiples of 8,192: 270,336 queries for p99.",
)
