"""The queue against an event-by-event simulation, its formulas at their edges, the search for a rate."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.serving.queueing import (
    fifo,
    fifo_latencies,
    latency_from_schedule,
    max_rate_under_slo,
    md1_time_s,
    mean_in_flight,
    mg1_wait_s,
    mm1_time_s,
    poisson_arrivals,
    service_times,
    simulate_fifo,
    two_point,
)

queues = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=0, max_size=25)


def tick_by_tick(arrivals, services, servers):
    """Waits of integer times, by a clock that advances by one: obviously right, and slow."""
    waiting, busy, waits, t = [], [], [None] * len(arrivals), 0
    while None in waits:
        waiting += [i for i, a in enumerate(arrivals) if a == t]
        busy = [end for end in busy if end > t]
        while waiting and len(busy) < servers:
            i = waiting.pop(0)
            waits[i] = t - arrivals[i]
            if services[i]:
                busy.append(t + services[i])
        t += 1
    return waits


@settings(deadline=None)
@given(queues, st.integers(1, 4))
def test_waits_tick_by_tick(requests, servers):
    arrivals, services = sorted(a for a, _ in requests), [s for _, s in requests]
    assert simulate_fifo(arrivals, services, servers).tolist() == tick_by_tick(arrivals, services, servers)
    latencies = fifo_latencies(arrivals, services, servers)
    assert latencies.tolist() == (simulate_fifo(arrivals, services, servers) + np.array(services)).tolist()


@settings(deadline=None)
@given(queues)
def test_more_servers_never_wait_longer(requests):
    arrivals, services = sorted(a for a, _ in requests), [s for _, s in requests]
    waits = [simulate_fifo(arrivals, services, c) for c in (1, 2, 3, 40)]
    assert all((b <= a).all() for a, b in itertools.pairwise(waits)) and not waits[-1].any()


def test_golden_by_hand():
    assert fifo([0, 0.1, 0.2], [0.5, 0.1, 0.1]) == pytest.approx([0.5, 0.5, 0.5])
    assert fifo([0, 10], [1, 1]) == [1, 1]
    assert fifo([], []) == []


def test_queue_errors():
    with pytest.raises(ValueError, match="sorted"):
        fifo([1, 0], [1, 1])
    with pytest.raises(ValueError, match="one entry"):
        fifo([1, 2], [1])
    with pytest.raises(ValueError, match="negative"):
        simulate_fifo([1], [-1])
    with pytest.raises(ValueError, match="servers"):
        simulate_fifo([1], [1], 0)


@pytest.mark.parametrize("scv", [0, 0.25, 1, 4, 99])
def test_service_times_have_their_moments(scv):
    n = 400_000
    s = service_times(0.01, scv, n, np.random.default_rng(0))
    assert s.min() >= 0
    # 1 % slow requests: their count has a relative standard deviation of 1 / sqrt(0.01 n) = 1.6 %; four of them
    assert s.mean() == pytest.approx(0.01, rel=4 * (scv / n) ** 0.5 + 1e-12)
    assert s.var() / 0.01**2 == pytest.approx(scv, rel=0.065, abs=1e-12)


def test_two_point_by_its_definition():
    slow, fast = two_point(10.0, 4.0)
    mean = 0.01 * slow + 0.99 * fast
    assert mean == pytest.approx(10) and 0.01 * (slow - mean) ** 2 + 0.99 * (fast - mean) ** 2 == pytest.approx(400)
    with pytest.raises(ValueError, match="scv"):
        service_times(1.0, 100, 1, np.random.default_rng(0))


def test_formulas():
    assert mg1_wait_s(90, 0.01, 0) == pytest.approx(0.045)  # 4.5 services at 90 %
    assert mg1_wait_s(50, 0.01, 0) == pytest.approx(0.005)
    assert md1_time_s(80, 0.01) == pytest.approx(0.03) and mm1_time_s(80, 0.01) == pytest.approx(0.05)
    assert mm1_time_s(80, 0.01, 0.99) == pytest.approx(0.2303, abs=1e-4)
    for call in (lambda: mg1_wait_s(100, 0.01, 1), lambda: md1_time_s(101, 0.01), lambda: mm1_time_s(200, 0.01)):
        with pytest.raises(ValueError, match="unstable"):
            call()
    with pytest.raises(ValueError, match="quantile"):
        mm1_time_s(1, 0.01, 1.0)
    with pytest.raises(ValueError, match="rate_per_s"):
        poisson_arrivals(0, 3, np.random.default_rng(0))


def test_a_schedule_without_randomness_does_not_wait():
    arrivals = np.arange(1000) / 99.0
    assert simulate_fifo(arrivals, np.full(1000, 0.01)).max() < 1e-12  # 99 % busy


def test_the_stalled_client():
    # 100 a second for 10 s, 1 ms each, one of them 1,000 ms: by hand, 100 requests wait 991, 982, ... ms
    schedule, service = np.arange(1000) * 10.0, np.ones(1000)
    service[500] = 1000
    wait = simulate_fifo(schedule, service)
    naive, right = latency_from_schedule(schedule, schedule + wait, schedule + wait + service)
    assert naive.tolist() == service.tolist()
    by_hand = [1000 - 9 * k for k in range(112)]
    assert right[500:612] == pytest.approx(np.maximum(by_hand, 1)) and np.sort(right)[989] == pytest.approx(910)


def test_mean_in_flight_by_sampling_the_clock():
    arrivals, ends = [0, 1, 1, 6], [3, 2, 5, 8]
    ticks = [sum(a <= t < e for a, e in zip(arrivals, ends)) for t in np.arange(0, 8, 0.5)]
    assert mean_in_flight(arrivals, ends) == np.mean(ticks)


def test_max_rate():
    curve = lambda rate: 1000 / (100 - rate)  # ms: 50 ms at 80/s
    assert max_rate_under_slo(curve, 50, 1, 99, 0.01) == pytest.approx(80, abs=0.01)
    assert max_rate_under_slo(curve, 50, 1, 70, 0.01) == 70
    calls = []
    max_rate_under_slo(lambda r: calls.append(r) or curve(r), 50, 1, 99, 1.0)
    assert len(calls) == 2 + 7  # both ends, then 98 is halved seven times
    with pytest.raises(ValueError, match="lo must meet"):
        max_rate_under_slo(curve, 50, 90, 99, 0.1)
    with pytest.raises(ValueError, match="exceed"):
        max_rate_under_slo(curve, 50, 9, 5, 0.1)
    with pytest.raises(ValueError, match="tol"):
        max_rate_under_slo(curve, 50, 1, 2, 0)
