"""Chapter 8's figures: their numbers against scipy and sums by hand, labelled axes, every filter and engine."""

import re

import numpy as np
import pytest
from scipy import ndimage

from utils.hardware.classical import KERNELS, PIPELINE_OPS
from utils.hardware.classical.contest import ContestRow
from utils.widgets import ch08_classical_vision_on_edge as ch


@pytest.mark.parametrize("name", ch.FILTERS)
def test_filters_in_onnx(name):
    img = ch.test_card(0.05)
    want = ndimage.median_filter(img, 3, mode="wrap") if name.startswith("median") else ndimage.correlate(img, KERNELS[name], mode="wrap")
    np.testing.assert_allclose(ch.in_onnx(name, img), want, atol=1e-6)
    figure, told = ch.draw_filter(name, 0.05)
    assert float(re.search(r"is ([\d.e-]+); the largest value", told)[1]) < 1e-6
    assert f"the largest value is {np.abs(want).max():.2f}" in told and len(figure.axes) == 4
    assert all(ax.get_title(loc="left") for ax in figure.axes)


def test_noise_of_the_card():
    clean, noisy = ch.test_card(0), ch.test_card(0.2)
    assert clean.shape == (64, 64) and 0.15 < ((noisy == 0) | (noisy == 1)).mean() < 0.25 and clean.max() < 1


@pytest.mark.parametrize("engines, total, left", [
    ((), 35.0, 35), (("NPU",), 30 / 20 + 5 + 2 * 0.5, 5), (("NPU", "IVE"), 34 / 20 + 1 + 2 * 0.5, 1), (("IVE",), 28 + 7 / 20 + 4 * 0.5, 28)])
def test_the_pipeline(engines, total, left):
    figure, told = ch.draw_pipeline(engines)
    assert float(re.search(r"([\d.]+) ms with", told)[1]) == pytest.approx(total, abs=0.051) and f"{35 / total:.1f} times as fast" in told and f", {left} ms." in told
    assert "(ms)" in figure.axes[0].get_title(loc="left")
    assert sum(p.get_width() for p in figure.axes[0].patches) == pytest.approx(35 + total)


def test_tables():
    text = ch.mapping_table().text
    assert all(name in text for name in PIPELINE_OPS) and "On an NPU alone: 55 %" in text
    rows = [ContestRow("clean", 531 / 540, 0.5)]
    assert re.search(r"clean +98\.3 % \(97 to 99\) +50\.0 % \(46 to 54\)", ch.contest_table(rows).text)
    assert re.search(r"exchanges, NumPy +0\.50 +20\.0", ch.median_table([("np.median", 10.0), ("19 exchanges, NumPy", 0.5)]).text)
    names = [name for name, ms in ch.median_times(16, 1) if ms > 0]
    assert len(names) == 3 and "CUDA provider" in ch.gpu_filter_note().text


def test_shells_and_picture():
    assert ch.static_picture().axes and ch.filter_view() is not None and ch.pipeline_view() is not None
    assert "img" in ch.shown(*ch.draw_pipeline()).html
