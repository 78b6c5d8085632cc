"""The best clip against the error integrated over the density, and six decibels a bit."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from utils.compression.quantization.clipping import optimal_clip, quantizer_bench


def gaussian_error(clip: float, bits: int) -> float:
    """Mean squared error of symmetric quantization of a unit Gaussian, by integrals of each cell (no samples)."""

    def cdf(t):
        return 0.5 * (1 + math.erf(t / math.sqrt(2)))

    def pdf(t):
        return math.exp(-t * t / 2) / math.sqrt(2 * math.pi)

    def cell(low, high, level):  # integral of (t - level)^2 pdf(t)
        mass = cdf(high) - cdf(low)
        mean = pdf(low) - pdf(high)
        square = mass + (low * pdf(low) if math.isfinite(low) else 0) - (high * pdf(high) if math.isfinite(high) else 0)
        return square - 2 * level * mean + level * level * mass

    qmax = 2 ** (bits - 1) - 1
    step = clip / qmax
    edges = [-math.inf, *((k + 0.5) * step for k in range(-qmax, qmax)), math.inf]
    return sum(cell(edges[i], edges[i + 1], (i - qmax) * step) for i in range(2 * qmax + 1))


@pytest.mark.parametrize("bits, sqnr, clip", [(4, 18.90, 2.48), (6, 29.71, 3.28), (8, 40.54, 3.92)])
def test_a_gaussian_clipped_at_its_best(bits, sqnr, clip):
    # 100,000 quantiles instead of random values: the few values of the tail decide, and chance would move them.
    normal = NormalDist()
    x = np.array([normal.inv_cdf((i + 0.5) / 100_000) for i in range(100_000)])
    found = optimal_clip(x, bits)
    theory = min(np.arange(1.5, 5.5, 0.02), key=lambda c: gaussian_error(c, bits))
    assert theory == pytest.approx(clip, abs=0.011)
    assert found == pytest.approx(theory, abs=0.1)  # the minimum is flat: 0.1 changes the error by less than 1 %
    assert -10 * math.log10(gaussian_error(theory, bits)) == pytest.approx(sqnr, abs=0.01)
    # The quantiles end at 4.4 sigma: what lies beyond, 0.1 dB at 8 bits, is missing from their error.
    assert quantizer_bench(x, bits, found)["sqnr_db"] == pytest.approx(sqnr, abs=0.15)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_a_uniform_signal_gets_six_decibels_a_bit(bits):
    """Levels cover the range and its half steps at both ends: 20 log10(2) = 6.0206 dB a bit, less the unused code."""
    x = np.random.default_rng(1).uniform(-1, 1, 100_000)
    qmax = 2 ** (bits - 1) - 1
    got = quantizer_bench(x * (qmax + 0.5), bits, clip=qmax)["sqnr_db"]  # step 1, 2 qmax + 1 cells of that width
    assert got == pytest.approx(20 * math.log10(2 * qmax + 1), abs=0.1)


def test_clipping_never_loses_to_covering_the_range():
    rng = np.random.default_rng(2)
    for x in (rng.standard_normal(3_000), rng.laplace(size=3_000), np.append(rng.standard_normal(3_000), 20.0)):
        for bits in (2, 4, 8):
            whole = quantizer_bench(x, bits)["sqnr_db"]
            assert quantizer_bench(x, bits, optimal_clip(x, bits))["sqnr_db"] >= whole - 1e-3


def test_one_outlier_of_20_sigma_costs_about_two_bits():
    x = np.random.default_rng(3).standard_normal(20_000)
    with_outlier = np.append(x, 20.0)
    lost = quantizer_bench(x, 8)["sqnr_db"] - quantizer_bench(with_outlier, 8)["sqnr_db"]
    assert 1.5 < lost / (20 * math.log10(2)) < 2.5


def test_asymmetric_gains_a_bit_on_one_sided_data():
    x = np.maximum(np.random.default_rng(4).standard_normal(20_000), 0)
    gain = quantizer_bench(x, 6, symmetric=False)["sqnr_db"] - quantizer_bench(x, 6)["sqnr_db"]
    # 63 steps instead of 31 for the same range: 20 log10(63/31) = 6.16 dB.
    assert gain == pytest.approx(20 * math.log10(63 / 31), abs=0.3)


def test_what_the_bench_returns():
    x = np.random.default_rng(5).standard_normal((4, 8)).astype(np.float32)
    for how in ({}, {"axis": 0}, {"group_size": 4}, {"symmetric": False}, {"clip": 0.5}):
        got = quantizer_bench(x, 3, **how)
        assert got["q"].shape == got["x_hat"].shape == x.shape and got["q"].dtype == np.int8
        assert got["q"].min() >= -4 and got["q"].max() <= 3
        signal, noise = np.sum(x.astype(float) ** 2), np.sum((x.astype(float) - got["x_hat"]) ** 2)
        assert got["sqnr_db"] == pytest.approx(10 * math.log10(signal / noise))
    assert quantizer_bench(x, 3, clip=0.6)["step"] == pytest.approx(0.2)
    assert quantizer_bench(x, 3, axis=1)["step"].shape == (8,) and quantizer_bench(x, 3, group_size=2)["step"].shape == (16,)


@pytest.mark.parametrize("call, text", [
    (lambda: optimal_clip([], 8), "empty"), (lambda: optimal_clip([np.nan], 8), "finite"),
    (lambda: optimal_clip([0.0], 8), "zero signal"), (lambda: optimal_clip([1.0], 1), "bits"),
    (lambda: quantizer_bench([1.0], 8, clip=0.0), "clip"), (lambda: quantizer_bench([1.0], 8, clip=float("nan")), "clip"),
])
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
