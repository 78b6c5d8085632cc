"""Chapter 34's figures: the numbers of their sentences against the files themselves, labelled axes, all knobs."""

import sys
import types
from collections import Counter

import numpy as np
import onnx
import pytest

from utils.graphs.onnx_tools import make_session
from utils.graphs.optimize import BackendRow, compare_arrays, export_route, optimizer_report
from utils.graphs.simplify import messy_cnn
from utils.optional import EngineUnavailable
from utils.widgets import ch34_onnx_export as ch


def test_exports_tell_their_numbers():
    figure, told = ch.draw_exports("legacy dynamic", 18, 3)
    model = export_route("legacy dynamic")
    counts = Counter(node.op_type for node in model.graph.node)
    shapes = sum(counts[op] for op in ("Constant", "Shape", "Gather", "Unsqueeze", "Concat", "Identity"))
    assert f"asked for opset 18, written {model.opset_import[0].version}, IR version {model.ir_version}" in told
    assert f"{len(model.SerializeToString()):,} bytes, {len(model.graph.node)} nodes, {shapes} of them" in told
    assert "The input is (N, 3, 8, 8); a batch of 3 runs." in told
    left, right = figure.axes
    assert "14 nodes" in left.get_title(loc="left") and "(images)" in right.get_xlabel()
    assert len(left.patches) == len(model.graph.node)


def test_what_is_said_to_run_runs():
    _, told = ch.draw_exports("legacy", 18, 5)
    assert "a batch of 5 is refused" in told and "a batch of 1 runs" in ch.draw_exports("legacy", 18, 1)[1]
    session = make_session(export_route("legacy"))
    session.run(None, {"input": np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(Exception, match="invalid dimensions"):
        session.run(None, {"input": np.zeros((5, 3, 8, 8), np.float32)})


def test_the_opset_that_was_asked_for():
    assert "asked for opset 13, written 13" in ch.draw_exports("legacy", 13, 1)[1]
    pytest.importorskip("onnxscript")
    assert "asked for opset 13, written 18" in ch.draw_exports("dynamo", 13, 1)[1]


def test_the_guess_is_true():
    assert len(export_route("legacy dynamic").graph.node) == 14
    pytest.importorskip("onnxscript")
    assert len(export_route("dynamo").graph.node) == 7


def test_without_onnxscript(monkeypatch):
    real = export_route

    def lacking(route, opset=18):
        if route == "dynamo":
            raise EngineUnavailable("onnxscript is not available: install it")
        return real(route, opset)

    for cached in (ch.exported, ch._matrix):
        cached.cache_clear()
    monkeypatch.setattr(ch, "export_route", lacking)
    try:
        picture, told = ch.draw_exports("dynamo", 18, 3)
        assert isinstance(picture, str) and "onnxscript is not available" in told
        assert len(ch.draw_exports("legacy", 18, 1)[0].axes[1].get_yticks()) == 3
        assert "onnxscript is not available" in repr(ch.export_table())
        assert len(ch.static_picture().axes) == 2
    finally:
        for cached in (ch.exported, ch._matrix):
            cached.cache_clear()


def test_export_table():
    lines = {line.split("  ")[0]: line for line in repr(ch.export_table()).splitlines()}
    assert lines["legacy dynamic"].split()[-3:] == ["1", "to", "8"] and lines["legacy"].split()[-1] == "1"


def test_stages():
    rows = optimizer_report(messy_cnn())
    figure, told = ch.draw_stages(rows)
    assert "Cleanup takes 2 of 25 nodes out" in told and "shape inference 0" in told
    assert f"from {messy_cnn().ByteSize():,} to {rows[-1].n_bytes:,} bytes" in told
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    assert "bytes" in figure.axes[2].get_ylabel()
    assert [line.split()[0] for line in repr(ch.stages_table(rows)).splitlines()[1:]] == [
        "original", "cleanup", "fold", "shape", "finished"]
    assert ch.stages_picture(messy_cnn())._repr_html_().startswith("<img")


def test_times_have_a_ratio():
    lines = repr(ch.stage_times(messy_cnn(), rounds=3)).splitlines()
    assert "3 runs" in lines[0] and [line.split()[0] for line in lines[2:]] == ["off", "on"]
    assert all(float(line.split()[-1]) > 0 for line in lines[2:])


def test_backend_table_shows_the_worst_feed():
    ref = np.array([[1.0, 2.0]])
    rows = [BackendRow("a", 0, "y", compare_arrays(ref, ref)), BackendRow("a", 1, "y", compare_arrays(ref, ref + 0.5)),
            BackendRow("b", 0, "y", None, "RuntimeError: no kernel"), BackendRow("c", 0, "y", compare_arrays(ref, ref))]
    lines = repr(ch.backend_table(rows)).splitlines()
    assert lines[1].split()[:4] == ["a", "y", "2", "5.0e-01"] and lines[1].endswith("differs")
    assert lines[2].endswith("no kernel") and lines[3].endswith("agrees")


def test_without_tensorrt_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert "not installed here" in repr(ch.tensorrt_table())


@pytest.mark.parametrize(("version", "explicit"), [("8.6.1", 1), ("10.13.0", 0), ("11.0.0", 0)])
def test_with_tensorrt_it_asks_the_parser(monkeypatch, version, explicit):
    """A stand-in with the names that each version has; it takes files whose first axis is a symbol."""
    seen = []

    class Parser:
        num_errors = 0

        def __init__(self, network, logger):
            pass

        def parse(self, data):
            dim = onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim[0]
            self.num_errors = 0 if dim.dim_param else 1
            return bool(dim.dim_param)

        def get_error(self, index):
            return types.SimpleNamespace(desc=lambda: "static batch")

    class Logger:
        ERROR = 1

        def __init__(self, level):
            pass

    flags = types.SimpleNamespace(**({} if version.startswith("11") else {"EXPLICIT_BATCH": 0}))
    builder = types.SimpleNamespace(create_network=lambda flag: seen.append(flag))
    monkeypatch.setitem(sys.modules, "tensorrt", types.SimpleNamespace(
        __version__=version, Logger=Logger, Builder=lambda logger: builder, OnnxParser=Parser,
        NetworkDefinitionCreationFlag=flags))
    told = repr(ch.tensorrt_table())
    assert version in told and "static batch" in told
    assert seen and set(seen) == {explicit}


def test_shell_and_static_picture():
    question, row, told, view = ch.exports_figure().children
    assert "Guess first" in question.value and view.layout.display == "none"
    row.children[0].click()
    assert "✗" in told.value and view.layout.display == ""
    knobs = {k.description: k for k in view.children[1].children}
    knobs["route"].value = "legacy without folding"
    assert "23 nodes" in view.children[3].value
    assert len(ch.static_picture().axes) == 2
