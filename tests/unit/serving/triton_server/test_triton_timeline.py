"""The simulated batcher with instances: equal to chapter 21's for one, and laws for several."""

from itertools import pairwise

import numpy as np
import pytest

from utils.serving.batching.batcher import simulate_batcher
from utils.serving.batching.service import AffineService
from utils.serving.queueing import simulate_fifo
from utils.serving.triton import batch_timeline

COST = AffineService(4.0, 0.5)


def arrivals(rate, n, seed=0):
    return np.cumsum(np.random.default_rng(seed).exponential(1e3 / rate, n))


@pytest.mark.parametrize("rate, size, delay_us", [(100, 8, 0), (400, 8, 3000), (900, 4, 5000), (50, 1, 0)])
def test_one_instance_is_the_batcher_of_chapter_21(rate, size, delay_us):
    times = arrivals(rate, 400)
    ours, theirs = batch_timeline(times, size, delay_us, COST), simulate_batcher(times, size, delay_us / 1e3, COST)
    assert [(e.start_ms, e.size, e.finish_ms) for e in ours.executions] == list(theirs.batches)
    np.testing.assert_allclose(ours.latency_ms, theirs.latency_ms)


@pytest.mark.parametrize("instances", [1, 2, 3])
def test_without_batches_it_is_a_queue(instances):
    times = arrivals(500, 500)
    run = batch_timeline(times, 0, 0, lambda n: 5.0, instances)
    waits = simulate_fifo(times / 1e3, np.full(500, 5e-3), instances)
    np.testing.assert_allclose(run.latency_ms, 1e3 * waits + 5.0, atol=1e-6)
    assert all(e.size == 1 for e in run.executions) and run.mean_batch == 1


@pytest.mark.parametrize("instances, size, delay_us", [(1, 8, 0), (2, 8, 4000), (3, 4, 1000), (4, 16, 0)])
def test_laws(instances, size, delay_us):
    times = arrivals(700, 600, seed=instances)
    run = batch_timeline(times, size, delay_us, COST, instances)
    assert sum(e.size for e in run.executions) == 600 and max(e.size for e in run.executions) <= size
    for lane in range(instances):
        mine = [e for e in run.executions if e.instance == lane]
        assert all(a.finish_ms <= b.start_ms for a, b in pairwise(mine))
    for e in run.executions:
        assert e.start_ms >= times[e.first + e.size - 1] and e.finish_ms == pytest.approx(e.start_ms + COST(e.size))
        free = sorted(x.finish_ms for x in run.executions if x.start_ms < e.start_ms)
        idle_since = free[-instances] if len(free) >= instances else -np.inf
        full = times[e.first + size - 1] if e.first + size <= 600 else np.inf
        assert e.start_ms <= max(idle_since, min(times[e.first] + delay_us / 1e3, full)) + 1e-9  # nobody waits without a reason
    assert run.throughput_per_s == pytest.approx(600 / (max(e.finish_ms for e in run.executions) - times[0]) * 1e3)


@pytest.mark.parametrize("args", [([], 1, 0), ([2, 1], 1, 0), ([1], -1, 0), ([1], 1, -1)])
def test_bad_input(args):
    with pytest.raises(ValueError):
        batch_timeline(*args, COST)
    with pytest.raises(ValueError, match="instances"):
        batch_timeline([1], 1, 0, COST, 0)
