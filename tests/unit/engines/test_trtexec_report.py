"""Summaries of traces, their text, and real logs."""

import itertools
import json
import statistics
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.trtexec_log import format_averages, format_report, parse_log
from utils.engines.trtexec_report import (
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
@given(records)
def test_text_round_trip(rows):
    summary = summarize(random_trace(rows), 0)
    if summary.wall_s == 0:
        return
    back = parse_log(format_report(summary))
    stamped = parse_log("\n".join(f"[07/30/2026-15:30:36] [I] {line}" for line in format_report(summary).splitlines()))
    assert stamped == back
    assert (back.queries, back.warmups) == (summary.queries, summary.warmups)
    for name in ("latency", "enqueue", "h2d", "compute", "d2h"):
        ours, theirs = getattr(summary, name), getattr(back, name)
        # six significant digits are printed: relative error at most 5e-6
        assert theirs.percentiles_ms == pytest.approx(ours.percentiles_ms, rel=1e-5)
        assert theirs.mean_ms == pytest.approx(ours.mean_ms, rel=1e-5)
    assert back.throughput_qps == pytest.approx(summary.throughput_qps, rel=1e-5)
    assert back.enqueue_bound == summary.enqueue_bound or summary.enqueue.median_ms == pytest.approx(
        0.8 * summary.compute.median_ms, rel=1e-4
    )


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


def test_averages():
    text = format_averages(TRACE, 20, runs=2)
    assert text.splitlines()[2:] == [
        "Average on 2 runs - GPU latency: 2 ms - Host latency: 3.5 ms (enqueue 0.5 ms)",
        "Average on 2 runs - GPU latency: 2.5 ms - Host latency: 4 ms (enqueue 0.5 ms)",
    ]
    assert len(format_averages(TRACE, 20, runs=3).splitlines()) == 3  # an incomplete group is not printed
    with pytest.raises(ValueError, match="runs"):
        format_averages(TRACE, 20, runs=0)


# Performance summary lines of a real run of TensorRT 10 (github.com/NVIDIA/TensorRT/issues/4177, 2024-10-03)
REAL_LOG = """
[10/03/2024-10:47:59] [I] === Performance summary ===
[10/03/2024-10:47:59] [I] Throughput: 130.298 qps
[10/03/2024-10:47:59] [I] Latency: min = 5.38672 ms, max = 13.3664 ms, mean = 7.60628 ms, median = 7.16092 ms, percentile(90%) = 10.2996 ms, percentile(95%) = 10.8698 ms, percentile(99%) = 12.9675 ms
[10/03/2024-10:47:59] [I] Enqueue Time: min = 2.72876 ms, max = 15.0201 ms, mean = 7.63062 ms, median = 7.86694 ms, percentile(90%) = 10.1792 ms, percentile(95%) = 11.7217 ms, percentile(99%) = 14.1848 ms
[10/03/2024-10:47:59] [I] H2D Latency: min = 0.0065918 ms, max = 0.0698242 ms, mean = 0.0122212 ms, median = 0.00814819 ms, percentile(90%) = 0.0253906 ms, percentile(95%) = 0.0270996 ms, percentile(99%) = 0.0515137 ms
[10/03/2024-10:47:59] [I] GPU Compute Time: min = 5.34595 ms, max = 13.3388 ms, mean = 7.58404 ms, median = 7.14139 ms, percentile(90%) = 10.2881 ms, percentile(95%) = 10.8175 ms, percentile(99%) = 12.9485 ms
[10/03/2024-10:47:59] [I] D2H Latency: min = 0.00390625 ms, max = 0.110596 ms, mean = 0.0100141 ms, median = 0.00439453 ms, percentile(90%) = 0.0254517 ms, percentile(95%) = 0.0319824 ms, percentile(99%) = 0.0994873 ms
[10/03/2024-10:47:59] [I] Total Host Walltime: 3.00082 s
[10/03/2024-10:47:59] [I] Total GPU Compute Time: 2.96536 s
"""

# and of TensorRT 8.4, with one percentile (github.com/OE4T/meta-tegra/pull/952, 2022-04-12)
OLD_LOG = """
[03/11/2022-14:57:03] [I] === Performance summary ===
[03/11/2022-14:57:03] [I] Throughput: 41087.7 qps
[03/11/2022-14:57:03] [I] Latency: min = 0.387207 ms, max = 0.447357 ms, mean = 0.402238 ms, median = 0.401947 ms, percentile(99%) = 0.420288 ms
[03/11/2022-14:57:03] [I] Enqueue Time: min = 0.0830078 ms, max = 0.229004 ms, mean = 0.090497 ms, median = 0.0871582 ms, percentile(99%) = 0.126099 ms
[03/11/2022-14:57:03] [I] H2D Latency: min = 0.00622559 ms, max = 0.0571899 ms, mean = 0.0104126 ms, median = 0.00952148 ms, percentile(99%) = 0.0272217 ms
[03/11/2022-14:57:03] [I] GPU Compute Time: min = 0.375977 ms, max = 0.403564 ms, mean = 0.388221 ms, median = 0.388443 ms, percentile(99%) = 0.393188 ms
[03/11/2022-14:57:03] [I] D2H Latency: min = 0.00195312 ms, max = 0.00537109 ms, mean = 0.00360451 ms, median = 0.00366211 ms, percentile(99%) = 0.00488281 ms
[03/11/2022-14:57:03] [I] Total Host Walltime: 3.00119 s
[03/11/2022-14:57:03] [I] Total GPU Compute Time: 2.99202 s
"""


def test_real_logs():
    new = parse_log(REAL_LOG)
    assert new.throughput_qps == 130.298
    assert new.latency.percentiles_ms == {90: 10.2996, 95: 10.8698, 99: 12.9675}
    assert new.enqueue_bound
    assert new.queries is None
    # the log is consistent with its own definitions: queries / wall, and latency = H2D + compute + D2H
    assert new.total_compute_s / (new.compute.mean_ms / 1e3) / new.wall_s == pytest.approx(new.throughput_qps, rel=1e-3)
    parts = new.h2d.mean_ms + new.compute.mean_ms + new.d2h.mean_ms
    assert new.latency.mean_ms == pytest.approx(parts, rel=1e-5)
    old = parse_log(OLD_LOG)
    assert old.latency.percentiles_ms == {99: 0.420288}
    assert not old.enqueue_bound
    # --batch=16 of 8.4 counted samples: 41088 "qps" are 16 times the number of queries
    assert old.total_compute_s / old.compute.mean_ms * 1e3 / old.wall_s * 16 == pytest.approx(41087.7, rel=1e-3)


def test_what_is_around_the_summary():
    text = (
        "Warmup completed 3 queries over 200 ms\nTiming trace has 391 queries over 3.00082 s\n"
        + REAL_LOG
        + "[W] * GPU compute time is unstable, with coefficient of variance = 21.5%.\n&&&& PASSED\n"
    )
    got = parse_log(text)
    assert (got.queries, got.warmups, got.compute.cv_pct) == (391, 3, 21.5)
    assert len(got.warnings) == 1
    assert parse_log(OLD_LOG + text) == got  # the last one counts


@pytest.mark.parametrize("text", ["", "Throughput: 3 qps", REAL_LOG[: len(REAL_LOG) // 2]])
def test_no_summary(text):
    with pytest.raises(ValueError, match="no performance summary"):
        parse_log(text)
