"""`python -m utils.graphs.simplify` on real files: what is written, what is told, which exit status."""

import io
import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import external_data_helper, helper, numpy_helper

from utils.graphs.onnx_tools import make_model
from utils.graphs.simplify import cli, messy_cnn
from utils.graphs.simplify.examples import constant_of_shape, large_expand


@pytest.fixture
def files(tmp_path):
    onnx.save(messy_cnn(batch="N"), tmp_path / "in.onnx")
    return tmp_path / "in.onnx", tmp_path / "out.onnx"


def tool(*arguments):
    out, err = io.StringIO(), io.StringIO()
    status = cli.main([str(a) for a in arguments], out, err)
    return status, out.getvalue(), err.getvalue()


def nodes(path):
    return len(onnx.load(path).graph.node)


def test_the_module_runs_as_a_program(files):
    source, target = files
    done = subprocess.run([sys.executable, "-m", "utils.graphs.simplify", source, target], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0 and not done.stderr
    assert "nodes" in done.stdout and f"wrote {target}" in done.stdout and "equal on 6 random inputs" in done.stdout
    assert nodes(target) == 11


@pytest.mark.parametrize("option, expected", [
    (["--dynamic-reshape"], 7), (["--input-shape", "x:3,3,16,16"], 7), (["--skip", "conv_bn"], 13),
    (["--skip", "dead", "--skip", "fold"], None)])  # fmt: skip
def test_options_change_the_result(files, option, expected):
    source, target = files
    assert tool(source, target, *option)[0] == 0
    assert nodes(target) == expected or (expected is None and nodes(target) > 11)


def test_without_an_output_only_the_report_comes(files):
    source, target = files
    status, out, _ = tool(source, "--json")
    report = json.loads(out)
    assert status == 0 and not target.exists() and report["written"] is None
    assert (report["nodes_before"], report["nodes_after"], report["check"]["ok"], report["check"]["runs"]) == (25, 11, True, 6)
    assert tool(source, "--check", 0)[1].splitlines()[-1].startswith("check: none")


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(files):
    source, _ = files
    assert tool(source, source)[0] == 0
    assert nodes(source) == 11 and [p.name for p in source.parent.iterdir()] == ["in.onnx"]


def test_growth_is_told_and_may_be_refused(tmp_path):
    source, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    onnx.save(large_expand(), source)
    status, out, err = tool(source, target, "--max-growth", 2)
    assert status == 1 and not target.exists() and "--max-growth 2" in err and "was not written" in err
    status, out, err = tool(source, target)
    assert status == 0 and "grew from" in out
    target.unlink()
    assert tool(source, target, "--max-growth", 2, "--force")[0] == 1 and target.exists()
    onnx.save(constant_of_shape(), source)
    assert "was not folded: its result has 4,194,304 bytes" in tool(source)[1]
    assert tool(source, target, "--max-tensor-bytes", 1 << 23)[0] == 0 and target.stat().st_size > 1 << 22


def test_a_wrong_result_is_not_written(files, monkeypatch):
    source, target = files

    dead = cli.PASSES["dead"]

    def broken(model):
        result = dead(model)
        for node in result.model.graph.node:
            if node.op_type == "Relu":
                node.op_type = "Abs"
        return result

    monkeypatch.setattr(cli, "PASSES", {**cli.PASSES, "dead": broken})
    target.write_bytes(b"old")
    status, _, err = tool(source, target)
    assert status == 1 and "computes something else" in err and target.read_bytes() == b"old"


def test_passes_that_never_settle_are_a_finding(files):
    source, target = files
    status, _, err = tool(source, target, "--max-rounds", 1)
    assert status == 1 and "did not settle in 1 rounds" in err and not target.exists()


def test_external_data_comes_into_the_one_file(tmp_path):
    model = messy_cnn()
    external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "in.onnx")
    assert (tmp_path / "weights.bin").stat().st_size > 5000
    assert tool(tmp_path / "in.onnx", tmp_path / "out.onnx")[0] == 0
    (tmp_path / "weights.bin").unlink()
    assert nodes(tmp_path / "out.onnx") == 7


def test_inputs_for_the_check(tmp_path):
    gather = helper.make_node("Gather", ["table", "ids"], ["y"])
    model = make_model([gather], {"ids": (np.int64, ("N", "T"))}, {"y": ("N", "T")}, {"table": np.arange(1, 9, dtype=np.float32)})
    onnx.save(model, tmp_path / "in.onnx")
    assert "equal on 6" in tool(tmp_path / "in.onnx")[1]
    assert "equal on 3" in tool(tmp_path / "in.onnx", "--check-shape", "ids:2,5", "--check-range", "ids:0,7")[1]
    status, _, err = tool(tmp_path / "in.onnx", "--check-range", "ids:8,8")
    assert status == 2 and "--" not in err.splitlines()[0][:6] and "original" in err


@pytest.mark.parametrize("arguments", [
    ["missing.onnx"], ["in.onnx", "--input-shape", "q:1"], ["in.onnx", "no/such/folder/out.onnx"]])  # fmt: skip
def test_what_can_not_be_done_is_one_sentence_and_status_2(files, arguments, monkeypatch):
    monkeypatch.chdir(files[0].parent)
    status, out, err = tool(*arguments)
    assert status == 2 and not out and err.startswith("error: ") and "Traceback" not in err


def test_no_model_at_all(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("not a model")
    status, _, err = tool(path)
    assert status == 2 and "must be an ONNX model" in err
    path.write_bytes(b"")
    assert tool(path)[0] == 2


@pytest.mark.parametrize("bad", [["--input-shape", "x"], ["--input-shape", "x:a"], ["--max-growth", "0"], ["--check", "-1"],
                                 ["--check-range", "x:2,1"], ["--check-range", "x:1"], ["--skip", "nothing"]])
def test_bad_arguments_are_refused_by_the_parser(files, bad, capsys):
    with pytest.raises(SystemExit) as stop:
        tool(files[0], *bad)
    assert stop.value.code == 2 and bad[0] in capsys.readouterr().err


def test_help_names_every_pass(capsys):
    with pytest.raises(SystemExit) as stop:
        tool("--help")
    told = capsys.readouterr().out
    assert stop.value.code == 0 and all(name in told for name in cli.PASSES) and "Exit status" in told


def test_a_weight_that_is_no_number_is_not_hidden(tmp_path):
    model = messy_cnn()
    tensor = next(t for t in model.graph.initializer if t.name == "wf")
    tensor.CopyFrom(numpy_helper.from_array(np.full((10, 16), np.nan, np.float32), "wf"))
    onnx.save(model, tmp_path / "in.onnx")
    assert tool(tmp_path / "in.onnx", tmp_path / "out.onnx")[0] == 0  # NaN before, NaN after
