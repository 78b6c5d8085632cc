"""Chapter 43's figures: their numbers against counts by hand, labelled axes, every knob's end."""

import re

import pytest

from utils.cost.flops import count_module_macs
from utils.hardware.accelerators import CHIP_KINDS
from utils.widgets import ch43_edge_ai_chip_kinds as ch


def test_the_wavefront():
    figure, told = ch.draw_wavefront(5, 4, 6, 6)
    # cells (a, b) with 2 <= a + b <= 6: 24 less those with a + b in (0, 1) and (7, 8)
    busy = sum(2 <= a + b <= 6 for a in range(4) for b in range(6))
    assert busy == 18 and "In cycle 6 18 of 24 cells have work." in told
    assert "All 13 cycles = 5 + 4 + 6 − 2 together: 120 of 312 slots, 38 %." in told  # 5 * 4 * 6; 120 / 312
    cells, bars = figure.axes
    texts = [t.get_text() for t in cells.texts]
    assert [texts.count(f"x{i}") for i in range(5)] == [sum(a + b == 6 - i for a in range(4) for b in range(6)) for i in range(5)]
    assert {"↓\ny3[0]", "↓\ny0[3]", "x4[2] →", "x3[3] →"} <= set(texts)
    assert [p.get_height() for p in bars.patches] == [sum(0 <= c - a - b < 5 for a in range(4) for b in range(6)) for c in range(13)]
    assert bars.get_xlabel() == "cycle" and "cells" in bars.get_ylabel()
    assert max(p.get_height() for p in bars.patches) < 24  # the guess: never all of them
    assert ch.draw_wavefront(1, 1, 1, 30)[1].startswith("x is 1 × 1, the array 1 × 1. In cycle 0 1 of 1")


def test_layers():
    figure, told = ch.draw_layers("MobileNetV2", 64)
    macs = count_module_macs(ch.networks()["MobileNetV2"], (1, 3, 224, 224)).macs
    assert f"{macs / 1e6:,.0f} million MACs on 64 × 64 cells take 3,982,633 cycles, 3.98 ms at 1 GHz" in told
    assert "Depthwise layers have 7 % of the MACs and 92 % of the cycles." in told
    assert f"Array utilization {100 * macs / (4096 * 3_982_633):.2g} %" in told
    top, bottom = figure.axes
    assert len(top.patches) == 53 and "%" in top.get_ylabel() and {"89%", "7%", "92%"} <= {t.get_text() for t in bottom.texts}
    assert "Depthwise" not in ch.draw_layers("ResNet-18", 256)[1]


def test_the_guess_of_the_layers():
    small, large = (ch.layer_utils("MobileNetV2", side, side).cycles for side in (64, 256))
    assert 1.9 < large / small < 2.1
    assert ch.layer_utils("MobileNetV2", 256, 256).cycles / ch.layer_utils("ResNet-18", 256, 256).cycles == pytest.approx(34, abs=0.5)


@pytest.mark.parametrize("batch", [1, 64])
def test_every_knob(batch):
    for name in ch.networks():
        for side in (min(ch.SIDES), max(ch.SIDES)):
            assert "cycles" in ch.draw_layers(name, side, batch)[1]


def test_tables():
    assert all(name in ch.chips_table().text for name in CHIP_KINDS) and "As of 2026-11" in ch.chips_table().text
    text = ch.arrays_table().text
    assert re.search(r"MobileNetV2 +301 +4\.40 \(27 %\) +3\.98 \(1\.8 %\) +7\.91 \(0\.058 %\)", text)
    assert re.search(r"256 +32,704 +46\.7 +24", ch.batch_table(2048, 1000, 256, 0.7, (1, 256)).text)


def test_the_experiment():
    rows = ch.simulated_utilization(4, 3, (1, 5))
    assert [(m, cycles) for m, cycles, _ in rows] == [(1, 6), (5, 10)] and rows[1][2] == 0.5  # 5 * 12 / (12 * 10)
    figure, told = ch.draw_growing(rows, 4, 3)
    assert told == "With 5 rows the simulator took 10 cycles: 50.0 % of the slots had work." and "(%)" in figure.axes[0].get_ylabel()
    assert "img" in ch.growing_picture(rows, 4, 3).html


def test_shells_and_picture():
    assert ch.static_picture().axes and ch.wavefront() is not None and ch.layers_on_array() is not None
