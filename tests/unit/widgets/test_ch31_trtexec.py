"""Figures of chapter 31: their sentences against numbers computed another way, and their axes."""

import re

import numpy as np
import pytest

from autograder.notebooks.master import read_master
from utils.engines.trtexec import RELEASES, known_flags, switches
from utils.engines.trtexec.flags import NO_OP_FLAGS_11, PRECISION_FLAGS
from utils.widgets import ch31_trtexec as figures


def stages(**changed):
    return {"streams": 1, "h2d_ms": 0.8, "compute_ms": 1.0, "d2h_ms": 0.8, "enqueue_ms": 0.2, "cuda_graph": False,
            "data_transfers": True} | changed


def number(pattern, text):
    return float(re.search(pattern, text)[1].replace(",", ""))


def test_one_stream_is_a_cycle_that_can_be_worked_out_by_hand():
    # two in flight: the next query is issued when the one before the last is done, so two queries fill a cycle of
    # h2d + compute + d2h, and the last one ends one stage of copying and computing later
    _, sentence = figures.draw_anatomy(**stages())
    trace = figures.anatomy(**stages())["trace"]
    wall = max(q["endD2hMs"] for q in trace) - min(q["startH2dMs"] for q in trace)
    assert number(r"queries: ([\d,]+) queries/s", sentence) == round(60 / wall * 1e3)
    assert 0.95 * 2 / 2.6e-3 < 60 / wall * 1e3 < 2 / 2.6e-3  # Little's bound
    assert number(r"Latency is ([\d.]+) ms", sentence) == pytest.approx(0.8 + 1.0 + 0.8)


def test_throughput_stops_at_the_slowest_stage():
    rates = [number(r"queries: ([\d,]+) queries/s", figures.draw_anatomy(**stages(streams=s))[1]) for s in (1, 2, 3, 4)]
    assert 1.25 < rates[1] / rates[0] < 1.35  # what the guess calls "about 30 %"
    assert all(rate <= 1000 for rate in rates)
    assert rates[3] < 1.02 * rates[1]
    waits = [number(r"takes ([\d.]+) ms on average", figures.draw_anatomy(**stages(streams=s))[1]) for s in (1, 4)]
    assert waits[1] > 2 * waits[0]


def test_enqueue_warning_comes_above_four_fifths():
    assert "no enqueue warning" in figures.draw_anatomy(**stages(enqueue_ms=0.7))[1]
    shown, sentence = figures.draw_anatomy(**stages(enqueue_ms=0.9))
    assert "warning is on" in sentence
    assert "Enqueue Time rather than compute" in shown
    assert "no enqueue warning" in figures.draw_anatomy(**stages(enqueue_ms=0.9, cuda_graph=True))[1]


def test_defaults_of_11_leave_the_compute_time():
    sentence = figures.draw_anatomy(**stages(cuda_graph=True, data_transfers=False))[1]
    assert number(r"Latency is ([\d.]+) ms", sentence) == 1.0


@pytest.mark.parametrize("streams", [1, 4])
def test_the_chart_is_labelled_and_within_its_window(streams):
    state = figures.anatomy(**stages(streams=streams))
    ax = figures.anatomy_figure(state, streams).axes[0]
    assert "ms, simulated" in ax.get_xlabel()
    assert [text.get_text().split("\n")[0] for text in ax.get_yticklabels()] == ["copy out", "GPU", "copy in", "host"]
    assert ax.get_xlim()[1] == pytest.approx(state["window_ms"])
    assert len(ax.get_legend().get_texts()) == streams


def test_matrix_says_what_each_release_makes_of_a_command():
    table, sentence = figures.draw_matrix(figures.SOURCE_COMMANDS[0])
    assert sentence == (
        "TensorRT 8.6 runs it, with a deprecation warning for --explicitBatch, --workspace. "
        "TensorRT 10.16 refuses it (unknown options: --explicitBatch, --workspace). "
        "TensorRT 11.1 refuses it (unknown options: --explicitBatch, --workspace, --best).")
    assert table.count("✗ unknown") == 5
    assert table.count("<tr>") == 7
    still = [flag for flag in ("--onnx", "--explicitBatch", "--saveEngine", "--workspace", "--best")
             if flag in known_flags("11.1")]
    assert still == ["--onnx", "--saveEngine"]  # the answer to the figure's question


@pytest.mark.parametrize("command", ["", "trtexec", '--onnx="m', "--onnx=<b>m</b> <script>"])
def test_matrix_takes_any_text(command):
    table, sentence = figures.draw_matrix(command)
    assert sentence.endswith(".")
    assert "<script>" not in table


def test_source_verdicts_in_text():
    shown = figures.source_verdicts()._repr_mimebundle_()["text/plain"].splitlines()
    assert len(shown) == 12
    runs = [sum(cell.startswith("✓") for cell in column) for column in zip(*(row[2:] for row in figures.source_verdicts().rows))]
    assert dict(zip(RELEASES, runs)) == {"8.6": 10, "10.16": 2, "11.1": 2}


def test_sweep_figure():
    rows = [{"streams": s, "throughput_qps": 1000.0 * min(s, 2), "p50_ms": 1.0, "p99_ms": float(s), "in_flight": s}
            for s in (1, 2, 4)]
    left, right = figures.sweep_figure(rows).axes
    assert left.get_ylabel() == "throughput (queries/s)" and right.get_ylabel() == "latency (ms)"
    assert np.array_equal(left.lines[1].get_ydata(), [1000, 2000, 4000])


def test_static_picture_shows_the_numbers_of_the_text():
    figure = figures.static_picture()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert any("16.5 ms" in text and "242.4 queries/s" in text for text in texts)
    assert figure.axes[0].get_xlabel() == "time since the start (ms)"


def test_flag_lists_in_the_notebook_are_those_of_the_table():
    from autograder.chapters import CHAPTERS

    solutions = read_master(CHAPTERS["31"].master).solutions
    spaces = {}
    for name in ("lint_trtexec", "migrate_trtexec"):
        exec(solutions[name].solution, spaces)
    assert spaces["BOOL"] == switches()
    assert spaces["PRECISION"] == PRECISION_FLAGS
    assert spaces["NO_OPS"] == NO_OP_FLAGS_11
