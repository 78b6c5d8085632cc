"""The figures of chapter 26: their sentences against NumPy, their axes, their shells."""

import re

import numpy as np
import pytest

from utils.widgets import ch26_bf16_vs_fp16 as figures
from utils.widgets.shell import Prediction, explorer
from utils.widgets.style import table


def labelled(figure):
    return all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes if ax.axison)


@pytest.mark.parametrize("log2_x", [-30, -20.5, -17, -3.32, 0, 15.99, 16.5, 20])
def test_two_rulers_tell_numpys_numbers(log2_x):
    figure, sentence = figures.draw_two_rulers(log2_x)
    assert labelled(figure)
    x = np.float32(2.0**log2_x)
    with np.errstate(over="ignore"):
        half = float(np.float16(x))
    told = re.search(r"FP16 holds (\S+) ", sentence)[1]
    assert told == "infinity" if np.isinf(half) else float(told) == pytest.approx(half, rel=1e-5, abs=1e-12)


def test_the_conversion_map_counts_every_word():
    figure, sentence = figures.draw_conversion_map("BF16 into FP16", 0x47, 0x80)
    assert labelled(figure)
    counts = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:exact|rounded|becomes|overflows|NaN|infinity)", sentence)]
    assert sum(counts) == 65536 and counts[0] == 8704
    assert "0x4780: overflows" in sentence
    assert "0x3C00: exact" in figures.draw_conversion_map("FP16 into BF16", 0x3C, 0x00)[1]


def test_the_thermometer_agrees_with_numpy(monkeypatch):
    gradients = (np.random.default_rng(0).normal(size=4000) * 1e-7).astype(np.float32)
    monkeypatch.setattr(figures, "_gradients", lambda: gradients)
    for log2_scale in (0, 8, 30):
        figure, sentence = figures.draw_thermometer(log2_scale)
        assert labelled(figure)
        with np.errstate(over="ignore"):
            zero = np.mean((gradients.astype(np.float64) * 2.0**log2_scale).astype(np.float16) == 0)
        assert float(re.search(r"([\d.]+)% of the gradients become", sentence)[1]) == pytest.approx(100 * zero, abs=0.01)


def test_the_figure_comes_after_the_guess():
    shown = explorer(lambda x: (f"<b>{x}</b>", f"x is {x}."), {"x": __import__("ipywidgets").IntSlider(value=3)},
                     Prediction("How much?", ("one", "three"), 1, "Because."))
    question, row, told, view = shown.children
    assert "How much?" in question.value and view.layout.display == "none"
    row.children[0].click()
    assert view.layout.display == "" and "✗" in told.value and "three" in told.value and "Because." in told.value
    knobs, picture, sentence = view.children
    knobs.children[0].value = 5
    assert picture.value == "<b>5</b>" and "x is 5." in sentence.value


def test_shells_build_without_a_browser(monkeypatch):
    monkeypatch.setattr(figures, "_gradients", lambda: np.full(10, 1e-8, np.float32))
    for shell in (figures.two_rulers, figures.conversion_map_figure, figures.thermometer):
        assert shell().children


def test_the_static_picture_is_the_same_on_every_build():
    from autograder.notebooks.pictures import figure_svg

    one, two = figure_svg(figures.static_picture()), figure_svg(figures.static_picture())
    assert one == two and "<svg" in one and "3.14062" in one


def test_rates_need_a_gpu():
    import torch

    if not torch.cuda.is_available():
        assert "No GPU" in figures.gpu_rates()


def test_a_table_has_plain_text_and_escapes():
    shown = table(["a", "b"], [["<x>", "1"]], "title")
    assert "&lt;x&gt;" in shown._repr_html_() and repr(shown).split("\n")[:2] == ["title", "a    b"]
