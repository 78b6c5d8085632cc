"""Chapter 37's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest
import torch

from utils.compression.compression_chain import pruned_digits
from utils.compression.deep_compression import CompressedModel, deep_compress
from utils.networks.digits import DigitsMLP, accuracy, load_digits_split, trained_digits
from utils.widgets import ch37_front_back_compression as ch


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", text)]


def wilson_by_hand(k, n, z=1.959963984540054):
    """The two roots of (k/n - p)^2 = z^2 p (1 - p) / n."""
    p = k / n
    return np.sort(np.roots([1 + z * z / n, -(2 * p + z * z / n), p * p]))


def test_shares_carry_their_interval():
    told = ch.share_right(525, 540)
    low, high = wilson_by_hand(525, 540)
    assert told == f"525 of 540 test images right, 97.2 % (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"


@pytest.mark.parametrize("knobs", [(0.8, 16, 5, True), (0.9, 4, 2, False), (0.0, 256, 1, True)])
def test_the_chain_tells_what_is_in_the_bytes(knobs):
    figure, told = ch.draw_chain(*knobs)
    sparsity, k, bits, huffman = knobs
    data = deep_compress(pruned_digits(sparsity), sparsity, k, bits, huffman=huffman).to_bytes()
    _, X, _, y = load_digits_split()
    good = round(540 * accuracy(CompressedModel.from_bytes(data).load_into(DigitsMLP()), X, y))
    assert f"{len(data):,} bytes, {68_904 / len(data):.1f} times fewer" in told and f"{good} of 540" in told
    parts = numbers(told[told.index("(values") : told.index("headers") + 14].replace("(values", ""))
    assert sum(parts[:6]) == len(data)
    assert told.startswith(f"{100 * sparsity:.0f} % of the weights pruned, {k} shared")
    bars, stems = figure.axes
    assert bars.get_xlabel() == "bytes of the file" and stems.get_xlabel() and stems.get_ylabel()


def test_the_faint_bar_is_the_other_way():
    for huffman in (False, True):
        figure, _ = ch.draw_chain(huffman=huffman)
        widths = [sum(p.get_width() for p in figure.axes[0].patches[6 * row : 6 * row + 6]) for row in (0, 1)]
        assert widths[0] > widths[1]
        assert figure.axes[0].patches[6 * huffman].get_alpha() == 1.0


def test_ranks_against_numpy():
    figure, told = ch.draw_ranks(1, 8, False)
    W = trained_digits().linears[1].weight.detach().double().numpy()
    S = np.linalg.svd(W, compute_uv=False)
    assert "1,536 instead of 8,192" in told and "up to rank 42" in told
    assert f"{100 * np.sqrt(np.sum(S[8:] ** 2) / np.sum(S**2)):.0f} % of ‖W‖" in told
    left, right = figure.axes
    assert left.get_xlabel() and left.get_ylabel() and right.get_xlabel() and "540" in right.get_ylabel()
    assert np.allclose(left.lines[0].get_ydata(), S)
    # more than the last layer has, and the other fit
    assert "last layer at rank 10, fitted to the layer's outputs" in ch.draw_ranks(2, 64, True)[1]


def test_waterfall_and_tables():
    figure, told = ch.draw_waterfall([("one", 1000, 5), ("two", 250, 4)], total=6)
    assert told == "one 1,000 bytes, 5 of 6 right; two 250 bytes, 4 of 6 right." and figure.axes[0].get_xlabel() == "bytes"
    assert "4.0 times smaller" in figure.axes[0].texts[1].get_text()
    rows = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in repr(ch.written_and_read()).splitlines()[1:])
    data = deep_compress(pruned_digits(0.8), 0.8, 16, 5).to_bytes()
    assert rows["file on disk"] == f"{len(data):,} bytes" and rows["decoded weights equal bit for bit"] == "yes"
    coded, bound = numbers(rows["values and gaps"])[0], numbers(rows["their entropy bound"])[0]
    assert bound <= coded < 1.03 * bound and 68_904 / len(data) >= 15
    assert repr(ch.compressor_table()).splitlines()[-1].split() == ["the", "chain", f"{len(data):,}"]
    assert ch.waterfall()._repr_html_().startswith("<img")


def test_exponents():
    figure, told = ch.draw_exponents()
    words = torch.cat([m.weight.detach().flatten() for m in trained_digits().linears]).to(torch.bfloat16).view(torch.int16)
    exponents = ((words.to(torch.int32) >> 7) & 0xFF).numpy()
    shares = np.unique(exponents, return_counts=True)[1] / len(exponents)
    assert f"{len(shares)} of 256 exponents occur in 17,024 weights" in told
    assert f"{-np.sum(shares * np.log2(shares)):.2f} bits" in told
    assert "(0 to 255)" in figure.axes[0].get_xlabel() and "(%)" in figure.axes[0].get_ylabel()
    assert "17,024" in ch.exponent_picture().text


@pytest.mark.parametrize("shell, knob, value, word", [("chain_explorer", "bits of a gap", 2, "gaps of 2 bits"),
                                                      ("rank_explorer", "rank", 4, "at rank 4")])
def test_shells(shell, knob, value, word):
    *_, view = getattr(ch, shell)().children
    knobs = {k.description: k for k in view.children[1].children}
    knobs[knob].value = value
    assert word in view.children[3].value


def test_static_picture():
    assert len(ch.static_picture().axes) == 2
