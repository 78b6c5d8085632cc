"""Chapter 15's figures: their sentences say what was computed, the tables what was run."""

import re

import numpy as np
import pytest

from utils.compression.quantization.bits_sweep import BitsRow
from utils.compression.quantization.integer_speed import SpeedRow
from utils.widgets import ch15_quantization as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def sqnr_of(x, step, top):
    """Symmetric quantization in plain float64."""
    back = np.clip(np.round(x / step), -top, top) * step
    return 10 * np.log10(np.sum(x**2) / np.sum((back - x) ** 2))


@pytest.mark.parametrize("bits, clip", [(4, 0.0), (4, 2.5), (6, 1.0)])
def test_the_sentence_says_step_share_and_sqnr(bits, clip):
    x = figures.bench_tensor("normal").astype(np.float64)
    _, sentence = figures.draw_bench("normal", bits, clip)
    limit = clip or np.abs(x).max()
    step = limit / (2 ** (bits - 1) - 1)
    told = numbers(sentence.split("range up to")[1])
    assert told[:4] == pytest.approx([limit, step, 100 * np.mean(np.abs(x) > limit),
                                      sqnr_of(x, step, 2 ** (bits - 1) - 1)], rel=0.005, abs=0.05)
    best_clip, best_db = told[4:6]
    assert sqnr_of(x, best_clip / (2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1) == pytest.approx(best_db, abs=0.1)
    assert best_db >= told[3]


def test_axes_are_labelled_with_units():
    figure, _ = figures.draw_bench("ReLU of normal", 3, 2.0, False, "channel")
    stairs, values, curve = figure.axes
    assert "σ" in stairs.get_xlabel() and "σ" in values.get_xlabel() and "dB" in curve.get_ylabel()
    assert "first channel" in stairs.get_title(loc="left")


def test_what_the_text_says_to_look_for():
    def told(*knobs):
        return numbers(re.search(r"SQNR [\d.]+", figures.draw_bench(*knobs)[1])[0])[0]

    outlier = "normal and one outlier at 20 σ"
    assert 1.5 < (told("normal", 8) - told(outlier, 8)) / 6.02 < 2.5
    assert told(outlier, 8, 0.0, True, "channel") > told(outlier, 8) + 9
    assert told("normal", 6, 3.5) > told("normal", 6) and told("normal", 4, 2.5) > told("normal", 4) + 3
    assert told("ReLU of normal", 8, 0.0, False) - told("ReLU of normal", 8) == pytest.approx(6.02, abs=0.5)


def test_static_picture_is_what_the_text_beside_it_says():
    sentence = figures.draw_bench()[1]
    for text in ("range up to 3.9 σ", "step 0.557 σ", "SQNR 15.8 dB", "2.44 σ, gives 19.0 dB", "the best is 24.5 dB"):
        assert text in sentence
    assert len(figures.static_picture().axes) == 3


def test_it_asks_before_it_shows():
    question, row, told, view = figures.bench().children
    assert "Guess first" in question.value and view.layout.display == "none"
    row.children[1].click()
    assert "✓" in told.value and view.layout.display == ""


def test_bits_chart_tells_every_row():
    rows = [BitsRow(b, 6.0 * b, 6.1 * b, 6.2 * b, 500 + b, 490 + b, 540) for b in (4, 8)]
    shown = figures.bits_chart(rows)
    assert repr(shown) == "4 bits: 24.0 dB, 494 of 540 right; 8 bits: 48.0 dB, 498 of 540 right"
    assert "<img" in shown.html and "494 of 540" in shown.html


def test_network_table_and_verdict():
    theirs = np.zeros((2, 10), np.uint8)
    ours = theirs.copy()
    ours[1, 3] = 1
    rows = [{"name": "INT8, ONNX Runtime", "bytes": 12979, "logits": theirs, "correct": 530, "total": 540,
             "operators": figures.computing(["QuantizeLinear", "QLinearConv", "NhwcMaxPool", "QGemm"])},
            {"name": "INT8, our integers in NumPy", "bytes": 0, "logits": ours, "correct": 529, "total": 540, "operators": []}]
    told = repr(figures.integer_table(rows))
    assert "12,979" in told and "530 of 540" in told and "QLinearConv, QGemm" in told and "96.6% … 99.0%" in told
    assert figures.integer_verdict(rows).startswith("1 of 20 output codes differ")


def test_speed_table_compares_with_fp32():
    told = repr(figures.speed_table([SpeedRow(64, 2.0, 0.5, 30.0, "MatMulInteger", True)]))
    assert "4.0 times faster" in told and "15 times slower" in told and "64 × 64" in told
