"""Chapter 22's figures: their numbers against sums by hand, labelled axes, every network and planner."""

import re
import sys

import pytest

from utils.cost.arena import TensorUse, plan_arena
from utils.networks.on_device import FusionRun
from utils.widgets import ch22_on_device_optimisation as ch
from utils.widgets.style import shown_figure


def test_the_arena_of_mobilenet():
    figure, told = ch.draw_arena()
    bound = 4 * 112 * 112 * (32 + 64) / 2**20
    assert f"the arena takes {bound:.2f} MiB" in told and "can be smaller than 4.59 MiB" in told and "19.82 MiB, 4.3 times" in told
    ax = figure.axes[0]
    assert len(ax.patches) == 30 and "MiB" in ax.get_ylabel() and "step" in ax.get_xlabel()
    assert max(p.get_y() + p.get_height() for p in ax.patches) == pytest.approx(bound)


def test_two_branches():
    # units of 2^17 elements of 4 bytes: half a MiB; 18 and 11 units
    assert "the arena takes 9.00 MiB" in ch.draw_arena("two branches, side by side", "optimal")[1]
    assert "the arena takes 5.50 MiB" in ch.draw_arena("two branches, one by one", "optimal")[1]
    assert "the arena takes 11.00 MiB" in ch.draw_arena("two branches, one by one", "naive")[1]


@pytest.mark.parametrize("network", ch.NETWORKS)
def test_every_knob(network):
    for planner in ch.PLANNERS:
        told = ch.draw_arena(network, planner, "INT8", 96)[1]
        assert ("exhaustive planner takes at most 8" in told) == (planner == "optimal" and network.startswith("Mobile"))


def test_rectangles():
    uses = [TensorUse(4, 0, 1), TensorUse(3, 1, 2)]
    assert ch.arena_rectangles(uses, plan_arena(uses)) == [(0, 2, 0, 4), (1, 2, 4, 3)]


def test_channels():
    figure, told = ch.draw_channels()
    assert "Every point has 462 million MACs. Fewest elements: 1,392,640 at 128 to 512 channels, ratio 4; with 256 to 256 it is 1,593,344." in told
    assert 128 * 512 * 9 * 28 * 28 == 462_422_016 and 56 * 56 * 128 + 28 * 28 * 512 + 9 * 65536 == 1_392_640
    assert "elements" in figure.axes[0].get_ylabel() and "log" in figure.axes[0].get_xlabel()
    for stride in (1, 2, 4):
        assert f"ratio {stride**2};" in ch.draw_channels(stride)[1]


def test_tables_and_engine(monkeypatch):
    run = FusionRun((24, 8), (15.0, 12.0), 4e-6, ("ReorderInput", *["Conv"] * 6, "ReorderOutput"))
    text = ch.fusion_table(run).text
    assert re.search(r"optimised +8 +12\.00 +1\.25", text) and "1 ReorderInput, 6 Conv, 1 ReorderOutput" in text
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert ch.engine_note().text.startswith("TensorRT is not available here.")
    assert "img" in shown_figure(*ch.draw_channels(1, 14, 1, 10)).html


def test_shells_and_picture():
    assert ch.static_picture().axes and ch.arena_map() is not None and ch.channel_curve() is not None
