"""Chapter 09's figures: their sentences agree with the graphs and shapes behind them."""

import itertools
import re

import pytest
import torch

from utils.compression import memory_experiment
from utils.cost.arena import best_order, order_peak
from utils.optional import EngineUnavailable
from utils.widgets import ch09_shrinking_memory as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def rectangles(ax):
    return [p for p in ax.patches if p.get_hatch() is not None or p.get_alpha() == 0.45]


@pytest.mark.parametrize(("order", "kib"), [("as listed", 96), ("greedy", 60), ("best", 60)])
def test_the_order_decides_the_arena(order, kib):
    figure, sentence = figures.tetris("two branches", order)
    assert f"the arena takes {kib}.00 KiB" in sentence and f"At most {kib}.00 KiB live" in sentence
    assert "Separate buffers would take 112.00 KiB" in sentence  # 28 units of 4 KiB
    (ax,) = figure.axes
    assert "KiB" in ax.get_ylabel() and ax.get_xlabel() and len(rectangles(ax)) == 6


def test_three_branches_need_more_than_the_greedy_order():
    graph = figures.tetris_graph("three branches")
    peaks = {how: 4 * order_peak(figures.tetris_order(graph, how), graph) // 1024 for how in figures.ORDERS}
    every = [order for order in itertools.permutations(graph.by_name) if order.index("y") == 6
             and all(order.index(a) < order.index(b) for a, b in ("ad", "be", "cf"))]
    assert peaks == {"as listed": 244, "greedy": 184, "best": 4 * min(order_peak(o, graph) for o in every) // 1024}
    assert best_order(graph)[1] * 4 == 144 * 1024


def test_mobilenet_in_place_is_the_published_peak():
    in_place = figures.tetris("MobileNetV2, first blocks", in_place=True, dtype="INT8")
    apart = figures.tetris("MobileNetV2, first blocks", dtype="INT8")
    assert "arena 1372 KiB" in in_place[0].axes[0].get_legend().get_texts()[0].get_text()
    assert "arena 1470 KiB" in apart[0].axes[0].get_legend().get_texts()[0].get_text()
    assert numbers(figures.tetris("MobileNetV2, first blocks", batch=8)[1].split("takes")[1])[0] == 45.94


def test_the_digits_network_comes_from_its_file():
    figure, sentence = figures.tetris("digits CNN", planner="optimal", batch=2, dtype="INT8")
    # 16 channels of 8 x 8 before and after the second ReLU, one byte each, for two images
    assert "At most 4.00 KiB live" in sentence and "greedy is shown" in sentence
    assert any("Conv" in text.get_text() for text in figure.axes[0].texts)


def test_bump_uses_no_byte_twice():
    figure, sentence = figures.tetris("two branches", planner="bump", batch=4, dtype="FP16")
    assert "the arena takes 224.00 KiB" in sentence and "Separate buffers would take 224.00 KiB" in sentence
    tops = sorted((p.get_y(), p.get_y() + p.get_height()) for p in rectangles(figure.axes[0]))
    assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(tops))


def test_pools_add_up():
    names = list(figures.TECHNIQUES)
    figure, sentence = figures.llm_pools(8192, 8, names[:2], 24)
    weights, kv = 2 * 8_030_261_248 / 1e9, 131_072 * 8192 * 8 / 1e9
    before = numbers(sentence.split("GB: ")[1].split(". After")[0])
    assert before == pytest.approx([weights, kv, 0.15, 1, weights + kv + 1.15], abs=0.006)
    after = numbers(sentence.split("KV cache in 8 bits: ")[1])
    assert after[:2] == pytest.approx([weights * 4.15625 / 16, kv / 2], abs=0.006) and "fits a card of 24 GB" in sentence
    assert "GB" in figure.axes[0].get_xlabel()


def test_half_of_the_batch_is_the_footprint_of_half_the_sequences():
    half = figures.llm_pools(8192, 8, ["half of the batch"])[1].split("After ")[1].split(": ")[1].split(". That")[0]
    assert half == figures.llm_pools(8192, 4)[1].split("GB: ")[1].split(". After")[0]
    assert "activations 0.08" in half


def test_zeros_and_small_cards():
    names = list(figures.TECHNIQUES)
    sentence = figures.llm_pools(131072, 8, [names[3]], 80)[1]
    assert sentence.count("together 154.65") == 2 and "does not fit a card of 80 GB" in sentence
    assert "After nothing:" in figures.llm_pools(2048, 1, [], 24)[1]
    weights_only = figures.llm_pools(131072, 8, names[:1], 80)[1]
    assert 1 - numbers(weights_only.split("together ")[2])[0] / 154.65 < 0.1  # what the guess says


def test_both_ask_before_they_show():
    for make, right in ((figures.tetris_explorer, 2), (figures.pools_explorer, 2)):
        question, row, told, picture = make().children
        assert "Guess first" in question.value and picture.layout.display == "none"
        row.children[right].click()
        assert "✓" in told.value and picture.layout.display == ""


def test_the_pools_shell_passes_its_ticks_on():
    view = figures.pools_explorer().children[-1]
    knobs = view.children[1].children
    boxes = [k for k in knobs if isinstance(k.value, bool)]
    assert [b.description for b in boxes] == list(figures.TECHNIQUES)
    boxes[1].value = True
    assert "After KV cache in 8 bits" in view.children[-1].value


def test_patches_trade_memory_for_work():
    told = [line.split() for line in repr(figures.patch_table((1, 4))).split("\n")[1:]]
    assert told == [["1", "×", "1", "1,372.0", "0", "%"], ["4", "×", "4", "158.5", "31", "%"]]


def test_static_picture_is_what_the_text_beside_it_says():
    axes = figures.static_picture().axes
    assert [ax.get_title(loc="left") for ax in axes] == ["Both large tensors first: 96 KiB", "One branch after the other: 60 KiB"]
    assert axes[0].get_ylim() == axes[1].get_ylim()


def test_tables_of_measurements(monkeypatch):
    files = [{"name": "net", "parameters": 100, "half_parameters": 25, "fp32": 400, "zeros": 400, "half": 110, "int8": 200}]
    told = repr(figures.files_table(files)).split("\n")
    assert told[3].split()[-3:] == ["110", "3.64", "4.00"] and told[4].split()[-3:] == ["200", "2.00", "4.00"]
    rows = [{"name": "first", "predicted": 2_000_000, "traced": 2_000_000, "resident": 2_100_000}]
    monkeypatch.setattr(memory_experiment, "order_rows", lambda: rows)
    assert repr(figures.orders_table()).split("\n")[2].split() == ["first", "2.0", "2.0", "2.1"]
    bars = [{"name": "predicted: arena", "bytes": 4_000_000}, {"name": "measured: engine", "bytes": 5_000_000}]
    monkeypatch.setattr(memory_experiment, "engine_rows", lambda: bars)
    shown = figures.engine_chart()
    assert repr(shown) == "predicted: arena 4.0 MB; measured: engine 5.0 MB." and "alt=" in shown.html


def test_no_measurement_where_the_kernel_does_not_tell(monkeypatch):
    def none():
        raise EngineUnavailable("peak resident memory is not available: no /proc")

    monkeypatch.setattr(memory_experiment, "order_rows", none)
    monkeypatch.setattr(memory_experiment, "engine_rows", none)
    assert "not available" in repr(figures.orders_table()) and "not available" in repr(figures.engine_chart())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "No CUDA device" in repr(figures.gpu_numbers())
