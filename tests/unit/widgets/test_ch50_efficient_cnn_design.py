"""Figures of chapter 50: numbers of their sentences against counts by hand, axes, and the answers to the guesses."""

import re

import numpy as np
import pytest

from utils.hardware.chips import PLATFORMS
from utils.hardware.gpu_arch import GPUS
from utils.networks.design import G1_RUNS
from utils.networks.design.experiment import TimedLayer
from utils.widgets import ch50_efficient_cnn_design as figures


def numbers(pattern, text):
    return [float(n.replace(",", "")) for n in re.search(pattern, text).groups()]


def labelled(figure, count):
    axes = figure.axes
    assert len(axes) == count
    return all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)


def test_the_three_kernels_on_a_t4():
    figure, told = figures.draw_roofline(28, 256, 3, 1, 4, "T4")
    assert labelled(figure, 1)
    area = 28 * 28
    for name, flops, elements in (
            ("3x3 dense", 18 * area * 256 * 256, 2 * area * 256 + 9 * 256 * 256),
            ("3x3 depthwise", 18 * area * 256, 2 * area * 256 + 9 * 256),
            ("1x1 pointwise", 2 * area * 256 * 256, 2 * area * 256 + 256 * 256)):
        ratio, rate, us = numbers(rf"{name} ([\d.]+) FLOP per byte, at most ([\d,]+) GFLOP/s \(\w+\), at least ([\d,.]+) µs", told)
        assert ratio == pytest.approx(flops / elements / 4, rel=5e-3)
        attainable = min(1e3 * GPUS["T4"].peak_tflop_s["fp32"], flops / elements / 4 * GPUS["T4"].mem_gb_s)
        assert rate == pytest.approx(attainable, rel=1e-3)
        assert us == pytest.approx(flops / attainable / 1e3, rel=5e-3)
    # the figure's guess: the depthwise layer does about 2.2 FLOP per byte
    assert numbers(r"depthwise ([\d.]+) FLOP", told) == [2.24]


def test_an_npu_waits_for_memory_with_all_three():
    _, told = figures.draw_roofline(56, 64, 3, 4, 1, "RK3588 NPU")
    assert told.count("(memory)") == 3
    assert [round(float(us)) for us in re.findall(r"at least ([\d.]+) µs", told)] == [12, 12, 12]
    assert PLATFORMS["RK3588"].mem_gb_s == pytest.approx(33.8, abs=0.1)


def test_an_unknown_peak_is_said():
    figure, told = figures.draw_roofline(56, 64, 3, 4, 4, "RK3588 NPU")
    assert told == "The table has no FP32 peak of RK3588 NPU. Choose INT8." and labelled(figure, 1)


@pytest.mark.parametrize("device", list(figures.design_devices()))
@pytest.mark.parametrize("item_bytes", list(figures.FORMATS))
def test_every_device_and_format_is_drawn(device, item_bytes):
    figure, told = figures.draw_roofline(7, 16, 7, 16, item_bytes, device)
    assert labelled(figure, 1) and told.endswith(".")


@pytest.mark.parametrize("stride, pair", [(1, (128, 128)), (2, (64, 256)), (4, (32, 512))])
def test_the_lowest_point(stride, pair):
    figure, told = figures.draw_channels(stride, 56, 16384, 1)
    assert labelled(figure, 1)
    out = 56 // stride
    moved = {c: 56 * 56 * c + out * out * 16384 // c + 16384 for c in (2**i for i in range(15))}
    best = min(moved, key=moved.get)
    assert (best, 16384 // best) == pair
    assert numbers(r": (\d+) → (\d+) moves the least, ([\d.]+) million", told) == [*pair, pytest.approx(moved[best] / 1e6, rel=5e-3)]
    if stride > 1:
        assert numbers(r"128 → 128, move (\d+)% more", told) == [round(100 * (moved[128] / moved[best] - 1))]
    curve = figure.axes[0].lines[0]
    assert curve.get_ydata().min() == pytest.approx(moved[best] / 1e6, rel=1e-6)


def test_three_kernels_add_up():
    kernel = np.arange(9.0).reshape(3, 3)
    figure, told = figures.draw_fusing(kernel, 2.5)
    assert "4 + 2.5 + 1 = 7.5" in told
    shown = [[float(t.get_text()) for t in ax.texts if re.fullmatch(r"-?[\d.]+", t.get_text())] for ax in figure.axes]
    assert np.sum(shown[:3], axis=0).tolist() == shown[3]


def test_the_granules_table():
    told = repr(figures.granule_table((36, 64)))
    line = next(row for row in told.splitlines() if row.startswith("Qualcomm"))
    assert line.split()[-4:] == ["32", "56%", "100%", "2026-11"]


ROWS = [TimedLayer(name, 100_000_000, 1_000_000 * (i + 1), 2.0 * (i + 1)) for i, name in enumerate(("a", "b", "c", "d"))]


def test_the_ratios_picture():
    figure, told = figures.draw_ratios(ROWS)
    assert labelled(figure, 1)
    assert "1:1 100 %, 1:2 50 %, 1:6 33 %, 1:12 25 %" in told and "if traffic were all: 25 %" in told
    assert f"reaches {100 * 748 / 1480:.0f} % on the GPU and {100 * 57.6 / 76.2:.0f} % on ARM" in told
    assert list(figure.axes[0].lines[0].get_ydata()) == [100 * run[1] / 1480 for run in G1_RUNS.values()]


def test_the_layer_table():
    told = repr(figures.layer_table(ROWS, "caption"))
    assert told.splitlines()[0] == "caption" and told.splitlines()[2].split() == ["a", "100.0", "1.00", "2.00", "100.0"]
    assert "elements" not in repr(figures.layer_table([TimedLayer("n", 5_000_000, 0, 1.0)], "c"))


def test_static_picture_and_shells():
    assert labelled(figures.static_picture(), 2)
    for shell in (figures.roofline_figure(), figures.channels_figure()):
        question, buttons, _, view = shell.children
        assert "Guess first" in question.value and len(buttons.children) == 4
        buttons.children[0].click()
        assert view.layout.display != "none"
    assert "CUDA" in repr(figures.gpu_note())
