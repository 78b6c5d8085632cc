"""Chapter 53's figures: their sentences say what was computed, and nothing is timed in a test."""

import re

import numpy as np
import pytest

from utils.compression.sparsity import CSR
from utils.widgets import ch53_sparse_models as figures

TIMES = {"levels": [0.5, 0.7, 0.9], "dense": [1.0, 1.0, 1.0], "scipy": [8.0, 4.0, 0.5], "torch": [8.0, 2.0, 0.5]}


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.mark.parametrize(("dtype", "width"), [("FP32", np.float32), ("FP16", np.float16), ("INT8", np.int8)])
def test_bytes_are_those_of_a_real_matrix(dtype, width):
    size, sparsity = 256, 0.75
    W = np.ones((size, size), width)
    W.flat[: round(sparsity * W.size)] = 0
    csr = CSR.from_dense(W)
    _, sentence = figures.payoff(sparsity, size, dtype, "csr", 64, TIMES)
    told = numbers(sentence.split("CSR takes ")[1])
    assert told[0] == csr.nbytes and told[2] == W.nbytes and told[1] == pytest.approx(csr.nbytes / W.nbytes, abs=0.005)
    assert told[3] / 100 + told[4] == pytest.approx(1, abs=0.001)  # break-even as sparsity and as density


def test_time_panel_shows_what_was_measured():
    figure, sentence = figures.payoff(0.8, 512, "FP16", "bitmap", 1, TIMES)
    bytes_ax, time_ax, group_ax = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in time_ax.get_lines()}
    assert lines["CSR, torch"] == TIMES["torch"] and lines["dense, torch"] == TIMES["dense"]
    assert "beats the dense one above about 80 % zeros" in sentence  # between 2 and 1/2 the middle of 0.7 and 0.9
    assert all(ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left") for ax in (bytes_ax, time_ax, group_ax))
    assert "ms" in time_ax.get_ylabel()
    slow = {**TIMES, "torch": [8.0, 2.0, 1.5]}
    assert "is never faster than dense" in figures.payoff(times=slow)[1]


def test_groups_that_fit_are_counted():
    for sparsity, fitting in ((0.0, 0), (0.99, 40)):
        _, sentence = figures.payoff(sparsity, times=TIMES)
        assert f"Of the 40 groups drawn, {fitting} fit" in sentence
    figure, _ = figures.payoff(0.0, times=TIMES)
    crosses = [line for line in figure.axes[2].get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 80  # 2:4 loses two of each four of a dense matrix


def test_two_four_holds_half():
    _, sentence = figures.payoff(0.5, 1024, "FP16", "nm", 64, TIMES)
    assert "2:4 takes 1,179,648 bytes, 0.56 times" in sentence and "holds at most half" in sentence  # 9/16 of 2 MiB


def test_static_picture_is_what_the_text_beside_it_says():
    _, sentence = figures.payoff(times=figures.RECORDED)
    assert numbers(sentence)[:2] == [1024, 1024] and "1.50 times" in sentence and "66.7 % zeros" in sentence
    assert "above about 77 % zeros, as recorded" in sentence
    assert len(figures.static_picture().axes) == 3


def test_it_asks_before_it_shows(monkeypatch):
    monkeypatch.setattr(figures, "measured_times", lambda size, batch: TIMES)
    question, row, told, picture = figures.payoff_explorer().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[2].click()
    assert "✓" in told.value and picture.layout.display == ""


def test_crossover_is_told_for_each_batch():
    found = {1: TIMES, 64: {**TIMES, "scipy": [8.0, 4.0, 2.0]}}
    text = figures.crossover_verdict(found)
    assert "Batch 1: SciPy's CSR is faster than dense from 83 % zeros on, torch's from 80 % zeros on." in text
    assert "Batch 64: SciPy's CSR is faster than dense not up to the last level" in text
    lines = repr(figures.crossover_table(found)).split("\n")
    assert lines[1].split()[3:] == ["50", "%", "70", "%", "90", "%"] and len(lines) == 8
    assert text in repr(figures.crossover_chart(found))


def test_counts_of_the_digits_are_shown_as_counts():
    found = {f"{name}{suffix}": 100 + i for i, (name, suffix) in enumerate(
        (name, suffix) for name, _ in figures.NETWORKS for suffix in ("", " tuned"))}
    assert "100 of 540" in repr(figures.two_four_table(found)) and "107 of 540" in repr(figures.two_four_table(found))
    assert "all weights: 100 and 101" in repr(figures.two_four_chart(found))
