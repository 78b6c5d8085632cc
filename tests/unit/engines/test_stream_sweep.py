"""The experiment: its network, its table, and the optional real trtexec."""

import os
import stat

import numpy as np
import pytest

from utils.engines.stream_sweep import (
    four_layer_cnn,
    in_flight,
    release_of_banner,
    run_trtexec,
    sweep_streams,
    sweep_table,
)
from utils.engines.trtexec.log import format_report
from utils.engines.trtexec.report import summarize
from utils.engines.trtexec.timeline import simulate_timeline
from utils.graphs.onnx_tools import graph_stats, make_session
from utils.optional import EngineUnavailable


def test_network():
    model = four_layer_cnn(size=16)
    stats = graph_stats(model)
    assert stats.op_counts["Conv"] == 4
    assert (stats.opset, stats.ir_version) == (17, 8)
    y = make_session(model).run(None, {"x": np.ones((2, 3, 16, 16), np.float32)})[0]
    assert y.shape == (2, 10)
    assert np.isfinite(y).all()


def test_sweep_and_its_table():
    runs = sweep_streams(four_layer_cnn(size=16), {"x": (1, 3, 16, 16)}, (1, 2), duration_s=0.05, warm_up_ms=10)
    rows = sweep_table(runs)
    assert [row["streams"] for row in rows] == [1, 2]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["in_flight"] > 0


def test_littles_law_on_busy_streams():
    # two streams that only compute, one after the other on one engine: one query is in flight in trtexec's sense,
    # because its latency leaves out the wait for the engine
    trace = simulate_timeline(2, 0.0, 4.0, 0.0, 0.0, queries=100)
    assert in_flight(summarize(trace, 0)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("version", "release"), [("v8601", "8.6"), ("v8400", "8.6"), ("v101600", "10.16"), ("v100200", "10.16"), ("v110100", "11.1")]
)
def test_banner(version, release):
    assert release_of_banner(f"&&&& RUNNING TensorRT.trtexec [TensorRT {version}] # trtexec") == release


@pytest.mark.parametrize("text", ["", "[TensorRT v7203]"])
def test_bad_banner(text):
    with pytest.raises(ValueError):
        release_of_banner(text)


def fake_trtexec(tmp_path, monkeypatch, body):
    program = tmp_path / "trtexec"
    program.write_text(f"#!/bin/sh\necho '&&&& RUNNING TensorRT.trtexec [TensorRT v110100] #'\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def test_real_trtexec_gets_the_migrated_command(tmp_path, monkeypatch):
    report = tmp_path / "report.txt"
    report.write_text(format_report(summarize(simulate_timeline(1, 1.0, 2.0, 1.0, 0.5), 0)))
    fake_trtexec(tmp_path, monkeypatch, f'echo "$@" >> {tmp_path}/calls\ncat {report}')
    got = run_trtexec(["--onnx=m", "--fp16", "--workspace=64"])
    assert got.queries == 12
    last = (tmp_path / "calls").read_text().splitlines()[-1]
    assert last == "--onnx=m --memPoolSize=workspace:64M --includeDataTransfers --noCudaGraph --noSpinWait"


def test_trtexec_that_fails_or_is_missing(tmp_path, monkeypatch):
    fake_trtexec(tmp_path, monkeypatch, 'case "$1" in --help) exit 0;; esac\necho "no CUDA device"\nexit 1')
    with pytest.raises(EngineUnavailable, match=r"not available.*no CUDA device"):
        run_trtexec(["--onnx=m"])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineUnavailable, match="trtexec is not available"):
        run_trtexec(["--onnx=m"])
