"""How often pair sums overflow, and what follows for dot products and a network."""

import itertools

import numpy as np
import pytest

from utils.hardware import isa


@pytest.mark.parametrize(("bits", "a_max"), [(8, 255), (8, 200), (8, 130), (7, 255)])
def test_the_counted_rate_against_a_convolution(bits, a_max):
    """Sums of two independent products are spread as the tally of products convolved with itself."""
    low, high = isa.weight_range(bits)
    lowest = a_max * low
    tally = np.zeros(a_max * (high - low) + 1)
    for a in range(a_max + 1):
        np.add.at(tally, a * np.arange(low, high + 1) - lowest, 1)
    size = 2 * tally.size - 1
    pairs = np.rint(np.fft.irfft(np.fft.rfft(tally, size) ** 2, size))  # counts below 2^31, so rounding makes them exact
    sums = np.arange(size) + 2 * lowest
    assert pairs.sum() == tally.sum() ** 2
    lost = pairs[(sums > 32767) | (sums < -32768)].sum() / pairs.sum()
    assert isa.exact_saturation_rate(bits, a_max) == pytest.approx(lost, rel=1e-12)


def test_seven_bits_never_saturate():
    assert isa.exact_saturation_rate(7) == isa.exact_saturation_rate(6) == 0
    assert isa.exact_saturation_rate(8, 128) == 0 < isa.exact_saturation_rate(8, 129)  # 2 * 128 * 128 = 32,768 fits below


def test_the_sampled_rate_is_near_the_counted_one():
    exact, n = isa.exact_saturation_rate(8), 200_000
    assert isa.saturation_rate(8, n, 3) == pytest.approx(exact, abs=5 * (exact / n) ** 0.5)  # five standard deviations
    assert isa.saturation_rate(7, n, 3) == 0
    assert exact == pytest.approx(571_592 / 16_000_000, rel=0.005)  # lanes counted with the real instruction, 2026


def test_the_scatter_shows_the_instruction():
    exact, hw, red = isa.dot_scatter("AVX2", 8, 400, 0)
    assert exact.shape == hw.shape == red.shape == (400,) and 100 < red.sum() < 400
    assert np.array_equal(exact[~red], hw[~red]) and (exact != hw)[red].mean() > 0.9
    for name in ("VNNI", "SDOT", "SMMLA"):
        exact, hw, red = isa.dot_scatter(name, 8, 400, 0)
        assert np.array_equal(exact, hw) and not red.any()
    assert not isa.dot_scatter("AVX2", 7, 400, 0)[2].any() and not isa.dot_scatter("AVX2", 8, 400, 0, a_max=128)[2].any()
    signed = isa.dot_scatter("SDOT", 8, 4000, 0, length=2)[0]
    assert signed.min() < -128 * 100 and signed.max() > 128 * 100  # both signs of activations
    for bad in ({"isa": "MMX"}, {"a_max": 0}, {"a_max": 256}, {"length": 3}, {"weight_bits": 9}):
        with pytest.raises(ValueError):
            isa.dot_scatter(**{"isa": "AVX2", "weight_bits": 8, "n": 4, "seed": 0} | bad)


def layers(seed):
    rng = np.random.default_rng(seed)
    widths = (16, 24, 8, 3)
    return [(rng.standard_normal((n, k)) / k**0.5, rng.standard_normal(n) / 10) for k, n in itertools.pairwise(widths)]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
def test_the_integer_network_follows_the_float_one(signed, per_channel):
    rng = np.random.default_rng(5)
    x, net = rng.uniform(0, 1, (40, 16)), layers(6)
    y = x
    for i, (w, b) in enumerate(net):
        y = y @ w.T + b if i == len(net) - 1 else np.maximum(y @ w.T + b, 0)
    run = isa.int8_mlp(x, net, x, isa="vnni", per_channel=per_channel, signed=signed)
    assert np.abs(run.outputs - y).max() < 0.05 * np.abs(y).max()  # steps of 1/127 in three layers
    assert run.pairs == 40 * (8 * 24 + 12 * 8 + 4 * 3)


def test_on_avx2_it_differs_exactly_where_pairs_saturate():
    x, net = np.random.default_rng(7).uniform(0, 1, (60, 16)), layers(8)
    for options in ({"per_channel": True}, {"signed": True}, {"weight_bits": 7, "per_channel": True, "signed": True}):
        exact, lossy = (isa.int8_mlp(x, net, x, isa=name, **options) for name in ("vnni", "avx2"))
        assert (lossy.saturated > 0) == (not np.array_equal(exact.outputs, lossy.outputs))
        assert lossy.saturated == 0 if options.get("weight_bits") == 7 else lossy.saturated > 0


def test_they_refuse():
    for bits in (1, 9):
        with pytest.raises(ValueError, match="bits"):
            isa.weight_range(bits)
    with pytest.raises(ValueError, match="n must be positive"):
        isa.saturation_rate(8, 0, 0)
