"""Summaries of traces by trtexec's rules, and their JSON."""

import itertools
import json
import statistics
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.log import format_report
from utils.engines.trtexec.report import (
    summarize,
    summarize_trace,
    trace_json,
    trace_record,
    trtexec_percentile_index,
)


def sequential(*queries):
    """Records of (start, enqueue, h2d, compute, d2h), each phase starting when the one before ends."""
    edges = (list(itertools.accumulate(query)) for query in queries)
    return [trace_record((a, b), (b, c), (c, d), (d, e)) for a, b, c, d, e in edges]


TRACE = sequential(
    (0, 0.5, 1, 9, 0.5),
    (12, 0.5, 1, 4, 0.5),
    (20, 0.5, 1, 2, 0.5),
    (24, 0.5, 1, 2, 0.5),
    (28, 0.5, 1, 3, 0.5),
    (33, 0.5, 1, 2, 0.5),
)

# recorded from findPercentile of sampleReporting.cpp, compiled: (percentile, count) -> index
GOLDEN_INDEX = {
    (90, 10): 8,
    (90, 100): 89,
    (90, 1000): 899,
    (95, 100): 94,
    (99, 100): 99,
    (99, 200): 198,
    (99, 1000): 990,
    (50, 10): 4,
}


def test_golden_percentile_indices():
    assert {key: trtexec_percentile_index(*key) for key in GOLDEN_INDEX} == GOLDEN_INDEX


def float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 10_000))
def test_index_rounds_every_step_to_float32(tenths, count):
    # one float64 operation on float32 operands, then rounded, is the correctly rounded float32 operation
    p = float32(tenths / 10)
    share = float32(1 - float32(p / 100))
    assert trtexec_percentile_index(tenths / 10, count) == max(count - 1 - int(float32(share * float32(count))), 0)


@settings(deadline=None)
@given(st.floats(0, 100), st.floats(0, 100), st.integers(1, 5000))
def test_index_is_monotone_and_within(a, b, count):
    low, high = sorted((a, b))
    assert 0 <= trtexec_percentile_index(low, count) <= trtexec_percentile_index(high, count) <= count - 1
    assert trtexec_percentile_index(100, count) == count - 1


def test_index_errors():
    for bad in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match="percentile"):
            trtexec_percentile_index(bad, 10)
    with pytest.raises(ValueError, match="count"):
        trtexec_percentile_index(99, 0)


def test_example_trace():
    got = summarize_trace(TRACE, warmup_ms=20)
    assert (got["queries"], got["warmups"]) == (4, 2)
    assert got["throughput_qps"] == pytest.approx(4 / 16.5e-3)  # 242.424
    assert got["latency"]["mean"] == 3.75
    assert got["latency"]["median"] == 3.5
    assert got["latency"]["p90"] == 4.5
    assert got["compute_cv_pct"] == pytest.approx(19.245, abs=1e-3)
    assert got["enqueue_bound"] is False
    assert summarize(TRACE, 20).wall_s == pytest.approx(16.5e-3)


def test_p99_of_100_queries_is_the_maximum():
    trace = sequential(*[(10.0 * k, 0, 0, k + 1, 0) for k in range(100)])
    got = summarize_trace(trace, 0, percentiles=(50, 99.9))
    assert set(got["latency"]) == {"min", "max", "mean", "median", "p50", "p99.9"}
    assert summarize_trace(trace, 0)["latency"]["p99"] == 100


durations = st.floats(0, 50)
records = st.lists(st.tuples(st.floats(0, 20), durations, durations, durations, durations), min_size=1, max_size=120)


def random_trace(rows):
    starts = itertools.accumulate(row[0] for row in rows)
    return sorted(sequential(*[(start, *row[1:]) for start, row in zip(starts, rows)]), key=lambda q: q["startH2dMs"])


@settings(deadline=None)
@given(records, st.floats(0, 200))
def test_summary_by_plain_loops(rows, warmup_ms):
    trace = random_trace(rows)
    kept = list(itertools.dropwhile(lambda q: q["startComputeMs"] < warmup_ms, trace))
    if not kept:
        with pytest.raises(ValueError, match="warm-up"):
            summarize_trace(trace, warmup_ms)
        return
    got = summarize_trace(trace, warmup_ms)
    latencies = [sum(q[f"end{p}Ms"] - q[f"start{p}Ms"] for p in ("H2d", "Compute", "D2h")) for q in kept]
    assert got["queries"] + got["warmups"] == len(trace)
    assert got["queries"] == len(kept)
    # sums of at most 120 terms below 150: 1e-9 leaves orders of magnitude for rounding
    assert got["latency"]["mean"] == pytest.approx(statistics.fmean(latencies), abs=1e-9)
    assert got["latency"]["median"] == pytest.approx(statistics.median(latencies), abs=1e-9)
    assert got["latency"]["max"] == pytest.approx(max(latencies), abs=1e-9)
    assert got["latency"]["min"] <= got["latency"]["p90"] <= got["latency"]["p99"] <= got["latency"]["max"]
    wall = kept[-1]["endD2hMs"] - kept[0]["startH2dMs"]
    if wall > 0:
        assert got["throughput_qps"] * wall == pytest.approx(1000 * len(kept))


def test_warmup_is_a_time_and_ends_once():
    # a later query that computes early (another stream) is kept
    trace = sequential((0, 0, 0, 1, 0), (30, 0, 0, 1, 0), (10, 0, 0, 1, 0))
    assert summarize(trace, 20).queries == 2


def test_overlapping_queries_divide_by_wall_time():
    trace = sequential(*[(k, 0, 0, 10, 0) for k in range(100)])
    got = summarize(trace, 0, streams=10)
    assert got.throughput_qps == pytest.approx(100 / 109e-3)
    assert got.throughput_qps > 5 * 1000 / got.latency.mean_ms
    assert any("streams" in warning for warning in got.warnings)


def test_warnings():
    def words(trace):
        return " ".join(summarize(trace, 0).warnings)

    assert words(sequential((0, 0.1, 0, 1, 0), (2, 0.1, 0, 1, 0))) == ""
    assert "Enqueue" in words(sequential((0, 0.9, 0, 1, 0)))
    assert "inputs" in words(sequential((0, 0, 1, 1, 0)))
    assert "outputs" in words(sequential((0, 0, 0, 1, 1)))
    assert "unstable" in words(sequential((0, 0, 0, 1, 0), (2, 0, 0, 1.1, 0)))


@settings(deadline=None)
@given(records, st.floats(0, 50))
def test_exported_times_give_the_same_report(rows, warmup_ms):
    trace = random_trace(rows)
    if all(query["startComputeMs"] < warmup_ms for query in trace):
        return
    exported = json.loads(trace_json(trace, warmup_ms))
    assert {"h2dMs", "computeMs", "d2hMs", "latencyMs"} <= set(exported[0])
    again, first = summarize(exported, 0), summarize(trace, warmup_ms)
    assert format_report(again).splitlines()[1:] == format_report(first).splitlines()[1:]
