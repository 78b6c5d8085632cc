"""Which 16-bit format is finer where, sums in low precision, and what underflows."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics.formats import BF16, E2M1, E4M3, FP16, FP32, TF32, round_to_format
from utils.numerics.precision import (
    accumulate,
    double_rounding_example,
    finer_format,
    format_risk,
    fp16_risk,
    precision_winner,
    underflow_fraction,
)

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("x, winner", [
    (0.1, "fp16"), (1e-5, "tie"), (3e-6, "bf16"), (70000.0, "bf16"), (0.5, "tie"), (0.0, "tie"), (65519.0, "fp16"),
    (65520.0, "bf16"), (3.4e38, "tie"), (-0.1, "fp16"), (-123456.0, "bf16"), (1e-45, "tie"),
])
def test_known_winners(x, winner):
    assert precision_winner(x) == finer_format(x) == winner


@given(float32s)
def test_the_ranking_flips_at_two_to_the_minus_17(x):
    winner = precision_winner(x)
    assert winner == precision_winner(-x)
    if 2.0**-17 <= abs(x) <= 65504:
        assert winner != "bf16"
    if abs(x) < 2.0**-17:
        assert winner != "fp16"


@given(st.floats(2.0**-14, 65504, width=32))
def test_the_winner_has_the_smaller_error(x):
    fp16, bf16 = (abs(Fraction(float(round_to_format(x, fmt))) - Fraction(x)) for fmt in (FP16, BF16))
    assert precision_winner(x) == ("tie" if fp16 == bf16 else "fp16")
    assert fp16 <= bf16


@pytest.mark.parametrize("exponent", [-17, -16, -15, -14, 0, 15])
def test_largest_errors_differ_by_the_ratio_of_the_steps(exponent):
    ratio = {-17: 1, -16: 2, -15: 4}.get(exponent, 8)
    tie = 2.0**exponent * (1 + 2.0**-8)  # halfway between two BF16 values
    assert abs(float(round_to_format(tie, BF16)) - tie) == 2.0 ** (exponent - 8)
    tie16 = 2.0**exponent * (1 + 2.0**-8 / ratio)
    assert abs(float(round_to_format(tie16, FP16)) - tie16) == 2.0 ** (exponent - 8) / ratio


def test_winner_wants_a_finite_number():
    for x in (np.inf, np.nan):
        with pytest.raises(ValueError, match="finite"):
            precision_winner(x)


@pytest.mark.parametrize("fmt", [BF16, FP16, TF32, E4M3, E2M1], ids=lambda f: f.name)
def test_rounding_twice_can_differ(fmt):
    x = double_rounding_example(fmt)
    once, twice = float(round_to_format(x, fmt)), float(round_to_format(float(np.float32(x)), fmt))
    assert (once, twice) == (1 + fmt.eps, 1.0)


def test_no_double_rounding_example_for_fp32_itself():
    with pytest.raises(ValueError, match="narrower than FP32"):
        double_rounding_example(FP32)


def test_sums_of_ones():
    ones = np.ones(3000)
    assert accumulate(ones, FP16) == 2048
    assert accumulate(ones, BF16) == 256
    assert accumulate([2.0**24, 1.0, 1.0, 1.0], FP32) == 2**24
    assert accumulate(ones, FP16, "fp32") == 3000
    assert accumulate(ones, BF16, "fp32") == 3008  # 3000 is rounded once, at the end
    assert accumulate(np.ones(4096), FP16, "pairwise") == 4096
    for order in ("sequential", "pairwise", "fp32"):
        assert accumulate([], FP16, order) == 0
        assert accumulate([0.1], FP16, order) == float(np.float16(0.1))


def test_sequential_fp16_sum_is_numpys():
    """NumPy adds float16 in float32 and rounds: 24 >= 2 * 11 + 2 bits, so that is one rounding."""
    x = np.random.default_rng(7).standard_normal(500).astype(np.float16)
    total = np.float16(0)
    for term in x:
        total = np.float16(total + term)
    assert accumulate(x, FP16) == float(total)
    assert accumulate(x, BF16, "fp32") == float(round_to_format(
        np.add.accumulate(round_to_format(x, BF16).astype(np.float32))[-1], BF16))


def test_pairwise_is_a_tree_of_neighbours():
    x = [2048.0, 1.0, 1.0, 1.0, 1.0]
    # (2048 + 1 -> 2048) + (1 + 1) = 2050, then + 1 = 2051, a tie between 2050 and 2052: to the even word of 2052.
    assert accumulate(x, FP16, "pairwise") == 2052
    assert accumulate(x, FP16) == 2048


def test_errors_of_sums_stay_below_the_bounds():
    """Higham, Accuracy and Stability of Numerical Algorithms, section 4.2: n u sum|x|, and log2(n) u sum|x|."""
    x = np.abs(round_to_format(np.random.default_rng(8).standard_normal(1024), FP16))
    exact, u = float(np.sum(x)), FP16.eps / 2
    assert abs(accumulate(x, FP16) - exact) <= 1.1 * 1024 * u * exact
    assert abs(accumulate(x, FP16, "pairwise") - exact) <= 1.1 * 10 * u * exact


def test_unknown_order():
    with pytest.raises(ValueError, match="order"):
        accumulate([1.0], FP16, "random")


def test_fp16_risk_at_the_borders():
    tie = 2.0**-25
    above = np.nextafter(tie, 1)
    assert fp16_risk([0.0, 1e-8, 3e-8, 1e-5, 1.0, 65504, 65520, 1e6]) == {
        "overflow": 0.25, "underflow": 0.125, "subnormal": 0.25}
    assert fp16_risk([65519.99, -65520.0, np.inf, -np.inf]) == {"overflow": 0.75, "underflow": 0, "subnormal": 0}
    assert fp16_risk([tie, -tie, above, 2.0**-14]) == {"overflow": 0, "underflow": 0.5, "subnormal": 0.25}
    assert fp16_risk([]) == {"overflow": 0, "underflow": 0, "subnormal": 0}
    with pytest.raises(ValueError, match="NaN"):
        fp16_risk([1.0, np.nan])


@pytest.mark.parametrize("fmt", [FP16, BF16, E4M3], ids=lambda f: f.name)
def test_risk_says_what_rounding_does(fmt):
    x = np.random.default_rng(9).standard_normal(20_000) * 2.0 ** np.random.default_rng(10).integers(-160, 140, 20_000)
    y = round_to_format(x, fmt)
    risk = format_risk(x, fmt)
    assert risk["overflow"] == np.mean(~np.isfinite(y))
    assert risk["underflow"] == np.mean((y == 0) & (x != 0))
    # A subnormal may round up to the smallest normal value: it counts by where it was.
    assert risk["subnormal"] == np.mean((np.abs(x) < fmt.min_normal) & (y != 0))


def test_underflow_fraction_ignores_zeros_and_falls_with_the_scale():
    g = np.random.default_rng(11).standard_normal(10_000) * 1e-7
    lost = [underflow_fraction(np.append(g, np.zeros(5_000)), FP16, s) for s in (1, 64, 1024, 65536)]
    assert lost[0] == np.mean(g.astype(np.float16) == 0)
    assert lost == sorted(lost, reverse=True) and lost[0] > 0.2 and lost[-1] < 1e-3
    assert underflow_fraction(g, BF16) == 0
    assert underflow_fraction(np.zeros(3), FP16) == 0
