"""Static and continuous batching against a clock that ticks, a heap of servers, and the FIFO queue."""

import heapq
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.attention.paging_sim import lognormal_lengths
from utils.engines.llm_serving import IterationScheduler, serve_continuous, simulate_serving, static_steps
from utils.serving.queueing import simulate_fifo

TRACES = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=14)  # (tick of arrival, tokens)


def ticking(trace, max_batch, base, per_seq, static):
    """The same server on a clock of whole ticks that never jumps: what a busy-waiting loop would see."""
    order = sorted(range(len(trace)), key=lambda i: trace[i][0])
    left = {i: trace[i][1] for i in order}
    first, end, batch, tick, busy_until = {}, {}, [], 0, None
    while len(end) < len(trace):
        if busy_until == tick:
            for i in batch:
                left[i] -= 1
                first.setdefault(i, tick)
            if not static or all(left[i] <= 0 for i in batch):
                end |= {i: tick for i in batch if left[i] <= 0}
                batch = [i for i in batch if left[i] > 0]
            busy_until = None
        if busy_until is None:
            if not (static and batch):
                here = [i for i in order if trace[i][0] <= tick and i not in end and i not in batch]
                batch += here[:max_batch - len(batch)]
            if batch:
                busy_until = tick + base + per_seq * len(batch)
        tick += 1
    return [first[i] - trace[i][0] for i in range(len(trace))], [end[i] - trace[i][0] for i in range(len(trace))]


@given(TRACES, st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.sampled_from(["static", "continuous"]))
def test_equals_a_ticking_clock(trace, max_batch, base, per_seq, policy):
    got = simulate_serving(trace, max_batch, base, per_seq, policy)
    ttft, latency = ticking(trace, max_batch, base, per_seq, policy == "static")
    assert (list(got.ttft_s), list(got.latency_s)) == (ttft, latency)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 8))
def test_constant_steps_without_arrivals_are_list_scheduling(outputs, max_batch):
    free_at = [0] * max_batch  # each slot is a machine; the next job goes to the one that is free first
    for n in outputs:
        heapq.heapreplace(free_at, free_at[0] + n)
    got = simulate_serving([(0, n) for n in outputs], max_batch, 1, 0)
    assert got.makespan_s == got.steps == max(free_at)
    static = simulate_serving([(0, n) for n in outputs], max_batch, 1, 0, "static")
    assert static.steps == static_steps(outputs, max_batch)
    assert -(-sum(outputs) // max_batch) <= got.steps <= static.steps
    assert got.mean_batch == pytest.approx(sum(outputs) / max(free_at), rel=1e-12)


@given(TRACES)
def test_a_batch_of_one_is_the_fifo_queue(trace):
    order = sorted(range(len(trace)), key=lambda i: trace[i][0])
    services = [2.0 * trace[i][1] for i in order]  # 1.5 s a step and 0.5 s a sequence
    waits = simulate_fifo([trace[i][0] for i in order], services)
    for policy in ("static", "continuous"):
        got = simulate_serving(trace, 1, 1.5, 0.5, policy)
        assert [got.latency_s[i] for i in order] == [w + s for w, s in zip(waits, services)]


@given(TRACES, st.integers(1, 5), st.sampled_from(["static", "continuous"]))
def test_every_token_is_made_once(trace, max_batch, policy):
    got = simulate_serving(trace, max_batch, 1.0, 0.25, policy)
    made = [i for step in got.timeline for i, gains in zip(step.slots, step.gains) if gains]
    assert {i: made.count(i) for i in set(made)} == {i: n for i, (_, n) in enumerate(trace)}
    for step in got.timeline:
        occupied = sum(slot is not None for slot in step.slots)
        assert 1 <= occupied <= max_batch == len(step.slots)
        assert step.end_s - step.start_s == 1.0 + 0.25 * occupied
    assert all(a.end_s <= b.start_s for a, b in pairwise(got.timeline))
    assert all(0 < t <= total for t, total in zip(got.ttft_s, got.latency_s))


def test_skewed_lengths_are_where_continuous_batching_wins():
    """200 lognormal outputs and 16 slots: no schedule beats ceil(tokens / 16); equal lengths gain nothing."""
    outputs = lognormal_lengths(90, 200, 1024, np.random.default_rng(0)).tolist()
    steps = {p: simulate_serving([(0, n) for n in outputs], 16, 1, 0, p).steps for p in ("static", "continuous")}
    assert -(-sum(outputs) // 16) <= steps["continuous"] < 0.4 * steps["static"]
    equal = {p: simulate_serving([(0, 9)] * 32, 16, 1, 0, p) for p in ("static", "continuous")}
    assert equal["static"].latency_s == equal["continuous"].latency_s


def test_the_example_by_hand():
    assert serve_continuous([0, 0, 1, 2], [3, 8, 2, 4], 2, 1.0, 0.5) == ([2, 2, 7, 10], [6, 16, 9, 15.5])
    static = simulate_serving(list(zip([0, 0, 1, 2], [3, 8, 2, 4])), 2, 1.0, 0.5, "static")
    assert (static.ttft_s, static.latency_s) == ((2, 2, 17, 16), (16, 16, 23, 22))
    assert static.timeline[-1].slots == (2, 3) and static.timeline[-1].gains == (False, True)
    assert static.as_dict()["steps"] == 12 and static.preemptions == 0
    assert serve_continuous([], [], 4, 1.0, 0.5) == ([], [])


def test_nobody_overtakes_the_head():
    scheduler = IterationScheduler(2)
    for name, n in (("big", 2), ("small", 1)):
        scheduler.submit(name, n)
    assert scheduler.admit(lambda name: name == "small") == [] and scheduler.running == []
    assert scheduler.admit() == ["big", "small"] and scheduler.step() == ["small"]
    assert scheduler.produced("big") == 1 and scheduler.slots == ("big", None)
    with pytest.raises(KeyError):
        scheduler.produced("small")


@pytest.mark.parametrize("args", [
    ([(0, 1)], 0, 1, 0), ([(0, 0)], 1, 1, 0), ([(-1, 1)], 1, 1, 0), ([(float("nan"), 1)], 1, 1, 0),
    ([(float("inf"), 1)], 1, 1, 0), ([(0, 1)], 1, -1, 0), ([(0, 1)], 1, 1, -1), ([(0, 1)], 1, float("inf"), 0),
])
def test_bad_input(args):
    with pytest.raises(ValueError, match="must"):
        simulate_serving(*args)


def test_bad_policy_and_lengths():
    with pytest.raises(ValueError, match="policy"):
        simulate_serving([(0, 1)], 1, 1, 0, "dynamic")
    with pytest.raises(ValueError, match="outputs"):
        serve_continuous([0], [1, 2], 1, 1, 0)
