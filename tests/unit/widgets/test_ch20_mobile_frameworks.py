"""The figures of chapter 20: sentences against independent numbers, labelled axes, tables that show what ran."""

import re
from datetime import date

import numpy as np
import pytest

from utils.engines.mobile_formats import (
    BugResult,
    example_cnn,
    onnx_to_ncnn,
    onnx_to_tflite,
    parse_ncnn_param,
    read_tflite,
)
from utils.engines.mobile_formats.experiment import race_formats
from utils.widgets import ch20_mobile_frameworks as ch20


def test_the_microscope_tells_the_shift():
    _, sentence = ch20.draw_microscope(10, 3, 2)
    # ramp 1 … 10; SAME: windows (1,2,3) … (9,10,0): means 2, 4, 6, 8, 19/3; PyTorch: (0,1,2) … (7,8,9)... : 1, 3, 5, 7, 9
    assert "SAME pads (0, 1), PyTorch (1, 1)" in sentence and "Both give 5 outputs" in sentence and "1 pixel earlier" in sentence
    assert f"up to {max(abs(np.array([2, 4, 6, 8, 19 / 3]) - [1, 3, 5, 7, 9])):.2f}" in sentence


@pytest.mark.parametrize(("size", "kernel", "stride", "words"), [
    (11, 3, 2, "are equal"), (10, 3, 1, "are equal"), (8, 2, 1, "8 and 9 outputs"), (10, 7, 4, "earlier"), (20, 1, 4, "are equal")])
def test_the_microscope_knows_when_nothing_changes(size, kernel, stride, words):
    figure, sentence = ch20.draw_microscope(size, kernel, stride)
    assert words in sentence and len(figure.axes) == 2
    assert all(ax.get_title(loc="left") for ax in figure.axes) and "pixel" in figure.axes[1].get_xlabel()


def test_ramp_means_are_torchs():
    import torch

    for size, kernel, stride in [(10, 3, 2), (13, 5, 3), (8, 2, 1)]:
        pads = ch20.paddings(size, kernel, stride)["PyTorch, padding = kernel // 2"]
        pool = torch.nn.AvgPool1d(kernel, stride, kernel // 2, count_include_pad=True)
        expected = pool(torch.arange(1.0, size + 1)[None, None])[0, 0].numpy()
        np.testing.assert_allclose(ch20.ramp_means(size, kernel, stride, pads), expected, rtol=1e-6)


def test_the_timeline_counts_days():
    figure, sentence = ch20.draw_timeline(365)
    assert f"PocketFlow {(date(2026, 11, 27) - date(2019, 5, 28)).days:,} days" in sentence and "3 of the 5" in sentence
    assert "0 of the 5 projects are dormant." in ch20.draw_timeline(3000)[1]
    assert "1 of the 5 projects is dormant" in ch20.draw_timeline(2000)[1]
    assert "year" in figure.axes[0].get_xlabel()


def test_tables_name_dates_and_sources():
    text = repr(ch20.project_table()).replace("\N{NON-BREAKING HYPHEN}", "-")
    assert "2026-11-27" in text and "2,740" in text and text.count("dormant") == 3
    assert "ExecuTorch" in repr(ch20.mobile_table()) and "MACE" not in repr(ch20.mobile_table())
    assert "learner.py" in repr(ch20.file_table())
    sources = repr(ch20.source_list())
    assert sources.count("ncnn") >= 1 and len([line for line in sources.splitlines() if line.startswith("ncnn ")]) == 1


def test_file_tables_show_the_files():
    param, _ = onnx_to_ncnn(example_cnn())
    assert len(repr(ch20.ncnn_table(parse_ncnn_param(param))).splitlines()) == 1 + 7
    text = repr(ch20.tflite_table(read_tflite(onnx_to_tflite(example_cnn()))))
    assert "(16, 3, 3, 8)" in text and "SAME, fused ReLU" in text and "VALID, fused ReLU" in text and "PAD" in text


def test_race_tables():
    race = race_formats(repeats=3, real=("ONNX Runtime",))
    race.missing["ncnn"] = "ncnn is not available: `pip install ncnn`"
    text = repr(ch20.race_table(race))
    assert "7,416" in text and "6,070" in text and "pip install ncnn" in text
    lines = repr(ch20.difference_table(race)).splitlines()
    assert len(lines) == 4 and all(line.count("·") == 1 for line in lines[1:])


def test_the_bug_chart_tells_refusals():
    results = [BugResult("no mistake (ncnn)", "NumPy", 0.0), BugResult("SAME", "NumPy", 0.25), BugResult("flag", "NumPy", None, "why")]
    figure, sentence = ch20.draw_bugs(results)
    assert "by 0.25 to 0.25" in sentence and "1 wrong file refused" in sentence
    assert any("refused by NumPy" in text.get_text() for text in figure.axes[0].texts)
    assert "none of them is refused" in ch20.draw_bugs(results[:2])[1]
    assert re.search("log", figure.axes[0].get_xlabel())
    assert "0.25" in repr(ch20.bug_picture(results))


def test_shells_are_built():
    import ipywidgets

    for shell in (ch20.padding_microscope, ch20.project_timeline):
        assert isinstance(shell(), ipywidgets.VBox)
    assert ch20.static_picture().axes
