"""Calibration ranges: all batches, always 0, and clipping only where it was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.quantization.calibration import METHODS, calibrate_range, entropy_threshold, simple_range

batches = st.lists(st.lists(st.floats(-1e3, 1e3), max_size=6).map(np.array), min_size=1, max_size=5).filter(
    lambda bs: sum(b.size for b in bs))


@given(batches, st.randoms())
def test_minmax_is_the_range_of_everything_and_zero(data, shuffler):
    everything = sorted(v for b in data for v in b.tolist())
    expected = (min(everything[0], 0.0), max(everything[-1], 0.0))
    shuffler.shuffle(data)
    assert calibrate_range(data, "minmax") == expected


@given(batches, st.sampled_from(METHODS))
def test_every_method_contains_zero_and_stays_inside_minmax(data, method):
    lo, hi = calibrate_range(data, method)
    low, high = calibrate_range(data, "minmax")
    slack = 1e-9 + 1e-3 * (high - low)  # the histogram's edges are rounded
    assert low - slack <= lo <= 0 <= hi <= high + slack


def test_percentile_by_hand():
    # Sorted 0..100: the 90th percentile lies at index 0.90 * 100 = 90, the 10th at 10, which is above 0.
    assert calibrate_range([np.arange(101)[::-1]], "percentile", 90) == (0.0, 90.0)
    assert calibrate_range([np.array([-4.0, 0.0]), np.array([4.0])], "percentile", 75) == (-2.0, 2.0)
    assert calibrate_range([np.full((2, 3), -5.0)], "percentile", 100) == (-5.0, 0.0)


def test_mse_clips_an_outlier_at_few_bits_and_keeps_it_at_many():
    rng = np.random.default_rng(0)
    data = np.append(rng.normal(size=20_000), 12.0)

    def error(lo, hi, bits):
        step = (hi - lo) / (2**bits - 1)
        zero = round(-lo / step)
        return np.mean((step * (np.clip(np.rint(data / step) + zero, 0, 2**bits - 1) - zero) - data) ** 2)

    for bits in (3, 4, 8):
        chosen, full = calibrate_range([data], "mse", bits=bits), calibrate_range([data], "minmax")
        assert error(*chosen, bits) <= error(*full, bits) * 1.001
    assert calibrate_range([data], "mse", bits=3)[1] < 6 < calibrate_range([data], "mse", bits=8)[1]


def test_entropy_keeps_a_uniform_range_and_cuts_a_tail():
    rng = np.random.default_rng(1)
    assert entropy_threshold(rng.uniform(0, 1, 50_000)) > 0.95
    tail = np.concatenate([np.abs(rng.normal(size=50_000)), [40.0]])
    lo, hi = calibrate_range([tail], "entropy")
    assert lo == 0 and 2.5 < hi < 20


@pytest.mark.parametrize(("data", "method", "word"), [
    ([np.ones(3)], "max", "method"), ([], "minmax", "data"), ([np.zeros(0), np.zeros((0, 4))], "mse", "data"),
    ([np.array([1.0, np.nan])], "minmax", "finite"), ([np.array([np.inf])], "percentile", "finite")])
def test_refusals(data, method, word):
    with pytest.raises(ValueError, match=word):
        calibrate_range(data, method)


def test_the_simple_form_knows_two_methods():
    data = [np.array([1.0, -2.0]), np.array([7.0])]
    assert simple_range(data, "minmax") == (-2.0, 7.0) == calibrate_range(data, "minmax")
    assert simple_range(data, "percentile", 75) == calibrate_range(data, "percentile", 75)
    for method in ("mse", "entropy", "max"):
        with pytest.raises(ValueError, match="method"):
            simple_range(data, method)


def test_constant_and_strided_data():
    assert [calibrate_range([np.full(4, 2.0)], m) for m in METHODS] == [(0.0, 2.0)] * 4
    assert calibrate_range([np.zeros(3)], "entropy") == (0.0, 0.0)
    wide = np.arange(12.0).reshape(3, 4)
    assert calibrate_range([wide[:, ::2].T], "minmax") == (0.0, 10.0)
