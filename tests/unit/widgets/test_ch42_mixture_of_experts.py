"""Chapter 42's figures: their sentences say what is drawn, and what is drawn is counted."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from utils.moe.digits_moe import TrainReport
from utils.moe.router_figure import RouterHistory
from utils.widgets import ch42_mixture_of_experts as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.fixture
def history(monkeypatch):
    """600 tokens, of which 450 lie on expert 0's side of a fixed router of four experts."""
    rng = np.random.default_rng(0)
    tokens = np.stack([np.repeat([-1.0, 1.0], [450, 150]), rng.normal(size=600)], 1).astype(np.float32)
    planes = np.tile(np.array([[-5, 0, 0], [5, 0, 0], [0, 0, -99], [0, 0, -99]], np.float32), (101, 1, 1))
    made = RouterHistory(tokens, np.zeros(600, int), planes, np.zeros((101, 4), np.float32), 1)
    monkeypatch.setattr(figures, "recorded", lambda *args: made)
    figures._dropped_history.cache_clear()
    yield made
    figures._dropped_history.cache_clear()


def test_playground_counts_the_router_s_choices(history):
    figure, sentence = figures.playground(step=10, cure="bias", capacity_factor=1.0, num_experts=4)
    dropped = 100 * (450 - 150) / 600
    assert numbers(sentence)[:9] == [10, 1, 2, 4, 2, 450, 150, dropped, 600]
    # f = P = (3/4, 1/4), as the softmax is one-hot: 4 (9/16 + 1/16)
    assert numbers(sentence)[9] == pytest.approx(2.5, abs=0.01)
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    assert [t.get_text() for t in figure.axes[1].texts] == ["450", "150", "0", "0"]
    assert "150 places" in figure.axes[1].get_title(loc="left")


def test_static_picture_is_what_the_text_beside_it_says():
    figure, sentence = figures.playground()
    told = numbers(sentence)
    assert told[:2] == [100, 1] and told[2] < 8 and told[5] > told[6]  # experts died, and one overflows
    assert len(figure.axes) == 3


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_touched_tells_experts_and_both_bounds(batch):
    figure, sentence = figures.touched("Mixtral-8x7B", batch)
    experts = 8 * (1 - 0.75**batch)
    expert_bytes = 2 * 3 * 4096 * 14336 * 32
    rest = 2 * (46_702_792_704 - 32000 * 4096) - 8 * expert_bytes
    told = numbers(sentence)
    assert told[3] == pytest.approx(experts, abs=0.05)
    assert told[7] == pytest.approx(batch * 3350e9 / (rest + experts * expert_bytes), rel=0.01)  # memory-bound here
    assert told[8] == pytest.approx(batch * 3350e9 / (rest + 8 * expert_bytes), rel=0.01)
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)


@pytest.fixture
def runs():
    even, skewed = np.full((20, 8), 16), np.tile([128] + [0] * 7, (20, 1))
    half = np.tile([32] * 4 + [0] * 4, (20, 1))
    made = {"none": (skewed, 0.8), "aux": (half, 0.2), "bias": (even, 0.0)}
    return {b: [TrainReport(0.95, load, np.full(20, drop), 1.5)] * 2 for b, (load, drop) in made.items()}


def vars_of(run):
    return run.load_history, run.drop_history, run.expert_class_mi


def test_models_of_today_are_dated_and_computed():
    lines = figures.models_of_today(4).text.splitlines()
    assert "2026" in lines[0] and len(lines) == 9
    assert f"{8 * (1 - 0.75**4):.0f}" in lines[2].split() and f"{37 / 671:.1%}" in lines[3]


def test_experiment_tells_the_runs(runs):
    text = figures.balance_table(runs).text
    assert "no balancing, seed 0" in text and f"{7**0.5:.2f}" in text and "80.0" in text
    assert "95.0 (92.3 to 96.7)" in text  # 377 of 397: (0.9496 + 0.0048 ± 0.0221) / 1.0097
    verdict = figures.balance_verdict(runs)
    assert numbers(verdict)[:3] == [2.65, 1.0, 0.0] and verdict.count("yes") == 3
    assert "tells 1.5 of the 3.3 bits" in verdict
    apart = {**runs, "none": [TrainReport(0.5, *vars_of(runs["none"][0]))] * 2}
    assert "intervals overlap: no" in figures.balance_verdict(apart)
    assert numbers(figures.load_heatmap(runs).text) == [20, 0, 100, 25, 12, 12.5]


def test_grouped_table_has_a_row_for_each_number_of_tokens():
    def clock(fn):
        fn()
        return 2.0

    shown = figures.grouped_table(clock, "cpu", "this CPU", tokens=(3, 40))
    assert "this CPU" in shown.text and shown.text.count("1.0") == 2


def test_gpu_part_says_so_without_a_gpu(monkeypatch):
    import torch

    monkeypatch.setattr(torch, "cuda", SimpleNamespace(is_available=lambda: False))
    assert "not measured" in figures.gpu_table().text
