"""Dynamic loss scaling and the histogram on FP16's ruler."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics.formats import FP16
from utils.numerics.loss_scaling import DynamicLossScaler, LossScaler, scaled_histogram
from utils.numerics.precision import underflow_fraction


def test_scales_over_time():
    scaler, scales = LossScaler(8, 2, 0.5, 2), []
    for g in ([1.0], [1.0], [np.inf], [1.0]):
        scaler.step([np.array(g, np.float32)])
        scales.append(scaler.scale)
    assert scales == [8, 16, 8, 8]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_scale_is_growths_minus_backoffs(bad, interval):
    scaler, good, exponent = DynamicLossScaler(2.0**10, growth_interval=interval), 0, 10
    for b in bad:
        assert scaler.update(b) is not b
        good = 0 if b else good + 1
        exponent += -1 if b else good % interval == 0
        assert scaler.scale == 2.0**exponent
    assert scaler.state_dict() == {"scale": 2.0**exponent, "growth": 2.0, "backoff": 0.5, "growth_interval": interval,
                                   "good_steps": good % interval}


def test_defaults_are_those_of_torch():
    assert DynamicLossScaler().state_dict() == {"scale": 65536.0, "growth": 2.0, "backoff": 0.5,
                                                "growth_interval": 2000, "good_steps": 0}


@pytest.mark.parametrize("kw, text", [({"growth": 1.0}, "growth"), ({"backoff": 1.0}, "backoff"), ({"backoff": 0.0}, "backoff"),
                                      ({"growth_interval": 0}, "growth_interval"), ({"init_scale": 0.0}, "init_scale")])
def test_bad_settings(kw, text):
    with pytest.raises(ValueError, match=text):
        DynamicLossScaler(**kw)


def test_unscaling_happens_in_float32_with_the_scale_in_force():
    scaler = LossScaler(65536.0, 2.0, 0.5, 1)
    out = scaler.step([np.array([2.0**-24, -1.0], np.float16), np.ones((2, 2), np.float32)])
    assert [g.dtype for g in out] == [np.float32] * 2 and out[1].shape == (2, 2)
    assert out[0].tolist() == [2.0**-40, -(2.0**-16)]  # 2^-40 is zero in FP16
    assert scaler.scale == 2 * 65536.0


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_one_bad_value_skips_the_step(value, dtype):
    scaler = LossScaler(8.0, 2.0, 0.25, 3)
    assert scaler.step([np.ones(3, dtype), np.array([1.0, value], dtype)]) is None
    assert scaler.scale == 2.0


def test_scaled_gradients_come_back():
    rng = np.random.default_rng(0)
    grads = [rng.standard_normal(100).astype(np.float32) * 1e-6 for _ in range(3)]
    scaler = LossScaler(1024.0, 2.0, 0.5, 10)
    scaled = [(g * np.float32(1024)).astype(np.float16) for g in grads]
    for g, back in zip(grads, scaler.step(scaled)):
        # rounding to FP16: half a step, relative 2^-11 for normal values and 2^-25 / 1024 for subnormal ones
        assert np.all(np.abs(back - g) <= np.maximum(np.abs(g) * 2.0**-11, 2.0**-35))


@given(st.integers(-30, 40))
def test_histogram_counts_every_gradient_once(log2_scale):
    rng = np.random.default_rng(1)
    g = rng.standard_normal(1000) * 10.0 ** rng.integers(-12, 3, 1000)
    g[:100] = 0
    h = scaled_histogram(g, log2_scale)
    assert (h["n_zero"], h["n_nonzero"]) == (100, 900)
    assert h["counts"].sum() == 900
    assert h["counts"].size == h["log2_edges"].size - 1
    assert sum(h["shares"].values()) == pytest.approx(1, abs=1e-12)  # four multiples of 1/900
    assert h["flushed_pct"] == pytest.approx(100 * underflow_fraction(g, FP16, 2.0**log2_scale))
    with np.errstate(over="ignore"):
        y = (g[g != 0] * 2.0**log2_scale).astype(np.float16)
    assert h["shares"]["inf"] == np.mean(np.isinf(y))
    assert h["shares"]["zero"] == np.mean(y == 0)


def test_scaling_slides_the_histogram():
    g = np.random.default_rng(2).standard_normal(500) * 1e-4
    a, b = scaled_histogram(g, 0)["counts"], scaled_histogram(g, 5)["counts"]
    assert np.array_equal(a[:-5], b[5:])


def test_borders_separate_the_shares():
    borders = scaled_histogram([1.0], 0)["borders"]
    for name, log2 in borders.items():
        below, above = (max(scaled_histogram([2.0**log2 * f], 0)["shares"].items(), key=lambda kv: kv[1])[0]
                        for f in (1 - 1e-9, 1 + 1e-9))
        assert above == name != below


def test_histogram_edges():
    empty = scaled_histogram([0.0, 0.0], 3)
    assert empty["n_nonzero"] == 0 and set(empty["shares"].values()) == {0.0}
    assert scaled_histogram([np.inf, 1e300, 1e-300], 0)["counts"].sum() == 3
    with pytest.raises(ValueError, match="NaN"):
        scaled_histogram([np.nan], 0)
