"""Chapter 24's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import itertools
import re

import pytest

from utils.engines.tensorrt_optimizer.measurements import SiblingTimes
from utils.widgets import ch24_tensorrt as ch


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", text)]


def by_hand():
    """Elements that the Inception block's kernels move, all optimised: 28 x 28 values, 64 channels in."""
    hw = 28 * 28
    merged = 64 * hw + 48 * 64 + 48 + 48 * hw
    three = 24 * hw + 32 * 24 * 9 + 32 + 32 * hw
    five = 8 * hw + 16 * 8 * 25 + 16 + 16 * hw
    pooled = 2 * 64 * hw
    last = 64 * hw + 16 * 64 + 16 + 16 * hw
    return merged + three + five + pooled + last


def test_sentence_of_the_inception_block():
    _, text = ch.draw_compiler("Inception block", True, True, True)
    assert "20 operators become 5 kernels" in text
    assert f"{by_hand() * 4 / 2**20:.2f} MiB" in text
    # at the pool: x, pool and the whole concatenation live
    assert f"arena has {(64 + 64 + 80) * 28 * 28 * 4 / 1024:,.0f} KiB" in text
    _, plain = ch.draw_compiler("Inception block", False, False, False)
    assert "applied: nothing. 20 operators become 20 kernels" in plain


@pytest.mark.parametrize("block", ["Inception block", "residual block"])
def test_axes_are_labelled_for_all_knobs(block):
    for switches in itertools.product((False, True), repeat=3):
        figure, text = ch.draw_compiler(block, *switches)
        bars, arena = figure.axes
        assert "KiB" in bars.get_xlabel() and "step" in arena.get_xlabel() and "KiB" in arena.get_ylabel()
        assert len(bars.get_yticklabels()) == int(re.search(r"become (\d+) kernels", text)[1])
        figure.canvas.draw()


def test_measured_sentence_names_its_conditions():
    _, text = ch.draw_compiler("residual block", True, False, False, True)
    assert "Measured here" in text and "one thread" in text


def test_labels_of_kernels():
    assert ch.kernel_label("pool", "MaxPool") == "pool"
    assert ch.kernel_label("conv1 + bn1", "Conv+BatchNormalization") == "Conv+BN: conv1"
    assert ch.kernel_label("c1 + r1 || c2 + r2", "Conv+Relu") == "2 × Conv+Relu:\nc1, c2"


def test_tactics_name_the_winner_and_what_is_out():
    figure, text = ch.draw_tactics(1, 14, 3)
    told = [t.get_text() for t in figure.axes[0].texts]
    winner = next(name for name, t in zip(("direct", "im2col_gemm", "fft", "winograd_2x2_3x3"), told) if "fastest" in t)
    assert f"{winner} is fastest" in text and "(log scale)" in figure.axes[0].get_xlabel()
    assert "only for 3x3" in ch.draw_tactics(1, 14, 5)[0].axes[0].texts[3].get_text()


def test_sweep_and_tables():
    rows = [{"direct": 0.1, "im2col_gemm": 0.3, "fft": 0.4, "winograd_2x2_3x3": 0.2}, {"direct": 2.0, "im2col_gemm": 9.0, "fft": 0.5}]
    figure, text = ch.draw_sweep((3, 15), rows)
    assert "3 x 3 filter fft takes 4 times" in text and "15 x 15 0.25 times" in text
    assert figure.axes[0].get_yscale() == "log" and "ms" in figure.axes[0].get_ylabel()
    table = repr(ch.tactic_table((3, 15), rows))
    assert table.splitlines()[2].split()[-1] == "fft" and " - " in table.splitlines()[2]
    siblings = repr(ch.sibling_table(SiblingTimes(0.2, 0.1, 0.05, 0.0)))
    assert re.findall(r"\d\.\d\d\b", siblings)[-3:] == ["1.00", "0.50", "0.25"]


def test_without_tensorrt_one_line_says_what_the_cell_would_do(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert "is not available" in repr(ch.tensorrt_groups()) and "beside ours" in repr(ch.tensorrt_groups())


def test_with_tensorrt_its_layers_stand_beside_ours(monkeypatch):
    names = ["conv_1x1 + relu_1x1 || conv_reduce3 + relu_reduce3", "pool", "conv_3x3 + bn_3x3 + relu_3x3"]
    monkeypatch.setattr(ch, "tensorrt_layers", lambda model: names)
    lines = repr(ch.tensorrt_groups()).splitlines()
    assert [line.split()[-1] for line in lines[2:]] == ["no", "yes", "yes"]
    assert lines[0] == "3 layers; our vertical fusion makes 8"


def test_shells_and_static_picture():
    assert len(ch.compiler_view().children) == 4
    assert len(ch.tactic_map().children) == 4
    assert len(ch.static_picture().axes) == 4
