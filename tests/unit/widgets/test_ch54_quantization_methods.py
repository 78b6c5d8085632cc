"""Chapter 54's figures: their sentences say what is drawn, and what is drawn is computed here again."""

import re

import numpy as np
import pytest

from utils.compression.qdq import collect_ranges, digits_to_onnx, insert_qdq, run_onnx
from utils.compression.quant_methods import cross_layer_equalize, uglify
from utils.cost.edge_metrics import wilson_interval
from utils.networks.digits import load_digits_split, trained_digits
from utils.numerics.int8 import sqnr_db
from utils.widgets import ch54_quantization_methods as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*(?:\.\d+)?", text.replace("−", "-"))]


@pytest.fixture(scope="module", autouse=True)
def short_training():
    """Three epochs and few bits: the figures do not care how good the network is."""
    patch = pytest.MonkeyPatch()
    patch.setattr(figures, "EPOCHS", 3)
    patch.setattr(figures, "BITS", (4, 8))
    for function in (figures._results, figures._inside):
        function.cache_clear()
    yield
    patch.undo()
    for function in (figures._results, figures._inside):
        function.cache_clear()


@pytest.mark.parametrize("scheme", ["per tensor", "equalized, per tensor"])
def test_sentence_tells_what_onnx_runtime_computes(scheme):
    figure, sentence = figures.break_and_fix(1.0, scheme, "minmax", 8)
    X, X_test, _, y_test = load_digits_split()
    model = trained_digits("cnn", 0, 3)
    ugly = uglify(model, 1.0)
    network = cross_layer_equalize(ugly) if scheme.startswith("eq") else ugly
    proto = digits_to_onnx(network)
    logits = run_onnx(insert_qdq(proto, collect_ranges(proto, X[:128], ["img", "r1", "r2", "r3", "logits"])), X_test)
    reference = run_onnx(digits_to_onnx(ugly), X_test)
    correct = int((logits.argmax(1) == y_test).sum())
    exact = np.mean(reference.argmax(1) == y_test)
    told = numbers(sentence)
    assert told[0] == 10 and told[2] == pytest.approx(exact, abs=2e-3) and told[3] == 8  # told[1] is the 32 of FP32
    assert told[4] == pytest.approx(correct / 540, abs=5e-4)
    assert [abs(v) for v in told[5:7]] == pytest.approx(wilson_interval(correct, 540), abs=6e-4)
    assert told[7] == pytest.approx(sqnr_db(reference, logits), abs=0.15)
    assert "integer kernels" in sentence and "simulated" not in sentence
    assert all(ax.get_title(loc="left") for ax in figure.axes) and len(figure.axes) == 4


def test_simulations_say_so():
    assert "simulated in float" in figures.break_and_fix(0.0, "groups of 16", "mse", 8)[1]
    assert "simulated in float" in figures.break_and_fix(0.0, "per channel", "percentile", 4)[1]


def test_compensation_is_that_of_the_example():
    figure, sentence = figures.compensate(0.9, 0.4, 0.4)
    # d = (-0.4, -0.4): 0.32 + 2 * 0.9 * 0.16 = 0.608; d = (-0.4, 0.6): 0.52 - 2 * 0.9 * 0.24 = 0.088
    assert numbers(sentence) == pytest.approx([0.4, 0.4, 0.9, 0, 0, 0.608, 0, 1, 0.088], abs=1e-3)
    assert "nothing better" in sentence and all(ax.get_title(loc="left") for ax in figure.axes)


def test_compensation_is_greedy():
    # With the first weight fixed the second one is chosen best, so only another first weight can be better.
    sentences = [figures.compensate(0.95, a / 20, b / 20)[1] for a in (7, 8, 9) for b in range(-20, 21, 4)]
    assert any("reconsiders" in s for s in sentences) and any("nothing better" in s for s in sentences)


@pytest.mark.parametrize("make", [figures.break_explorer, figures.compensate_explorer])
def test_each_figure_asks_before_it_shows(make, monkeypatch):
    monkeypatch.setattr(figures, "break_and_fix", lambda **knobs: ("<i>picture</i>", "sentence"))
    question, row, told, picture = make().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert told.value and picture.layout.display == ""


@pytest.fixture(scope="module")
def rows():
    return figures.measured_methods()


def test_method_tables_and_chart(rows):
    rows, built = rows
    lines = repr(figures.methods_table(rows, built, (2,), rounds=2)).split("\n")
    assert len(lines) == len(rows) + 2
    for line, r in zip(lines[2:], rows):
        assert line.startswith(r.method) and f"{r.stored_bytes:,}" in line and f"{r.accuracy:.3f}" in line
        assert line.endswith(r.kernel) and ("*" in line) == r.retrained
        low, high = wilson_interval(r.correct, r.n)
        assert f"({low:.3f}–{high:.3f})" in line
        assert line.count("simulated") == (2 if r.kernel == "simulated" else 0)  # no time, no kernel
    assert " 1.00 " in lines[2]
    chart = figures.methods_chart(rows)
    assert "dB" in repr(chart) and 'alt="' in chart.html


def test_other_tables_tell_their_numbers():
    lines = repr(figures.graph_table()).split("\n")
    assert "2 QLinearConv, 2 QGemm" in lines[3] and "2 QLinearConv, 2 QGemm" in lines[4] and "ConvInteger" in lines[5]
    assert lines[3].split()[5] == lines[3].split()[5] and "39,208" in lines[2]
    told = numbers(repr(figures.contrast_chart((1, 2))))
    assert told[1] < 20 < told[5]  # static and dynamic dB; the first number is the 8 of INT8
    assert "width 32" in repr(figures.width_chart((32, 64)))


def test_bits_table():
    lines = repr(figures.bits_table()).split("\n")
    assert lines[1].split() == ["weights", "8", "bits", "4", "bits", "3", "bits", "2", "bits"] and len(lines) == 7
    assert lines[2].endswith("0.150")


def test_tensorrt_without_trtexec_says_so(monkeypatch):
    monkeypatch.setattr(figures.shutil, "which", lambda name: None)
    assert "trtexec is not available" in repr(figures.tensorrt_report())


def test_tensorrt_with_a_program_reads_its_log(monkeypatch, tmp_path):
    program = tmp_path / "trtexec"
    program.write_text('#!/bin/sh\ntest -f "${1#--onnx=}" || exit 3\necho "[01/01/2026] [I] Throughput: 99 qps"\necho other\n')
    program.chmod(0o755)
    monkeypatch.setattr(figures.shutil, "which", lambda name: str(program))
    assert repr(figures.tensorrt_report()) == "[I] Throughput: 99 qps"
    program.write_text("#!/bin/sh\nexit 1\n")
    assert "status 1" in repr(figures.tensorrt_report())


def test_static_picture():
    assert len(figures.static_picture().axes) == 4
