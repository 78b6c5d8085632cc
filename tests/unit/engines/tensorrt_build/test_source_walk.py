"""The document's script against the three stand-ins, and traffic over two profiles."""

import math

import onnx
import pytest

from utils.engines.tensorrt_build import (
    RELEASES,
    batch_requests,
    recording_tensorrt,
    simulate_profiles,
    source_model,
    walk_source,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("walk") / "model.onnx"
    onnx.save(source_model(), file)
    return str(file)


def stops(release, path):
    walk = walk_source(recording_tensorrt(release), path)
    first = next(i for i, step in enumerate(walk) if step.status != "passed")
    assert all(step.status == "not reached" for step in walk[first + 1 :])
    return walk[first]


def test_each_release_stops_at_its_own_line(path):
    told = {release: stops(release, path) for release in RELEASES}
    assert "build_serialized_network" in told["8.6"].line and "dimension 2 of input is static (640)" in told["8.6"].note
    assert "set_preview_feature" in told["10.16"].line and "DISABLE_EXTERNAL" in told["10.16"].note
    assert "create_network" in told["11.1"].line and "EXPLICIT_BATCH" in told["11.1"].note


def test_leaving_out_the_lines_that_fail(path):
    failed = {r: [s.line.split("(")[0] for s in walk_source(recording_tensorrt(r), path, keep_going=True) if s.status == "failed"]
              for r in RELEASES}
    assert [len(failed[r]) for r in RELEASES] == [2, 3, 5]  # each time with the build and what follows it


def test_the_batch_stays_at_one_even_where_it_builds(path):
    """The script's profile on a model with dynamic height and width: it builds on 8.6, for batch 1 only."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    free = make_model([helper.make_node("Relu", ["input"], ["y"])], {"input": ("N", 3, "H", "W")}, {"y": ("N", 3, "H", "W")})
    file = path.replace("model", "free")
    onnx.save(free, file)
    walk = walk_source(recording_tensorrt("8.6"), file)
    assert all(step.status == "passed" for step in walk)


def test_requests_have_their_mean_and_their_seed():
    assert set(batch_requests(4, 0)) == {4}
    many = batch_requests(16, 0.7, n=20_000, seed=1)
    # rounding and the floor at 1 move the mean a little; sigma of the mean is 16 * 0.8 / sqrt(20000) = 0.09
    assert abs(many.mean() - 16) < 0.4 and many.min() >= 1
    assert list(batch_requests(8, 1, seed=3)) == list(batch_requests(8, 1, seed=3))
    for bad in ((0, 1), (1, -1)):
        with pytest.raises(ValueError):
            batch_requests(*bad)


def test_traffic_over_two_profiles():
    state = simulate_profiles([(1, 1, 4), (1, 16, 32)], [2, 4, 5, 33, 32], {"sample_bytes": 10, "weights_bytes": 7})
    assert state["served"] == [0, 0, 1, -1, 1] and state["rejected"] == 1
    assert state["distance"][:3] == pytest.approx([math.log(2), math.log(4), math.log(16 / 5)])
    assert math.isnan(state["distance"][3])
    assert state["activation_bytes"] == [40, 320] and state["used_bytes"] == [40, 320]
    assert state["total_bytes"] == 367
