"""Several servers, separate lines, deadlines and clients that try again: by hand, and against slow simulations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.serving.queueing import (
    any_slow,
    corrected_latency,
    erlang_b,
    erlang_c,
    fifo_waits,
    goodput,
    min_replicas,
    mmc_metrics,
    mmc_time_tail,
    replicas_for,
    retry_amplification,
    simulate_fifo,
    simulate_goodput,
    simulate_overload,
    simulate_split,
    two_choices_tail,
)

# --- formulas ---------------------------------------------------------------------------------


def test_erlang_golden():
    assert erlang_c(1, 0.8) == pytest.approx(0.8) and erlang_c(2, 1.5) == pytest.approx(9 / 14)
    assert erlang_c(3, 2.4) == pytest.approx(0.647191, abs=1e-6) and erlang_c(7, 0) == 0
    assert erlang_c(100, 90) == pytest.approx(0.216940, abs=1e-6)
    assert erlang_c(500, 480) == pytest.approx(0.266513, abs=1e-6)
    assert 0 < erlang_c(10_000, 9_900) < 1 and erlang_b(0, 3) == 1


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_erlang_c_grows_with_load_and_falls_with_servers(servers, share):
    offered = share * servers
    assert erlang_c(servers, offered) >= erlang_c(servers, offered * 0.9)
    assert erlang_c(servers + 1, offered) <= erlang_c(servers, offered) <= 1


@pytest.mark.parametrize(("servers", "offered", "word"), [(0, 0, "servers"), (2, -1, "offered"), (2, 2, "unstable")])
def test_erlang_errors(servers, offered, word):
    with pytest.raises(ValueError, match=word):
        erlang_c(servers, offered)


def test_metrics_of_one_server_are_those_of_mm1():
    m = mmc_metrics(80, 0.01, 1)
    assert (m.utilization, m.p_wait) == (pytest.approx(0.8), pytest.approx(0.8))
    assert m.time_s == pytest.approx(0.05) and m.wait_s == pytest.approx(0.04)
    assert m.queue_len == pytest.approx(0.8**2 / 0.2)  # rho^2 / (1 - rho)


@settings(deadline=None)
@given(st.integers(1, 30), st.floats(0.05, 0.98), st.floats(0.0, 12.0))
def test_the_tail_is_a_tail(servers, share, m):
    rate = share * servers
    tail = mmc_time_tail(rate, 1.0, servers, m)
    assert math.exp(-m) - 1e-12 <= tail <= 1 + 1e-12 and mmc_time_tail(rate, 1.0, servers, 0) == pytest.approx(1)
    assert mmc_time_tail(rate, 1.0, servers, m + 0.5) <= tail + 1e-12


def test_the_tail_at_and_near_its_limit():
    at = mmc_time_tail(1.0, 1.0, 2, 3.0)  # d = 2 - 1 - 1 = 0
    assert at == pytest.approx(math.exp(-3) * (1 + erlang_c(2, 1.0) * 3))
    assert mmc_time_tail(1.0 + 1e-7, 1.0, 2, 3.0) == pytest.approx(at, rel=1e-6)
    assert mmc_time_tail(1.0 - 1e-7, 1.0, 2, 3.0) == pytest.approx(at, rel=1e-6)
    assert 0 <= mmc_time_tail(500.0, 1.0, 501, 800.0) < 1e-200  # nothing overflows
    assert 0 <= mmc_time_tail(0.99, 1.0, 1, 5000.0) < 1e-20


def test_replicas_golden():
    assert min_replicas(120, 20, 100, 0.99) == 4 and min_replicas(40, 50, 200, 0.95) == 4
    assert min_replicas(900, 1, 1000, 0.99) == 1 and min_replicas(5990, 1, 2000, 0.99) == 6  # m |d| > 709
    assert mmc_time_tail(120, 0.02, 3, 0.1) == pytest.approx(0.0764, abs=5e-5)
    assert mmc_time_tail(120, 0.02, 4, 0.1) == pytest.approx(0.0098, abs=5e-5)
    assert mmc_time_tail(40, 0.05, 3, 0.2) == pytest.approx(0.0509, abs=5e-5)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.5, 900), st.sampled_from([5, 20, 50]), st.floats(5.5, 12), st.sampled_from([0.9, 0.95, 0.99]))
def test_replicas_is_the_first_that_meets_the_objective(rate, service_ms, ratio, quantile):
    slo_s, service_s = ratio * service_ms / 1e3, service_ms / 1e3
    c = min_replicas(rate, service_ms, slo_s * 1e3, quantile)
    assert mmc_time_tail(rate, service_s, c, slo_s) <= 1 - quantile + 1e-12
    if rate * service_s < c - 1:
        assert mmc_time_tail(rate, service_s, c - 1, slo_s) > 1 - quantile - 1e-12


def test_replicas_errors():
    for call in (lambda: min_replicas(10, 50, 100, 0.99), lambda: replicas_for(100, 1.0, 20.0, 0.9, max_servers=50)):
        with pytest.raises(ValueError, match="unreachable"):
            call()
    for bad in ((0, 1, 1, 0.5), (1, 0, 1, 0.5), (1, 1, 0, 0.5), (1, 1, 9, 1.0), (1, 1, 9, 0.0)):
        with pytest.raises(ValueError, match="must"):
            min_replicas(*bad)


def test_small_formulas():
    assert any_slow(100, 0.01) == pytest.approx(0.634, abs=5e-4) and any_slow(0, 0.5) == 0
    assert retry_amplification(0.5, 2) == 1.75 and retry_amplification(1, 3) == 4 and retry_amplification(0, 9) == 1
    assert two_choices_tail(0.9, 0) == 1 and two_choices_tail(0.9, 3) == pytest.approx(0.9**7)
    for call in (lambda: any_slow(3, 1.1), lambda: retry_amplification(-0.1, 1), lambda: retry_amplification(0.1, -1),
                 lambda: two_choices_tail(1.0, 1)):
        with pytest.raises(ValueError):
            call()


# --- lines ------------------------------------------------------------------------------------


def test_fifo_waits_golden():
    assert fifo_waits([0, 1, 2, 3], [3, 3, 1, 1], 1) == [0, 2, 4, 4]
    assert fifo_waits([0, 1, 2, 3], [3, 3, 1, 1], 2) == [0, 0, 1, 1]
    assert fifo_waits([], [], 3) == []


def slow_split(arrivals, services, servers, pick):
    """Every line looked at from the beginning for every request; `pick(lengths, i)` chooses."""
    placed, waits = [], []
    for i, now in enumerate(arrivals):
        lengths = [sum(1 for s, end in placed if s == k and end > now) for k in range(servers)]
        k = pick(lengths, i)
        start = max([now, *(end for s, end in placed if s == k)])
        placed.append((k, start + services[i]))
        waits.append(start - now)
    return waits


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=20), st.integers(1, 4))
def test_split_against_a_slow_one(requests, servers):
    arrivals, services = sorted(a for a, _ in requests), [s for _, s in requests]
    rules = {"round_robin": lambda lengths, i: i % servers, "jsq": lambda lengths, i: int(np.argmin(lengths))}
    for policy, pick in rules.items():
        got = simulate_split(arrivals, services, servers, policy, rng=np.random.default_rng(0))
        assert got.tolist() == slow_split(arrivals, services, servers, pick)


def test_split_policies():
    rng = np.random.default_rng(2)
    arrivals, services = np.cumsum(rng.exponential(1 / 3.2, 20_000)), rng.exponential(1.0, 20_000)
    waits = {p: simulate_split(arrivals, services, 4, p, rng=np.random.default_rng(3)).mean()
             for p in ("random", "round_robin", "two_choices", "jsq")}
    shared = simulate_fifo(arrivals, services, 4).mean()
    assert shared < waits["jsq"] < waits["two_choices"] < waits["round_robin"] < waits["random"]
    for policy in waits:  # with one server there is nothing to choose
        one = simulate_split(arrivals[:50], services[:50], 1, policy, rng=np.random.default_rng(0))
        assert one == pytest.approx(simulate_fifo(arrivals[:50], services[:50]))
    with pytest.raises(ValueError, match="policy"):
        simulate_split([0], [1], 2, "shortest", rng=rng)
    with pytest.raises(ValueError, match="sorted"):
        simulate_split([1, 0], [1, 1], 2, "jsq", rng=rng)
    with pytest.raises(ValueError, match="servers"):
        simulate_split([0], [1], 0, "jsq", rng=rng)


# --- deadlines --------------------------------------------------------------------------------


def tick_goodput(arrivals, service, deadline, policy):
    """By a clock that advances by one; all times are integers."""
    waiting, good, busy_until, t, left = [], [], 0, 0, set(range(len(arrivals)))
    while left:
        waiting += [i for i, a in enumerate(arrivals) if a == t]
        while t >= busy_until and waiting:
            i = waiting.pop(-1 if policy == "lifo" else 0)
            left.discard(i)
            if policy == "shed" and t + service > arrivals[i] + deadline:
                continue
            busy_until = t + service
            if busy_until <= arrivals[i] + deadline:
                good.append(i)
        t += 1
    return sorted(good)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=25), st.integers(1, 9), st.integers(1, 40),
       st.sampled_from(["fifo", "shed", "lifo"]))
def test_goodput_tick_by_tick(times, service, deadline, policy):
    arrivals = sorted(times)
    assert goodput(arrivals, service, deadline, policy) == tick_goodput(arrivals, service, deadline, policy)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=25), st.integers(1, 9), st.integers(1, 40))
def test_shedding_never_answers_fewer(times, service, deadline):
    arrivals = sorted(times)
    assert len(goodput(arrivals, service, deadline, "shed")) >= len(goodput(arrivals, service, deadline, "fifo"))


def test_goodput_golden():
    arrivals = list(range(0, 50, 5))
    assert goodput(arrivals, 10, 25, "fifo") == [0, 1, 2, 3]
    assert goodput(arrivals, 10, 25, "shed") == [0, 1, 2, 3, 5, 7, 9]
    assert goodput(arrivals, 10, 25, "lifo") == [0, 2, 4, 6, 8, 9]


def test_a_small_waiting_room_refuses():
    # one runs, one waits, two more find the room full
    full = simulate_goodput([0, 1, 2, 3], 10, 100, "fifo", capacity=1)
    assert (full.good, full.completed, full.rejected) == ((0, 1), 2, 2)
    none = simulate_goodput([0, 5, 10], 10, 100, "fifo", capacity=0)
    assert (none.good, none.rejected) == ((0, 2), 1)  # the idle server is a place of its own
    assert simulate_goodput([], 1, 1, "shed").completed == 0


def test_fifo_collapses_above_capacity_and_shedding_does_not():
    arrivals = np.cumsum(np.random.default_rng(0).exponential(1 / 110, 5000))
    runs = {p: simulate_goodput(arrivals, 0.01, 0.1, p) for p in ("fifo", "shed", "lifo")}
    per_s = {p: len(r.good) / arrivals[-1] for p, r in runs.items()}
    assert per_s["fifo"] < 10 and per_s["shed"] > 95 and per_s["lifo"] > 85  # of 100/s that the server can do
    assert runs["fifo"].completed == 5000 and runs["shed"].completed + runs["shed"].rejected == 5000
    short = simulate_goodput(arrivals, 0.01, 0.1, "fifo", capacity=8)  # 8 waits of 10 ms fit into 100 ms
    assert len(short.good) / arrivals[-1] > 90 and short.rejected > 0


def test_goodput_errors():
    with pytest.raises(ValueError, match="policy"):
        goodput([0], 1, 1, "FIFO")
    with pytest.raises(ValueError, match="sorted"):
        goodput([1, 0], 1, 1, "fifo")
    with pytest.raises(ValueError, match="service_s"):
        goodput([0], 0, 1, "fifo")


# --- clients that try again -------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["fifo", "shed", "lifo"])
def test_without_retries_it_is_the_queue_with_deadlines(policy):
    arrivals = np.cumsum(np.random.default_rng(4).exponential(1 / 105, 800))
    run = simulate_overload(arrivals, 0.01, 0.1, policy)
    assert run.tries_s.tolist() == arrivals.tolist()
    assert len(run.good_s) == len(simulate_goodput(arrivals, 0.01, 0.1, policy).good)


def test_tries_are_bounded_and_come_at_the_deadline():
    run = simulate_overload([0.0, 0.0, 0.0], 10.0, 15.0, "fifo", retries=1)
    # the first is answered at 10; the two others give up at 15 and come back; their first tries run until 30
    assert run.tries_s.tolist() == [0, 0, 0, 15, 15] and run.good_s.tolist() == [10]
    shed = simulate_overload([0.0, 0.0, 0.0], 10.0, 15.0, "shed", retries=1)
    assert shed.good_s.tolist() == [10, 25] and len(shed.tries_s) == 5
    with pytest.raises(ValueError, match="retries"):
        simulate_overload([0], 1, 1, "fifo", retries=-1)


def test_a_burst_that_is_over_goes_on_with_retries_and_ends_without():
    rng = np.random.default_rng(0)
    parts, begin = [], 0.0
    for rate, seconds in ((14, 60), (26, 180), (14, 360)):  # 70 %, 130 %, 70 % of 20/s
        times = np.cumsum(rng.exponential(1 / rate, 2 * rate * seconds))
        parts.append(begin + times[times < seconds])
        begin += seconds
    arrivals = np.concatenate(parts)

    def last_minute(policy, retries):
        run = simulate_overload(arrivals, 0.05, 1.0, policy, retries)
        return int(np.sum(run.good_s > 540)) / 60

    assert last_minute("fifo", 0) > 13 and last_minute("fifo", 1) == 0
    assert last_minute("shed", 1) > 13 and last_minute("lifo", 1) > 13


# --- coordinated omission ---------------------------------------------------------------------


def test_corrected_latency_golden():
    assert corrected_latency(10, [1, 35, 1, 1, 1, 1]) == ([1, 35, 1, 1, 1, 1], [1, 35, 26, 17, 8, 1])
    assert corrected_latency(5, []) == ([], [])
    _, right = corrected_latency(10, [1000 if k == 500 else 1 for k in range(1000)])
    assert sorted(right)[989] == 910
    for bad in ((0, [1]), (1, [-1])):
        with pytest.raises(ValueError, match="must"):
            corrected_latency(*bad)


@settings(deadline=None)
@given(st.integers(1, 20), st.lists(st.integers(0, 90), max_size=20))
def test_corrected_latency_is_a_queue_on_schedule(period, services):
    naive, right = corrected_latency(period, services)
    arrivals = [k * period for k in range(len(services))]
    assert right == [w + s for w, s in zip(fifo_waits(arrivals, services, 1), services)] and naive == services
