"""The report as text and back, and logs of real runs."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.log import format_averages, format_report, parse_log
from utils.engines.trtexec.report import summarize, trace_record


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

durations = st.floats(0, 50)
records = st.lists(st.tuples(st.floats(0, 20), durations, durations, durations, durations), min_size=1, max_size=120)


def random_trace(rows):
    starts = itertools.accumulate(row[0] for row in rows)
    return sorted(sequential(*[(start, *row[1:]) for start, row in zip(starts, rows)]), key=lambda q: q["startH2dMs"])


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
