"""ortexec on small models: the loop's rule, the phases, the files."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper

from utils.engines import ortexec as module
from utils.engines.ortexec import make_feeds, ortexec
from utils.engines.trtexec.log import format_report
from utils.engines.trtexec.report import summarize
from utils.graphs.onnx_tools import make_model, make_session

QUICK = {"duration_s": 0.0, "warm_up_ms": 0.0, "iterations": 5}


@pytest.fixture(scope="module")
def add():
    """y = a + b with a float32 of (N, 3) and b int8 of (3)."""
    nodes = [
        helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["a", "c"], ["y"]),
    ]
    return make_model(nodes, {"a": ("N", 3), "b": (np.int8, (3,))}, {"y": ("N", 3)})



def test_records_are_complete_and_ordered(add):
    run = ortexec(add, {"a": (4, 3)}, streams=2, **QUICK)
    assert run.shapes == {"a": (4, 3), "b": (3,)}
    assert len(run.trace) == 10
    for q in run.trace:
        assert q["startH2dMs"] <= q["endH2dMs"] <= q["startEnqMs"] <= q["endEnqMs"] <= q["startComputeMs"]
        assert q["startComputeMs"] <= q["endComputeMs"] == q["startD2hMs"] <= q["endD2hMs"]
    starts = [q["startH2dMs"] for q in run.trace]
    assert starts == sorted(starts)
    assert run.summary == summarize(run.trace, 0.0, streams=2)


def scripted_loop(computes_ms, iterations, until_ms, warm_up_ms):
    class Stream:
        def __init__(self):
            self.starts = iter(computes_ms)

        def query(self, now_ms):
            return {"startComputeMs": next(self.starts)}

    return len(module._loop(Stream(), lambda: 0.0, iterations, until_ms, warm_up_ms))


@pytest.mark.parametrize(
    ("iterations", "until_ms", "warm_up_ms", "queries"),
    [
        (3, 0, 0, 3),  # iterations alone
        (1, 500, 0, 6),  # until a compute starts at 500 ms or later
        (3, 0, 250, 6),  # 0, 100 and 200 are warm-up and do not count; 300, 400 and 500 do
        (1, 450, 250, 6),
    ],
)
def test_loop_rule(iterations, until_ms, warm_up_ms, queries):
    # computes start at 0, 100, 200, ... ms
    assert scripted_loop(range(0, 10_000, 100), iterations, until_ms, warm_up_ms) == queries


def test_warm_up_ends_and_enough_queries_follow(add):
    run = ortexec(add, iterations=7, duration_s=0.0, warm_up_ms=20.0)
    assert run.summary.queries == 7
    assert run.summary.warmups == len(run.trace) - 7 > 0
    assert run.shapes["a"] == (1, 3)  # an open dimension is 1


def test_duration_is_reached(add):
    run = ortexec(add, iterations=1, duration_s=0.05, warm_up_ms=10.0)
    assert run.trace[-1]["startComputeMs"] >= 60
    assert run.trace[-2]["startComputeMs"] < 60


def test_exported_times_are_the_printed_report(add, tmp_path):
    file = tmp_path / "times.json"
    run = ortexec(add, iterations=20, duration_s=0.0, warm_up_ms=5.0, streams=2, export_times=file)
    again = summarize(json.loads(file.read_text()), 0, streams=2)
    assert format_report(again).splitlines()[1:] == format_report(run.summary).splitlines()[1:]
    assert [p.name for p in tmp_path.iterdir()] == ["times.json"]


def test_report(add):
    run = ortexec(add, avg_runs=2, **QUICK)
    assert run.report().count("Average on 2 runs") == 2
    assert run.report().endswith(format_report(run.summary))


def test_given_inputs_are_used(add):
    a, b = np.ones((2, 3), np.float32), np.array([1, 2, 3], np.int8)
    run = ortexec(add, inputs={"a": a, "b": b}, **QUICK)
    assert run.shapes["a"] == (2, 3)
    assert make_feeds(make_session(add), {}, {"a": a, "b": b})["b"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("elem_type", "low", "high"),
    [
        (TensorProto.FLOAT16, -1, 1),
        (TensorProto.DOUBLE, -1, 1),
        (TensorProto.INT64, -128, 127),
        (TensorProto.INT8, -128, 127),
        (TensorProto.UINT8, 0, 255),
        (TensorProto.BOOL, 0, 1),
    ],
)
def test_random_inputs_lie_in_trtexecs_ranges(elem_type, low, high):
    model = make_model([helper.make_node("Identity", ["x"], ["y"])], {"x": (elem_type, [4000])}, {"y": (elem_type, [4000])})
    x = make_feeds(make_session(model), {})["x"].astype(np.float64)
    assert low <= x.min() < low + 0.02 * (high - low) + 1e-9
    assert high - 0.02 * (high - low) - 1e-9 < x.max() <= high


def test_string_inputs_are_refused():
    model = make_model(
        [helper.make_node("Identity", ["x"], ["y"])], {"x": (TensorProto.STRING, [1])}, {"y": (TensorProto.STRING, [1])}
    )
    with pytest.raises(ValueError, match="dtype"):
        ortexec(model, **QUICK)


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"shapes": {"z": (1,)}}, "'z'"),
        ({"shapes": {"a": (4, 4)}}, "fit the model"),
        ({"shapes": {"a": (4,)}}, "fit the model"),
        ({"shapes": {"a": (0, 3)}}, "fit the model"),
        ({"inputs": {"a": np.zeros((1, 3))}}, "dtype"),
        ({"streams": 0}, "streams"),
        ({"iterations": 0}, "iterations"),
        ({"avg_runs": 0}, "avg_runs"),
        ({"duration_s": -1.0}, "duration_s"),
        ({"warm_up_ms": float("inf")}, "warm_up_ms"),
        ({"percentile": (101,)}, "percentile"),
        ({"threads_per_stream": 0}, "threads"),
        ({"export_times": "/nowhere/at/all.json"}, "existing folder"),
    ],
)
def test_errors(add, bad, word):
    with pytest.raises(ValueError, match=word):
        ortexec(add, **(QUICK | bad))


def test_an_error_in_a_thread_is_raised():
    # -1 is no index of a tensor with one row: the query itself fails
    nodes = [helper.make_node("Gather", ["w", "i"], ["y"])]
    weights = {"w": np.zeros((1, 2), np.float32)}
    model = make_model(nodes, {"i": (np.int64, (1,))}, {"y": (1, 2)}, weights)
    with pytest.raises(Exception, match="indices"):
        ortexec(model, inputs={"i": np.array([7])}, streams=2, **QUICK)
