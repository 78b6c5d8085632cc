"""Chapter 23's figures: the numbers of their sentences against independent readings, labelled axes, the tables."""

import numpy as np
import onnx
import pytest

from utils.graphs.runtime.race import RuntimeRow
from utils.widgets import ch23_onnx as ch


def test_the_small_file_is_a_valid_model():
    model = onnx.load_from_string(ch.RELU)
    onnx.checker.check_model(model)
    assert len(ch.RELU) == 71 and model.ir_version == 8 and model.opset_import[0].version == 17


def test_xray_of_the_operators_name():
    figure, told = ch.draw_xray("one Relu", 5)
    at = ch.RELU.index(b"Relu") - 2  # tag and length before the letters
    assert told.startswith(f"Bytes {at} to {at + 5} of 71 (counted from 0), 22 04 52 65 6c 75: graph.node[0].op_type.")
    assert "The tag 34 is 4 · 8 + 2: field 4, wire type 2 (length-delimited). Value: 'Relu'." in told
    left, right = figure.axes
    assert left.get_xlabel() and left.get_ylabel() and "71 bytes" in left.get_title(loc="left")
    assert "framed" in right.get_title(loc="left")


@pytest.mark.parametrize("name", ["one Relu", "Gemm and Relu"])
def test_every_field_can_be_shown(name):
    buf = ch.xray_models()[name]
    onnx.checker.check_model(onnx.load_from_string(buf))
    sentences = {ch.draw_xray(name, i)[1] for i in range(len(ch.byte_map(buf)))}
    assert len(sentences) == len(ch.byte_map(buf))
    assert ch.draw_xray(name, 10_000)[1] == ch.draw_xray(name, len(ch.byte_map(buf)) - 1)[1]


def test_weights_lie_where_the_figure_says():
    buf = ch.xray_models()["Gemm and Relu"]
    raw = np.array([[1, -2], [0.5, 3]], np.float32).tobytes()
    start, stop = next((a, b) for a, b, path, _ in ch.byte_map(buf) if path == "graph.initializer[0].raw_data")
    assert buf[start:stop].endswith(raw) and ch.part_of("graph.initializer[0].raw_data") == "tensor"
    assert [ch.part_of(p) for p in ("ir_version", "graph.name", "graph.node[1]", "graph.output[0]")] == [
        "model", "graph", "node", "value"]


def test_pieces_table():
    lines = repr(ch.pieces_table()).splitlines()
    assert lines[0] == "71 bytes, 30 fields" and len(lines) == 32
    assert "08 08" in lines[2] and "ir_version" in lines[2]


def test_version_picture_counts_what_it_was_given():
    accepted = {(o, ir): o <= 20 and ir <= 9 for o in range(15, 23) for ir in range(8, 11)}
    figure, told = ch.draw_versions(accepted, {17: 8, 20: 9, 21: 10}, {"old": (17, 8), "new": (21, 10)}, "9.9")
    assert told == ("ONNX Runtime 9.9 loads 12 of 24 pairs. Highest opset: 20, highest IR version: 9. old (opset 17, IR 8) loads; "
                    "new (opset 21, IR 10) is refused.")
    assert figure.axes[0].get_xlabel() and figure.axes[0].get_ylabel() == "IR version"
    assert "0 of 1 pairs" in ch.draw_versions({(99, 99): False}, {17: 8}, {}, "9.9")[1]


def test_the_installed_runtime_loads_what_the_course_writes():
    assert "this course (opset 17, IR 8) loads" in repr(ch.version_matrix())


ROWS = [RuntimeRow("NumPy runtime of this course", 4.8e-6, 1.0, 0.5), RuntimeRow("ONNX Runtime, graph as written", 0.0, 1.0, 0.1),
        RuntimeRow("ONNX Runtime, optimised", 5e-6, 0.998, 0.05)]


def test_race_table_and_picture():
    lines = repr(ch.race_table(ROWS)).splitlines()
    assert lines[2].split()[-5:] == ["4.8e-06", "100.0", "%", "0.500", "10×"] and lines[4].endswith("1×")
    figure, told = ch.draw_race(ROWS)
    assert told == ("One image takes 0.050 ms on the fastest runtime (ONNX Runtime, optimised) and 0.500 ms on the slowest "
                    "(NumPy runtime of this course): 10 times as long.")
    assert "(ms, log scale)" in figure.axes[0].get_xlabel() and ch.race_picture(ROWS)._repr_html_().startswith("<img")
    assert "GPU" in ch.gpu_told()


def test_static_picture():
    assert len(ch.static_picture().axes) == 2
