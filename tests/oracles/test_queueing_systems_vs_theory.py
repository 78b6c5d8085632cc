"""Erlang's formulas against direct sums and numerical integration, simulations against them, and two choices."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from utils.cost.latency import percentile
from utils.serving.queueing import (
    erlang_b,
    erlang_c,
    md1_time_s,
    min_replicas,
    mmc_metrics,
    mmc_time_tail,
    poisson_arrivals,
    simulate_fifo,
    simulate_split,
    two_choices_tail,
)

N = 200_000


@pytest.mark.parametrize("servers", [1, 2, 5, 20, 50])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_erlang_against_the_sums(servers, share):
    a = share * servers
    terms = [math.exp(k * math.log(a) - math.lgamma(k + 1)) for k in range(servers + 1)]
    assert erlang_b(servers, a) == pytest.approx(terms[-1] / math.fsum(terms), rel=1e-12)
    last = terms[-1] / (1 - share)
    assert erlang_c(servers, a) == pytest.approx(last / (math.fsum(terms[:-1]) + last), rel=1e-11)


@pytest.mark.parametrize(("servers", "offered"), [(1, 0.8), (2, 1.0), (2, 1.5), (4, 2.4), (4, 3.6), (9, 3.0)])
def test_the_tail_by_integrating_over_the_wait(servers, offered):
    """P(T > t) = E[P(service > t - wait)]; the wait is 0, or exponential with rate (c - a) / s, with probability C."""
    p_wait, theta = erlang_c(servers, offered), servers - offered
    for t in (0.3, 1.0, 4.0, 9.0):
        waited, _ = quad(lambda w, t=t: theta * math.exp(-theta * w) * math.exp(-(t - w)), 0, t, epsabs=1e-13)
        want = (1 - p_wait) * math.exp(-t) + p_wait * (waited + math.exp(-theta * t))
        assert mmc_time_tail(offered, 1.0, servers, t) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize(("servers", "offered"), [(1, 0.8), (2, 1.5), (4, 3.6)])
def test_the_simulation_is_within_six_percent_of_mmc(servers, offered):
    rng = np.random.default_rng(7)
    arrivals, services = poisson_arrivals(offered, N, rng), rng.exponential(1.0, N)
    waits = simulate_fifo(arrivals, services, servers)
    metrics = mmc_metrics(offered, 1.0, servers)
    # at 90 % neighbouring waits agree for about 2 / (1 - rho)^2 = 200 requests, so these are worth 1,000: 6 % is two
    # standard deviations of a mean whose own deviation is about its size
    assert waits.mean() == pytest.approx(metrics.wait_s, rel=0.06)
    assert np.mean(waits > 0) == pytest.approx(metrics.p_wait, rel=0.06)
    for t in (1.0, 3.0):
        assert np.mean(waits + services > t) == pytest.approx(mmc_time_tail(offered, 1.0, servers, t), rel=0.06)


def test_the_simulation_is_within_six_percent_of_md1():
    arrivals = poisson_arrivals(0.8, N, np.random.default_rng(8))
    assert simulate_fifo(arrivals, np.ones(N)).mean() + 1 == pytest.approx(md1_time_s(0.8, 1.0), rel=0.06)


@pytest.mark.parametrize(("rate", "service_ms", "slo_ms", "quantile"), [(120, 20, 100, 0.99), (40, 50, 200, 0.95)])
def test_the_replicas_meet_the_percentile_in_a_simulation(rate, service_ms, slo_ms, quantile):
    """The chosen number is within 6 % of the objective or below it; one replica fewer is above it."""
    rng = np.random.default_rng(9)
    arrivals, services = poisson_arrivals(rate, N, rng), rng.exponential(service_ms / 1e3, N)
    c = min_replicas(rate, service_ms, slo_ms, quantile)
    measured = [percentile((simulate_fifo(arrivals, services, k) + services) * 1e3, 100 * quantile) for k in (c - 1, c)]
    assert measured[0] > slo_ms and measured[1] <= 1.06 * slo_ms


def test_two_choices_against_mitzenmachers_fixed_point():
    """Waiting needs a busy server in both choices: P(wait) = rho^(2^2 - 2)... measured through who finds length 1."""
    servers, rho, n = 200, 0.9, 120_000
    rng = np.random.default_rng(3)
    arrivals, services = poisson_arrivals(rho * servers, n, rng), rng.exponential(1.0, n)
    warm = slice(n // 4, None)
    # a request waits if both its servers hold one request or more: (share with >= 1)^2, the choices being independent
    waits = simulate_split(arrivals, services, servers, "two_choices", rng=rng)[warm]
    assert np.mean(waits > 0) == pytest.approx(two_choices_tail(rho, 1) ** 2, rel=0.1)
    # Little's law: mean length of a line = sum over i of the share with i or more = rho * mean latency
    mean_length = sum(two_choices_tail(rho, i) for i in range(1, 12))
    assert rho * (waits + services[warm]).mean() == pytest.approx(mean_length, rel=0.1)
    alone = simulate_split(arrivals, services, servers, "random", rng=rng)[warm]
    assert (alone + services[warm]).mean() == pytest.approx(1 / (1 - rho), rel=0.1)
