"""Measuring by a scripted clock: which calls count, and both rules for percentiles."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.delivery.tradeoff.timing import measure, measure_latency


class Scripted:
    """A function whose n-th call takes the n-th duration (ns), and the clock that shows it."""

    def __init__(self, durations_ns):
        self.now, self.durations, self.log = 10**9, iter(durations_ns), []

    def fn(self):
        self.now += next(self.durations)
        self.log.append("f")

    def clock(self):
        self.log.append("c")
        return self.now


def test_the_example():
    s = Scripted(int(ms * 1e6) for ms in (50, 1, 2, 3, 4, 100))
    assert measure(s.fn, s.clock, 1, 5) == pytest.approx({"p50": 3, "p95": 80.8, "p99": 96.16, "mean": 22, "n": 5})
    assert "".join(s.log) == "f" + "cfc" * 5


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(0, 3))
def test_against_numpy(durations, warmup):
    s = Scripted([7] * warmup + durations)
    got = measure(s.fn, s.clock, warmup, len(durations))
    ms = np.array(durations) / 1e6
    assert [got[k] for k in ("p50", "p95", "p99")] == pytest.approx(np.percentile(ms, (50, 95, 99)), rel=1e-12)
    assert got["mean"] == pytest.approx(ms.mean()) and got["n"] == len(durations)
    s = Scripted([7] * warmup + durations)
    summary = measure_latency(s.fn, warmup=warmup, repeats=len(durations), clock=s.clock)
    assert summary.p95_ms == pytest.approx(np.percentile(ms, 95, method="inverted_cdf"))
    assert summary.max_ms == pytest.approx(ms.max())  # the slowest is kept


def test_no_repeats_no_calls():
    calls = itertools.count()
    for wrong in (lambda: measure(calls.__next__, lambda: 0, 2, 0), lambda: measure_latency(calls.__next__, repeats=0)):
        with pytest.raises(ValueError, match="repeats"):
            wrong()
    assert next(calls) == 0
