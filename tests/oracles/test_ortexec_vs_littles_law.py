"""Little's law as the judge of ortexec: queries in flight = throughput x mean latency = busy streams."""

import pytest

from utils.engines.ortexec import ortexec
from utils.engines.stream_sweep import four_layer_cnn, in_flight


@pytest.mark.parametrize("streams", [1, 2])
def test_in_flight_equals_streams(streams):
    """A stream always has one query in flight, but for the binding of the call and Python between two queries.

    Both sides come from one clock, so that a busy machine stretches both; 25 % covers the gaps (about 5 % here) and
    the ends of the run, where a stream may have stopped before the others.
    """
    run = ortexec(four_layer_cnn(size=96), {"x": (1, 3, 96, 96)}, duration_s=0.4, warm_up_ms=100.0, streams=streams)
    assert in_flight(run.summary) == pytest.approx(streams, rel=0.25)
    # exact bound: a stream cannot be in two queries at once
    kept = run.trace[-run.summary.queries :]
    busy_ms = sum(q["endD2hMs"] - q["startH2dMs"] for q in kept)
    span_ms = max(q["endD2hMs"] for q in kept) - kept[0]["startH2dMs"]
    assert busy_ms <= streams * span_ms
