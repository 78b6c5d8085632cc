"""The batcher's simulation against ticks of a clock, the recursion of a queue, and conservation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.serving.batching import batcher_schedule, simulate_batcher, simulate_full_batches
from utils.serving.queueing import fifo_latencies, poisson_arrivals

# the examples of the chapter, worked out by hand
ARRIVALS = [0, 1, 2, 3, 10, 11, 30]


def by_ticks(arrivals, max_batch, max_delay, cost, full_only=False):
    """Whole times only: at each tick requests come in, then a free server looks whether a batch may start."""
    queue, todo, batches, free, t = [], list(arrivals), [], 0, 0
    while queue or todo:
        while todo and todo[0] <= t:
            queue.append(todo.pop(0))
        waited = not todo if full_only else queue and t - queue[0] >= max_delay
        if queue and t >= free and (len(queue) >= max_batch or waited):
            size = min(len(queue), max_batch)
            free = t + cost(size)
            batches.append((t, size, free))
            del queue[:size]
            continue  # with a cost of 0 another may start at once
        t += 1
    return batches


arrival_lists = st.lists(st.integers(0, 12), min_size=1, max_size=25).map(lambda gaps: np.cumsum(gaps).tolist())


@settings(max_examples=200, deadline=None)
@given(arrival_lists, st.integers(1, 5), st.integers(0, 20), st.integers(0, 9), st.integers(0, 4))
def test_a_clock_that_ticks_agrees(arrivals, max_batch, delay, a, b):
    cost = lambda n: a + b * n
    assert batcher_schedule(arrivals, max_batch, delay, cost) == by_ticks(arrivals, max_batch, delay, cost)
    full = simulate_full_batches(arrivals, max_batch, cost)
    assert [tuple(x) for x in full.batches] == by_ticks(arrivals, max_batch, 0, cost, full_only=True)


@pytest.mark.parametrize("delay", [0.0, 5.0])
def test_with_batches_of_one_it_is_the_fifo_queue(delay):
    arrivals = 1e3 * poisson_arrivals(300, 2000, np.random.default_rng(0))
    got = simulate_batcher(arrivals, 1, delay, lambda n: 3.0).latency_ms
    assert np.allclose(got, fifo_latencies(arrivals, np.full(2000, 3.0)), rtol=0, atol=1e-6)  # sums of 2,000 terms near 1e4


def test_nothing_is_lost_and_no_batch_overlaps():
    arrivals = 1e3 * poisson_arrivals(900, 3000, np.random.default_rng(1))
    run = simulate_batcher(arrivals, 8, 4.0, lambda n: 2 + 0.5 * n)
    assert sum(b.size for b in run.batches) == 3000 and max(b.size for b in run.batches) == 8
    assert all(later.start_ms >= earlier.finish_ms for earlier, later in zip(run.batches, run.batches[1:]))
    assert (run.starts_ms >= arrivals).all() and (run.latency_ms > 0).all()
    assert run.mean_batch == pytest.approx(3000 / len(run.batches))
    assert run.throughput_per_s == pytest.approx(3e6 / (run.finishes_ms[-1] - arrivals[0]))
    assert 0 < run.utilization <= 1


def test_overload_runs_full_batches_at_capacity():
    arrivals = np.arange(4000) * 0.1  # 10,000 per s against 8 / 6 per ms
    run = simulate_batcher(arrivals, 8, 0, lambda n: 2 + 0.5 * n)
    assert {b.size for b in run.batches[5:-1]} == {8}  # 4,000 requests don't end in a full batch
    assert run.throughput_per_s == pytest.approx(1e3 * 8 / 6, rel=0.01)


def test_examples_by_hand():
    cost = lambda n: 4 + n
    assert batcher_schedule(ARRIVALS, 4, 5, cost) == [(3, 4, 11), (15, 2, 21), (35, 1, 40)]
    assert batcher_schedule(ARRIVALS, 4, 0, cost) == [(0, 1, 5), (5, 3, 12), (12, 2, 18), (30, 1, 35)]
    assert simulate_batcher(ARRIVALS, 4, 5, cost).latency_ms.mean() == pytest.approx(69 / 7)
    assert [tuple(b) for b in simulate_full_batches(ARRIVALS, 4, cost).batches] == [(3, 4, 11), (30, 3, 37)]
    assert batcher_schedule([], 4, 5, cost) == []


@pytest.mark.parametrize(("arrivals", "max_batch", "delay", "word"), [
    ([], 1, 0, "arrivals_ms"), ([1, 0], 1, 0, "sorted"), ([[1]], 1, 0, "sorted"), ([0], 0, 0, "max_batch"), ([0], 1, -1, "max_delay_ms"),
])
def test_bad_input(arrivals, max_batch, delay, word):
    with pytest.raises(ValueError, match=word):
        simulate_batcher(arrivals, max_batch, delay, lambda n: 1.0)


def test_a_negative_service_time_is_refused():
    with pytest.raises(ValueError, match="service"):
        simulate_full_batches([0.0], 1, lambda n: -1.0)
