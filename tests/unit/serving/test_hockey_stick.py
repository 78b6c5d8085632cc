"""One point of the hockey stick and its curve."""

import numpy as np
import pytest

from utils.serving.hockey_stick import p99_curve, queue_point


def test_point_adds_up():
    point = queue_point(80, 10, 1.0, 1, 5000, 0, False)
    kept = np.sort(point["latency_ms"])
    assert len(kept) == 4500 and point["utilization"] == pytest.approx(0.8) and point["stable"]
    assert [point[k] for k in ("p50_ms", "p95_ms", "p99_ms")] == [kept[2249], kept[4274], kept[4454]]
    assert point["mean_ms"] == pytest.approx(kept.mean())


def test_the_closed_loop_sees_the_service_alone():
    closed = queue_point(95, 10, 0.0, 1, 2000, 0, True)
    assert closed["p99_ms"] == closed["p50_ms"] == 10
    assert queue_point(95, 10, 0.0, 1, 2000, 0, False)["p99_ms"] > 30


def test_overload_grows_with_the_run():
    short, long = (queue_point(120, 10, 0.0, 1, n, 0, False) for n in (2000, 8000))
    assert not short["stable"] and long["p99_ms"] > 3 * short["p99_ms"]


def test_more_servers_and_less_variability_help():
    grid = (0.3, 0.6, 0.9)
    one, four, steady = (p99_curve(grid, 10, scv, c, 8000, 0) for scv, c in ((1.0, 1), (1.0, 4), (0.0, 1)))
    assert list(one) == sorted(one)
    assert all(f < o for f, o in zip(four, one)) and all(s < o for s, o in zip(steady, one))


def test_errors():
    for bad in ((0, 10, 1), (10, 0, 1), (10, 10, 0)):
        with pytest.raises(ValueError, match="positive"):
            queue_point(bad[0], bad[1], 0.0, bad[2], 10, 0, False)
