"""Percentile rules, summaries and the scripted clock of utils/cost/latency.py."""

import itertools
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.latency import (
    LatencySummary,
    percentile,
    percentile_linear,
    summarize,
    time_callable,
    time_interleaved,
)

samples = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


class Ticks:
    """A clock in ns whose reads come from a script."""

    def __init__(self, steps_ms):
        self.now = 0
        self.reads = 0
        self.steps = itertools.cycle(steps_ms)

    def __call__(self):
        self.reads += 1
        return self.now

    def work(self):
        self.now += int(next(self.steps) * 1e6)


@settings(deadline=None)
@given(samples, st.integers(1, 100))
def test_percentile_is_the_smallest_sample_with_q_percent_at_or_below(values, q):
    got = percentile(values, q)
    assert got in [float(v) for v in values]
    at_or_below = sum(v <= got for v in values)
    strictly_below = sum(v < got for v in values)
    # exact rational comparison, no rounding
    assert Fraction(at_or_below, len(values)) >= Fraction(q, 100) > Fraction(strictly_below, len(values))


@pytest.mark.parametrize("q", [50, 90, 95, 99])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 99, 100, 101, 1000])
def test_percentile_equals_numpys_inverted_cdf(n, q):
    values = np.random.default_rng(n).exponential(size=n)
    assert percentile(values, q) == np.percentile(values, q, method="inverted_cdf")


def test_percentile_takes_q_as_a_decimal():
    assert percentile(range(1, 1001), 99.9) == 999  # 0.999 * 1000 rounds up in binary
    assert percentile(range(1, 11), 90) == 9  # interpolation would say 9.1
    assert percentile(range(1, 101), 99) == 99


@settings(deadline=None)
@given(samples, st.integers(1, 100))
def test_percentiles_do_not_depend_on_order_and_agree_at_the_ends(values, q):
    assert percentile(values[::-1], q) == percentile(values, q)
    assert percentile(values, 100) == percentile_linear(values, 100) == max(values)
    assert percentile_linear(values, 0) == min(values)


def test_percentile_linear_interpolates():
    assert percentile_linear([0, 10], 25) == 2.5
    assert percentile_linear(range(1, 11), 90) == pytest.approx(9.1)


@pytest.mark.parametrize("rule", [percentile, percentile_linear])
def test_percentile_errors(rule):
    with pytest.raises(ValueError, match="empty"):
        rule([], 50)
    with pytest.raises(ValueError, match="q must"):
        rule([1.0], 101)
    with pytest.raises(ValueError, match="NaN"):
        rule([1.0, math.nan], 50)
    with pytest.raises(ValueError, match="q must"):
        percentile([1.0], 0)


def test_input_is_not_changed():
    values = [3.0, 1.0, 2.0]
    summarize(values)
    assert values == [3.0, 1.0, 2.0]


def test_summary_of_999_fast_and_one_slow():
    # 999 x 1 ms and 1 x 1 s: the mean doubles, p99 does not move
    got = summarize([1.0] * 999 + [1000.0])
    assert got == LatencySummary(1000, 1.999, 1.0, 1.0, 1.0, 1.0, 1000.0, pytest.approx(1000 / 1.999))
    assert percentile([1.0] * 999 + [1000.0], 99.95) == 1000.0
    assert got.as_dict()["p50_ms"] == 1.0


@settings(deadline=None)
@given(samples, st.floats(1e-3, 1e3))
def test_summary_is_ordered_and_uses_the_wall_time(values, wall_s):
    got = summarize(values, wall_s)
    assert got.p50_ms <= got.p90_ms <= got.p95_ms <= got.p99_ms <= got.max_ms
    assert got.n == len(values)
    assert got.throughput_per_s == len(values) / wall_s


def test_summary_errors():
    with pytest.raises(ValueError, match="empty"):
        summarize([])
    with pytest.raises(ValueError, match="wall_s"):
        summarize([1.0], 0.0)


def test_time_callable_reads_the_clock_around_each_timed_call_only():
    clock = Ticks([5, 1, 2, 3])
    got = time_callable(clock.work, warmup=1, repeats=3, clock=clock)
    assert got.tolist() == [1.0, 2.0, 3.0]  # the 5 ms call was the warm-up
    assert clock.reads == 6


def test_time_callable_charges_queued_work_to_the_call_that_queued_it():
    clock, queue = Ticks([1]), []

    def sync():  # 7 ms of device work for each queued call
        clock.now += 7_000_000 * len(queue)
        queue.clear()

    def launch():
        clock.work()
        queue.append(1)

    assert time_callable(launch, warmup=3, repeats=2, clock=clock, sync=sync).tolist() == [8.0, 8.0]
    queue.clear()
    assert time_callable(launch, warmup=3, repeats=2, clock=clock).tolist() == [1.0, 1.0]  # the usual mistake


def test_time_interleaved_calls_each_once_per_round_and_rotates():
    order = []
    clock = Ticks([1])
    fns = {name: lambda name=name: (order.append(name), clock.work()) for name in "abc"}
    got = time_interleaved(fns, 3, clock=clock)
    assert {name: values.shape for name, values in got.items()} == dict.fromkeys("abc", (3,))
    assert "".join(order[3:]) == "abcbcacab"  # after one warm-up call each


def test_drift_biases_sequential_timing_but_not_interleaved_ratios():
    clock = Ticks([1])
    cost = {"a": 1.0, "b": 2.0}

    def make(name):
        def fn():
            clock.now += int(cost[name] * (1 + clock.now / 1e9) * 1e6)  # the machine slows down

        return fn

    together = time_interleaved({n: make(n) for n in cost}, 200, clock=clock)
    # within a round the clock moves by about 3 ms of 1e9 ns: ratios are off by less than 1 %
    assert np.median(together["b"] / together["a"]) == pytest.approx(2, rel=0.01)
    clock.now = 0
    apart = {n: time_callable(make(n), repeats=200, clock=clock) for n in cost}
    assert np.median(apart["b"]) / np.median(apart["a"]) > 2.2


@pytest.mark.parametrize("bad", [{"repeats": 0}, {"warmup": -1}])
def test_time_callable_errors(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        time_callable(lambda: None, **bad)


def test_time_interleaved_errors():
    with pytest.raises(ValueError, match="fns"):
        time_interleaved({}, 3)
    with pytest.raises(ValueError, match="repeats"):
        time_interleaved({"a": lambda: None}, 0)


def test_import_is_light():
    code = "import sys, utils.cost.latency; sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'scipy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
