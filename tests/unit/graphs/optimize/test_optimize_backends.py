"""compare_backends: a foreign runtime's failure is a row, and nothing is left out."""

import numpy as np
import pytest

from utils.graphs.optimize import compare_backends

FEEDS = [{"x": np.array([1.0, 2.0])}, {"x": np.array([3.0, np.nan])}]


def double(feed):
    return {"y": 2 * feed["x"], "z": feed["x"] > 2}


def broken(feed):
    if feed["x"][0] > 2:
        raise RuntimeError("no kernel\nat 0x7f")
    return double(feed)


def test_one_row_for_each_candidate_feed_and_output():
    rows = compare_backends(double, {"same": double, "shifted": lambda f: {"y": 2 * f["x"] + 1, "z": f["x"] > 2}}, FEEDS)
    assert [(r.candidate, r.feed, r.output, r.ok) for r in rows] == [
        ("same", 0, "y", True), ("same", 0, "z", True), ("shifted", 0, "y", False), ("shifted", 0, "z", True),
        ("same", 1, "y", True), ("same", 1, "z", True), ("shifted", 1, "y", False), ("shifted", 1, "z", True)]
    assert rows[2].comparison.max_abs == 1.0


def test_failures_are_told():
    rows = compare_backends(double, {
        "broken": broken, "lacks": lambda f: {"y": 2 * f["x"]}, "shape": lambda f: {"y": np.zeros(3), "z": f["x"] > 2},
    }, FEEDS)
    told = {(r.candidate, r.feed, r.output): r.error for r in rows}
    assert told["broken", 0, "y"] == "" and told["broken", 1, "y"] == "RuntimeError: no kernel"
    assert told["lacks", 0, "z"] == "has no output 'z'"
    assert "shape" in told["shape", 0, "y"] and not any(r.ok for r in rows if r.error)


def test_the_tolerance_is_passed_on():
    near = {"near": lambda f: {"y": 2 * f["x"] * 1.01, "z": f["x"] > 2}}
    assert not all(r.ok for r in compare_backends(double, near, FEEDS))
    assert all(r.ok for r in compare_backends(double, near, FEEDS, rtol=0.02))


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(ValueError, match="feed"):
        compare_backends(double, {"same": double}, [])
