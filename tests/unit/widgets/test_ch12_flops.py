"""Chapter 12's figures: their sentences say what is drawn, and what is drawn is counted."""

import re

import pytest
import torch

from utils.cost.flops.figures import cost_point
from utils.widgets import ch12_flops as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_microscope_tells_the_sums_of_all_windows(channels, skip):
    figure, sentence = figures.microscope(36, kernel=3, channels=channels, padding=1, skip_padding=skip, bias=True)
    taps = 13**2 if skip else 15**2  # per axis 5 windows of 3 taps, 2 of which touch padding
    assert numbers(sentence)[:6] == [25, 25, channels * taps, channels * taps, channels * taps, 25 * (10 * channels - 1)]
    image, tree, chart = figure.axes
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in (image, chart))
    assert tree.get_title(loc="left")
    assert len(chart.get_lines()[2].get_xdata()) == 26


def test_microscope_before_the_first_window_and_beyond_the_last():
    assert numbers(figures.microscope(0)[1]) == [0, 25, 0, 0, 0, 0]
    assert figures.microscope(10, padding=0)[1] == figures.microscope(9, padding=0)[1]
    assert "one channel" in figures.microscope(3, channels=1)[1]


@pytest.mark.parametrize(("channels", "kernel", "row"), [(2, 3, "16 + 1 + 1 = 18"), (3, 2, "9 + 2 + 1 = 12")])
def test_the_tree_spells_out_one_window(channels, kernel, row):
    tree = figures.microscope(8, kernel=kernel, channels=channels)[0].axes[1]
    assert f"{row} additions" in [t.get_text() for t in tree.texts]


def test_static_picture_is_what_the_text_beside_it_says():
    assert numbers(figures.microscope(8)[1])[:6] == [8, 25, 144, 144, 144, 152]
    assert len(figures.static_picture().axes) == 3


def test_court_names_every_judge_that_differs():
    html, sentence = figures.court("attention")
    assert html.count("<tr>") == 7
    assert html.count("✗") == 2 and html.count("✓") == 4
    assert "2 of 6 counters give other MACs: FlopCounterMode; module hooks" in sentence
    html, sentence = figures.court("separable")
    assert "✗" not in html and "All 6" in sentence
    assert html.count("one addition too many") == 2  # the two tools that report FLOPs


def test_cost_tells_both_layers():
    figure, sentence = figures.cost()
    macs = 28 * 28 * 256 * 256 * 9
    pair = 28 * 28 * 256 * (9 + 256)
    point = cost_point(256, 256, 3, resolution=28)
    assert numbers(sentence) == pytest.approx([macs / 1e6, 589_824, point["intensity"], pair / 1e6, macs / pair, 67_840,
                                               point["separable"]["intensity"]], abs=0.05)
    assert len(figure.axes) == 4 and all(ax.get_ylabel() and ax.get_title(loc="left") for ax in figure.axes)
    assert "times as many" in figures.cost(16, 16, 3, groups=16)[1]


@pytest.mark.parametrize("make", [figures.counting_microscope, figures.counter_court, figures.cost_explorer])
def test_each_figure_asks_before_it_shows(make):
    view = make()
    question, row, told, picture = view.children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert told.value and picture.layout.display == ""


def test_timed_layers_are_rates_of_their_own_times():
    threads = torch.get_num_threads()
    rows = figures.time_layers(channels=8, size=6, rounds=2)
    assert torch.get_num_threads() == threads
    full = rows[0]
    assert full["macs"] == 36 * 8 * 8 * 9
    assert full["gflop_s"] == pytest.approx((2 * full["macs"] - 36 * 8) / full["ms"] / 1e6)
    told = figures.layer_table(rows)
    assert [line.split("  ")[0] for line in repr(told).split("\n")][1:] == [r["name"] for r in rows]
    assert told._repr_html_().count("<tr>") == 6


def test_verdict_compares_the_pair_with_the_full_layer():
    rows = [{"name": "full 3x3", "macs": 90, "ms": 8.0, "gflop_s": 100.0}, {"name": "depthwise 3x3", "macs": 1, "ms": 1.0, "gflop_s": 5.0},
            {"name": "pointwise 1x1", "macs": 9, "ms": 3.0, "gflop_s": 50.0}]
    told = figures.separable_verdict(rows)
    assert "9.0 times fewer MACs, 2.0 times less time" in told and "5.0 %" in told


def test_matmul_chart_and_gpu_tables():
    rates = figures.time_matmuls((8, 16), repeats=2)
    assert [n for n, _ in rates] == [8, 16]
    shown = figures.matmul_chart([(8, 1.4), (16, 3.6)])
    assert repr(shown) == "GFLOP/s by size: n = 8: 1, n = 16: 4" and "n = 16: 4" in shown.html
    before = torch.get_float32_matmul_precision()
    told = figures.precision_table(lambda fn: (fn(), 1.0)[1], "cpu", "a pretended device")
    assert repr(told).split("\n")[2].split() == ["full", "3x3", "925", "925", "925"]
    assert torch.get_float32_matmul_precision() == before
    if not torch.cuda.is_available():
        assert "No CUDA device" in repr(figures.gpu_table())
