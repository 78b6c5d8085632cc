"""Leaky queues: conservation, bounds, and two theories (the Lindley recursion; Erlang's loss formula in tests/oracles)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.delivery.streaming import leaky_queue, simulate_leaky_queue

TEN = list(range(0, 100, 10))
arrivals_of = st.lists(st.integers(0, 12), min_size=1, max_size=40).map(lambda gaps: np.cumsum(gaps).tolist())


def by_clock(arrivals, service, capacity, mode):
    """The same queue by a clock that ticks: slow, and obviously right."""
    waiting, done, dropped, now_serving = [], [], [], None
    for t in range(max(arrivals) + service * (len(arrivals) + 1) + 1):
        if now_serving and now_serving[1] == t:
            done.append((now_serving[0], t - arrivals[now_serving[0]]))
            now_serving = None
        if now_serving is None and waiting:
            now_serving = (waiting.pop(0), t + service)
        for i in [i for i, a in enumerate(arrivals) if a == t]:
            if now_serving is None:
                now_serving = (i, t + service)
            elif len(waiting) < capacity:
                waiting.append(i)
            elif mode == "downstream" and capacity:
                dropped.append(waiting.pop(0))
                waiting.append(i)
            else:
                dropped.append(i)
    return done, dropped


def test_examples():
    up = list(zip([0, 1, 2, 3, 5, 8], [25, 40, 55, 70, 75, 70]))
    down = list(zip([0, 1, 3, 6, 8, 9], [25, 40, 45, 40, 45, 60]))
    assert leaky_queue(TEN, 25, 2, "upstream") == (up, [4, 6, 7, 9])
    assert leaky_queue(TEN, 25, 2, "downstream") == (down, [2, 4, 5, 7])


@given(arrivals_of, st.integers(1, 15), st.integers(0, 4), st.sampled_from(["upstream", "downstream"]))
def test_equals_a_clock_that_ticks(arrivals, service, capacity, mode):
    assert leaky_queue(arrivals, service, capacity, mode) == by_clock(arrivals, service, capacity, mode)


@given(arrivals_of, st.integers(1, 15), st.integers(0, 4), st.sampled_from(["upstream", "downstream"]))
def test_conservation_and_bound(arrivals, service, capacity, mode):
    done, dropped = leaky_queue(arrivals, service, capacity, mode)
    assert sorted([i for i, _ in done] + dropped) == list(range(len(arrivals)))
    assert [i for i, _ in done] == sorted(i for i, _ in done)
    assert all(service <= latency <= (capacity + 1) * service for _, latency in done)


@given(arrivals_of, st.integers(1, 15), st.integers(0, 4))
def test_without_leaks_it_is_lindleys_recursion(arrivals, service, capacity):
    result = simulate_leaky_queue(arrivals, service, capacity, "no")
    wait, latencies = 0, []
    for gap in np.diff([arrivals[0], *arrivals]).tolist():
        wait = max(0, wait + (service if latencies else 0) - gap)
        latencies.append(wait + service)
    assert result.latencies.tolist() == latencies and result.dropped == () and result.drop_rate == 0


def test_downstream_is_fresher_under_overload():
    arrivals = list(range(0, 3000, 10))
    up, down = (simulate_leaky_queue(arrivals, 25, 4, mode) for mode in ("upstream", "downstream"))
    assert down.latencies.mean() < up.latencies.mean() and up.drop_rate == pytest.approx(down.drop_rate, abs=0.02)


@pytest.mark.parametrize("call", [
    lambda: leaky_queue(TEN, 25, 2, "no"), lambda: leaky_queue(TEN, 25, -1, "upstream"), lambda: leaky_queue(TEN, 0, 2, "upstream"),
    lambda: simulate_leaky_queue(TEN, 25, 2, "sideways"), lambda: leaky_queue([3, 2], 25, 2, "upstream"),
])
def test_bad_input(call):
    with pytest.raises(ValueError, match="must"):
        call()


def test_nobody_came():
    assert leaky_queue([], 5, 1, "upstream") == ([], []) and simulate_leaky_queue([], 5, 1, "no").drop_rate == 0
