"""The model of trtexec's loop: conservation, exclusive engines, saturation."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.report import summarize
from utils.engines.trtexec.timeline import simulate_timeline

ms = st.integers(0, 40).map(lambda n: n / 8)  # exact in binary
loads = st.fixed_dictionaries(
    {
        "streams": st.integers(1, 4),
        **dict.fromkeys(("h2d_ms", "d2h_ms", "enqueue_ms"), ms),
        "compute_ms": ms.map(lambda t: t + 0.125),
        "cuda_graph": st.booleans(),
        "data_transfers": st.booleans(),
    }
)


@settings(deadline=None)
@given(loads)
def test_every_query_runs_once_and_engines_serve_one_at_a_time(options):
    trace = simulate_timeline(**options)
    assert len(trace) == 12 * options["streams"]
    for phase in ("Enq", "H2d", "Compute", "D2h"):
        spans = sorted((q[f"start{phase}Ms"], q[f"end{phase}Ms"]) for q in trace)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    for q in trace:
        assert q["startEnqMs"] <= q["endEnqMs"] <= q["startComputeMs"]
        assert q["endH2dMs"] <= q["startComputeMs"] <= q["endComputeMs"] <= q["startD2hMs"] <= q["endD2hMs"]
    starts = [q["startH2dMs"] for q in trace]
    assert starts == sorted(starts)


@settings(deadline=None)
@given(loads)
def test_latency_is_the_sum_of_the_phases_whatever_waits(options):
    copies = options["h2d_ms"] + options["d2h_ms"] if options["data_transfers"] else 0
    summary = summarize(simulate_timeline(**options), 0)
    assert summary.latency.mean_ms == pytest.approx(copies + options["compute_ms"])
    assert summary.latency.min_ms == pytest.approx(summary.latency.max_ms)


@settings(deadline=None)
@given(loads)
def test_at_most_two_queries_of_a_stream_are_in_flight(options):
    trace = simulate_timeline(**options)
    for stream in range(options["streams"]):
        own = sorted((q for q in trace if q["stream"] == stream), key=lambda q: q["startEnqMs"])
        assert all(later["startEnqMs"] >= first["endD2hMs"] for first, later in zip(own, own[2:]))


def throughput(**options):
    return summarize(simulate_timeline(queries=200, **options), 0).throughput_qps


@settings(deadline=None)
@given(loads)
def test_no_faster_than_the_slowest_stage(options):
    stages = [options["compute_ms"]]
    if options["data_transfers"]:
        stages += [options["h2d_ms"], options["d2h_ms"]]
    if not options["cuda_graph"]:
        stages.append(options["enqueue_ms"])
    # n queries need at least n times the slowest stage, less the first enqueue, which precedes the wall time
    queries = 200 * options["streams"]
    assert throughput(**options) <= 1000 / max(stages) * queries / (queries - 1) * (1 + 1e-9)


def test_streams_saturate_at_the_slowest_stage():
    work = {"h2d_ms": 3.0, "compute_ms": 4.0, "d2h_ms": 3.0, "enqueue_ms": 0.5}
    one, two, four = (throughput(streams=s, **work) for s in (1, 2, 4))
    assert one == pytest.approx(200, rel=0.01)  # two in flight: 2 queries per 3 + 4 + 3 ms
    assert two == pytest.approx(250, rel=0.01)  # 1 query per 4 ms
    assert four == pytest.approx(two, rel=0.01)


def test_an_enqueue_bound_run_and_its_cure():
    work = {"streams": 1, "h2d_ms": 0.0, "compute_ms": 1.0, "d2h_ms": 0.0, "enqueue_ms": 2.0}
    bound = summarize(simulate_timeline(**work), 0)
    cured = summarize(simulate_timeline(**work, cuda_graph=True), 0)
    assert bound.enqueue_bound
    assert not cured.enqueue_bound
    assert cured.throughput_qps > 1.9 * bound.throughput_qps
    # trtexec's latency does not see the enqueue
    assert cured.latency.mean_ms == pytest.approx(bound.latency.mean_ms)


@pytest.mark.parametrize("bad", [{"streams": 0}, {"queries": 0}, {"compute_ms": -1.0}])
def test_errors(bad):
    good = {"streams": 1, "h2d_ms": 1.0, "compute_ms": 1.0, "d2h_ms": 1.0, "enqueue_ms": 0.0}
    with pytest.raises(ValueError):
        simulate_timeline(**(good | bad))
