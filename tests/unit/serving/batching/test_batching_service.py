"""Service times: a fit against NumPy's least squares on data that is exact, capacities, padding."""

import numpy as np
import pytest

from utils.serving.batching import (
    AffineService,
    capacity_per_s,
    fit_service_time,
    measure_latency,
    padded_service,
    simulate_batcher,
)


def test_an_exact_line_is_found():
    fit = fit_service_time([1, 2, 4, 8], [4 + 0.5 * n for n in (1, 2, 4, 8)])
    assert (fit.a_ms, fit.b_ms, fit.r2) == pytest.approx((4, 0.5, 1))
    assert fit(16) == pytest.approx(12)


def test_noise_is_fitted_as_scipy_free_least_squares():
    n = np.array([1.0, 2, 4, 8, 16])
    y = 3 + 0.2 * n + np.random.default_rng(0).normal(0, 0.1, 5)
    fit = fit_service_time(n, y)
    (b, a), left, *_ = np.linalg.lstsq(np.stack([n, np.ones(5)], 1), y, rcond=None)
    assert (fit.a_ms, fit.b_ms) == pytest.approx((a, b))
    assert fit.r2 == pytest.approx(1 - left[0] / ((y - y.mean()) ** 2).sum())


def test_no_negative_cost():
    assert fit_service_time([1, 2], [1, 3]).a_ms == 0
    flat = fit_service_time([1, 2], [3, 1])
    assert (flat.a_ms, flat.b_ms) == (2, 0) and fit_service_time([1, 2], [5, 5]).r2 == 1
    with pytest.raises(ValueError, match="two different sizes"):
        fit_service_time([2, 2], [1, 1])
    with pytest.raises(ValueError, match="two different sizes"):
        fit_service_time([1, 2], [1])


def test_capacity():
    assert capacity_per_s(AffineService(4, 1), 8) == pytest.approx(8 / 12 * 1e3)  # 0.667 per ms
    with pytest.raises(ValueError, match="service"):
        capacity_per_s(lambda n: 0.0, 2)


def test_padding_costs_the_bucket():
    service = padded_service(AffineService(2, 1), [6, 2])
    assert [service(n) for n in (1, 2, 3, 6)] == [4, 4, 8, 8]
    with pytest.raises(ValueError, match="fit a bucket"):
        service(7)
    with pytest.raises(ValueError, match="buckets"):
        padded_service(AffineService(2, 1), [])
    run = simulate_batcher([0, 0, 0], 6, 0, service)
    assert run.batches[0].finish_ms == 8


def test_measured_latency_is_a_median():
    calls = []
    assert measure_latency(lambda: calls.append(None), repeats=9) >= 0 and len(calls) == 12
