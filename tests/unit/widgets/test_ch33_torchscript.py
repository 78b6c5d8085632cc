"""Figures of chapter 33: numbers of their sentences against arithmetic of their own, axes, tables."""

import re

import pytest

from utils.graphs.torchscript import CaptureRow, Timing, Variant, gpu_race
from utils.widgets import ch33_torchscript as figures


def test_the_branch_traced_at_two():
    figure, sentence = figures.draw_divergence("branch", 2.0, -4.0)
    # traced: 2 x + 1; function at -4: 3 - (-4) = 7; the lines 2 x + 1 and 3 - x meet at 2/3, no point of the grid
    assert "the graph does: mul, add. At −4 the function gives 7, the trace −7." in sentence
    wrong = sum(1 for x in figures.GRID if x <= 0)
    assert f"wrong at {wrong}, the guarded function at none, with 2 tapes." in sentence and wrong == 41
    right = figure.axes[1]
    assert (right.get_xlabel(), right.get_ylabel()) == ("input x", "result")
    names = right.get_legend_handles_labels()[1]
    assert names == ["the trace is wrong", "the function", "guarded", "traced", "traced here", "test input"]


def test_the_loop_and_its_tapes():
    sentence = figures.draw_divergence("loop", 10.0, 3.0)[1]
    # 10 is halved four times; 3 is halved twice by the function
    assert "div, div, div, div. At 3 the function gives 0.75, the trace 0.1875." in sentence
    assert re.search(r"with 5 tapes\.$", sentence)  # 0 to 4 halvings


def test_the_shape_and_the_limit():
    sentence = figures.draw_divergence("shape", 2.0, 8.0)[1]
    assert "the graph does: sum, div. At 8 the function gives 8, the trace 32." in sentence
    sizes = [max(1, round(abs(x))) for x in figures.GRID]
    first = list(dict.fromkeys(sizes))[:8]
    beyond = sum(n not in first for n in sizes)
    assert f"with 8 tapes and {beyond} calls of the function itself" in sentence


def test_a_trace_that_recorded_nothing():
    sentence = figures.draw_divergence("loop", 0.5, 4.0)[1]
    assert "the graph does: nothing. At 4 the function gives 1, the trace 4." in sentence
    with pytest.raises(KeyError):
        figures.draw_divergence("nothing", 1.0, 1.0)


def test_a_long_graph_is_cut_in_the_picture():
    _, (ax,) = figures.new_figure()
    figures._draw_graph(ax, "source", "\n".join(f"line {i}" for i in range(40)))
    assert ax.texts[1].get_text().count("\n") == figures.MOST_LINES - 1 and ax.texts[1].get_text().endswith("line 39")


def test_capture_table():
    rows = [CaptureRow("torch.jit.trace", "", 1, 0, (2,)), CaptureRow("torch.jit.script", "", 6, 1, ()), CaptureRow("torch.export", "Bad", 0, 0, ())]
    text = figures.capture_shown({"Branch": rows}).text
    assert "wrong at 1 of the inputs" in text and "right at all inputs" in text and "no graph" in text and "Bad" in text


FORMS = [Variant("eager", 0.0, Timing(200.0, 250.0, 0.5), None, 0.0), Variant("freeze", 150.0, Timing(80.0, 90.0, 12.0), 0, 1e-8)]


def test_race():
    text = figures.race_table(FORMS).text
    assert "2.50×" in text and "1.00×" in text and "–" in text
    figure, sentence = figures.draw_race(FORMS)
    assert sentence == "Measured here: freeze is the quickest with 80 µs a call, eager mode takes 200 µs, and eager is the slowest with 200 µs."
    assert [ax.get_xlabel() for ax in figure.axes] == ["median of a call (µs)", "first call (ms)"]
    assert "80 µs" in figures.race_picture(FORMS).html


def test_notes(monkeypatch):
    assert figures.compiled_note().text.startswith("Not run:")
    monkeypatch.setenv("PATH", "")
    assert "is not available" in figures.compiled_note(run=True).text


def test_gpu_race(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert figures.gpu_note().text.startswith("No CUDA GPU is here.")
    asked = []
    monkeypatch.setattr("torch.compile", lambda model, mode="default": asked.append(mode) or model)
    forms = gpu_race(rounds=3, device="cpu")
    assert asked == ["default", "reduce-overhead"] and [f.name for f in forms] == ["eager", "freeze", "torch.compile", "torch.compile, CUDA graphs"]
    assert all(f.max_abs < 1e-5 and f.timing.median_us > 0 for f in forms)
    monkeypatch.setattr(figures, "gpu_race", lambda: forms)
    assert "CUDA graphs" in figures.gpu_note().text


def test_what_is_shown_without_a_kernel():
    assert figures.static_picture().axes and figures.where_tracing_lies() is not None
