"""The simulated queue against queueing theory: two models, neither written with the other's formula."""

import numpy as np
import pytest

from utils.cost.latency import percentile
from utils.serving.queueing import (
    fifo_latencies,
    md1_time_s,
    mean_in_flight,
    mm1_time_s,
    poisson_arrivals,
    service_times,
    simulate_fifo,
)

RATE, SERVICE, N = 80.0, 0.01, 200_000


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    arrivals = poisson_arrivals(RATE, N, rng)
    return {scv: (arrivals, fifo_latencies(arrivals, service_times(SERVICE, scv, N, rng))) for scv in (0, 1)}


def test_means(runs):
    # at 80 % neighbouring requests wait alike, so 200,000 are worth about 2,000 independent ones: 5 % is two deviations
    assert runs[1][1].mean() == pytest.approx(mm1_time_s(RATE, SERVICE), rel=0.05)
    assert runs[0][1].mean() == pytest.approx(md1_time_s(RATE, SERVICE), rel=0.05)


def test_the_tail_of_mm1_is_exponential(runs):
    assert percentile(runs[1][1], 99) == pytest.approx(mm1_time_s(RATE, SERVICE, 0.99), rel=0.08)


def test_the_waits_of_md1_follow_crommelins_distribution(runs):
    """P(wait <= t) = (1 - rho) sum_k (rate (k s - t))^k / k! exp(-rate (k s - t)), k up to t / s (Crommelin 1932)."""
    import math

    waits, rho = runs[0][1] - SERVICE, RATE * SERVICE
    for t in (0.0, 0.015, 0.04, 0.08):
        terms = ((x := RATE * (k * SERVICE - t)) ** k / math.factorial(k) * math.exp(-x) for k in range(int(t / SERVICE) + 1))
        assert np.mean(waits <= t + 1e-12) == pytest.approx((1 - rho) * sum(terms), abs=0.02)


def test_littles_law_is_exact_from_empty_to_empty(runs):
    for arrivals, latencies in runs.values():
        ends = arrivals + latencies
        rate = len(arrivals) / (ends.max() - arrivals[0])
        assert mean_in_flight(arrivals, ends) == pytest.approx(rate * latencies.mean(), rel=1e-9)


@pytest.mark.parametrize(("servers", "p_wait"), [(2, 9 / 14), (3, 0.647191)])
def test_who_waits_at_several_servers(servers, p_wait):
    """Erlang's C for 1.5 Erlang at 2 servers and 2.4 at 3, computed by hand from the M/M/c state probabilities."""
    rng, offered = np.random.default_rng(5), {2: 1.5, 3: 2.4}[servers]
    arrivals = poisson_arrivals(offered, 100_000, rng)
    waits = simulate_fifo(arrivals, rng.exponential(1.0, 100_000), servers)
    assert np.mean(waits > 0) == pytest.approx(p_wait, rel=0.03)
