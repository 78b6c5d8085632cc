"""The command line of ortexec: trtexec's options, its report, clear errors, exit status."""

import io
import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from utils.engines.ortexec_cli import USED, main, usage
from utils.engines.trtexec.flags import known_flags
from utils.engines.trtexec.log import parse_log
from utils.engines.trtexec.migration import migrate
from utils.graphs.onnx_tools import make_model

FAST = ["--duration=0", "--warmUp=0", "--iterations=5"]


@pytest.fixture
def path(tmp_path):
    """A file with y = a + b, a float32 of (N, 3) and b int8 of (3)."""
    nodes = [
        helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["a", "c"], ["y"]),
    ]
    model = make_model(nodes, {"a": ("N", 3), "b": (np.int8, (3,))}, {"y": ("N", 3)})
    onnx.save(model, tmp_path / "add.onnx")
    return tmp_path / "add.onnx"


def call(*argv):
    out, err = io.StringIO(), io.StringIO()
    return main(list(argv), out, err), out.getvalue(), err.getvalue()


def test_command_line_prints_trtexecs_report(path, tmp_path):
    times = tmp_path / "t.json"
    status, out, err = call(
        f"--onnx={path}", "--shapes=a:4x3", "--infStreams=2", "--percentile=50,99", f"--exportTimes={times}",
        "--threadsPerStream=1", "--verbose", "--avgRuns=2", *FAST,
    )
    assert (status, err) == (0, "")
    assert parse_log(out).queries == 10
    assert set(parse_log(out).latency.percentiles_ms) == {50, 99}
    assert "Average on 2 runs" in out
    assert len(json.loads(times.read_text())) == 10


def test_a_migrated_command_runs_here(path):
    old = migrate(f"--onnx={path} --explicitBatch --batch=2 --best --streams=2", "11.1", {"a": (3,)}, keep_measurement=True)
    status, out, _ = call(*old.argv, *FAST)
    assert status == 0
    assert parse_log(out).queries == 10


def test_profile_shapes_are_run_at_opt(path):
    status, _, err = call(f"--onnx={path}", "--minShapes=a:1x3", "--optShapes=a:2x3", "--maxShapes=a:4x3", *FAST)
    assert (status, err) == (0, "")
    assert "broadcast" in call(f"--onnx={path}", "--maxShapes=a:4x3", *FAST)[2]


def test_loaded_inputs(path, tmp_path):
    (tmp_path / "b.bin").write_bytes(bytes([1, 2, 3]))
    assert call(f"--onnx={path}", f"--loadInputs=b:{tmp_path / 'b.bin'}", *FAST)[0] == 0
    for spec, word in (
        (f"a:{tmp_path / 'b.bin'}", "12 bytes"),
        (f"z:{tmp_path / 'b.bin'}", "'z'"),
        ("b:/nowhere", "no such file"),
    ):
        status, _, err = call(f"--onnx={path}", f"--loadInputs={spec}", *FAST)
        assert status == 1
        assert word in err


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["--onnx=/nowhere/m.onnx"], "no such file"),
        (["--shapes=a:1"], "--onnx"),
        (["--onnx=m", "--fp16"], "strongly typed"),
        (["--onnx=m", "--saveEngine=e"], "needs TensorRT"),
        (["--loadEngine=e"], "needs TensorRT"),
        (["--onnx", "m"], "write --onnx=m"),
        (["--onnx=m", "--onnx=n"], "twice"),
        (["--onnx=m", "--iterations=x"], "no digits"),
        (["--onnx=m", "--infstreams=2"], "did you mean --infStreams"),
    ],
)
def test_clear_errors_and_exit_status(argv, word):
    status, out, err = call(*argv)
    assert (status, out) == (1, "")
    assert word in err
    assert err.startswith("[E] ")
    assert "FAILED" in err


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "m.onnx").write_text("this is not protobuf")
    status, _, err = call(f"--onnx={tmp_path / 'm.onnx'}", *FAST)
    assert status == 1
    assert "m.onnx" in err


def test_help():
    for argv in ([], ["--help"], ["--onnx=m", "-h"]):
        assert call(*argv) == (0, usage() + "\n", "")
    assert all(f"--{name}" in usage() for name in USED)
    # every option but one is an option of trtexec
    assert {f"--{name}" for name in USED} - known_flags("11.1") == {"--threadsPerStream"}


def test_as_a_module(path):
    command = [sys.executable, "-m", "utils.engines.ortexec"]
    good = subprocess.run([*command, f"--onnx={path}", *FAST], capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    assert parse_log(good.stdout).queries == 5
    bad = subprocess.run([*command, "--onnx=nowhere"], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (1, "")
