"""Closed-form operation counts against execution on counting numbers, and against known figures."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.flops.counting_float import count_by_execution, naive_attention, naive_conv2d, naive_matmul
from utils.cost.flops.layer_ops import (
    OpCount,
    additions_exact,
    attention_ops,
    conv2d_ops,
    conv_macs,
    conv_out_size,
    linear_ops,
    norm_ops,
)

GEOMETRIES = [
    (k, c, m, s, p, d, g)
    for k, c, m, s, p, d, g in itertools.product((1, 2, 3), (1, 2), (2, 4), (1, 2), (0, 1, 3), (1, 2), (1, 2))
    if c % g == 0 and m % g == 0
]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_convolution_counts_what_the_loops_do(bias, skip):
    for k, c, m, s, p, d, g in GEOMETRIES[:: 3 if skip else 5]:
        h, w = 5, 4 + k  # not square
        shapes = [(c, h, w), (m, c // g, k, k)] + [(m,)] * bias

        def run(x, f, b=None, s=s, p=p, d=d, g=g):
            return naive_conv2d(x, f, b, stride=s, padding=p, dilation=d, groups=g, skip_padding=skip)

        formula = conv2d_ops(h, w, c, m, k, s, p, d, g, bias, skip_padding=skip)
        assert formula == count_by_execution(run, *shapes), (k, c, m, s, p, d, g)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.booleans())
@settings(max_examples=20, deadline=None)
def test_linear_counts_what_the_loops_do(rows, n_in, n_out, bias):
    def run(x, w, b=None):
        return naive_matmul(x, w) if b is None else naive_matmul(x, w) + b

    shapes = [(rows, n_in), (n_in, n_out)] + [(n_out,)] * bias
    assert linear_ops(rows, n_in, n_out, bias) == count_by_execution(run, *shapes)


@pytest.mark.parametrize(("q_len", "kv_len", "causal"), [(4, 4, False), (2, 5, False), (4, 4, True), (2, 5, True), (1, 7, True)])
def test_attention_counts_what_the_loops_do(q_len, kv_len, causal):
    done = count_by_execution(lambda q, k, v: naive_attention(q, k, v, causal), (q_len, 3), (kv_len, 3), (kv_len, 3))
    formula = attention_ops(1, 1, q_len, kv_len, 3, causal)
    assert formula.macs == done.macs
    # five operations a score round up the softmax of s scores, which takes 5 s - 2
    assert formula.flops - done.flops == 2 * q_len
    assert attention_ops(3, 2, q_len, kv_len, 3, causal).flops == 6 * formula.flops


def _layer_norm(x, gamma, beta):
    n = len(x)
    mean = sum(x[1:], x[0]) * (1 / n)
    centred = x - mean
    squares = centred * centred
    inverse = (sum(squares[1:], squares[0]) * (1 / n) + 1e-5).apply(lambda v: v**-0.5)
    return centred * inverse * gamma + beta


def _rms_norm(x, gamma):
    squares = x * x
    inverse = (sum(squares[1:], squares[0]) * (1 / len(x)) + 1e-5).apply(lambda v: v**-0.5)
    return x * inverse * gamma


@pytest.mark.parametrize("n", [1, 2, 7])
def test_norms_count_what_the_code_does(n):
    assert norm_ops("layer", n) == count_by_execution(_layer_norm, (n,), (n,), (n,))
    assert norm_ops("rms", n) == count_by_execution(_rms_norm, (n,), (n,))
    assert norm_ops("batch", n) == count_by_execution(lambda x, a, b: x * a + b, (n,), (n,), (n,))
    with pytest.raises(ValueError, match="kind"):
        norm_ops("group", n)


def test_the_document_example():
    """C = 64, M = 128, 56 x 56, K = 3: totals of the question's two formulas."""
    with_bias = conv2d_ops(56, 56, 64, 128, 3, padding=1)
    without = conv2d_ops(56, 56, 64, 128, 3, padding=1, bias=False)
    assert with_bias.flops == 462_422_016
    assert without.flops == 462_020_608
    printed = 56 * 56 * 128 * ((64 * 9 - 1) + (64 - 1) + 1)
    assert (printed, with_bias.adds) == (256_499_712, 231_211_008)  # overstated by 10.9 %


def test_padding_share():
    """A 3x3 "same" window on 7x7 touches 81.9 % of its taps, on 224x224 99.4 %."""
    for size, share in [(7, 0.819), (224, 0.994)]:
        real = conv2d_ops(size, size, 1, 1, 3, padding=1, skip_padding=True).muls
        assert real / conv2d_ops(size, size, 1, 1, 3, padding=1).muls == pytest.approx(share, abs=5e-4)


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3))
def test_output_size_is_the_number_of_windows_that_fit(n, k, stride, pad, dilation):
    starts = [s for s in range(0, n + 2 * pad, stride) if s + dilation * (k - 1) < n + 2 * pad]
    if starts:
        assert conv_out_size(n, k, stride, pad, dilation) == len(starts)
    else:
        with pytest.raises(ValueError, match="kernel larger than padded input"):
            conv_out_size(n, k, stride, pad, dilation)


def test_conv_macs():
    assert conv_macs(224, 224, 3, 64, 7, stride=2, padding=3) == 118_013_952
    assert conv_macs(28, 28, 256, 256, 3, padding=1, groups=256) == 28 * 28 * 256 * 9
    assert conv_macs(9, 9, 2, 4, (1, 3), batch=5) == 5 * 9 * 7 * 4 * 2 * 3
    with pytest.raises(ValueError, match="larger than padded"):
        conv_macs(4, 4, 1, 1, 5)
    with pytest.raises(ValueError, match="divisible"):
        conv_macs(4, 4, 3, 4, 1, groups=2)


@given(st.integers(1, 4), st.integers(1, 3), st.booleans(), st.data())
@settings(max_examples=30, deadline=None)
def test_additions_exact_is_the_tally_of_a_sum(c, k, bias, data):
    skipped = data.draw(st.integers(0, c * k * k))
    taps = c * k * k - skipped

    def run(*terms):
        return sum(terms[1:], terms[0]) if terms else None

    done = count_by_execution(run, *[()] * (taps + (bias and taps > 0))) if taps else OpCount()
    assert additions_exact(c, k, bias, skipped) == done.adds


def test_additions_exact_examples():
    assert additions_exact(64, 3, True) == 576
    assert additions_exact(64, 3, False) == 575
    assert additions_exact(3, 3, False, padding_taps=15) == 11
    assert additions_exact(3, 3, True, padding_taps=27) == additions_exact(3, 3, False, padding_taps=27) == 0
    for bad in (-1, 28):
        with pytest.raises(ValueError, match="padding_taps"):
            additions_exact(3, 3, True, padding_taps=bad)


def test_op_count_adds():
    total = OpCount(1, 2) + OpCount(10, 20, 30)
    assert total == OpCount(11, 22, 30)
    assert total.as_dict() == {"muls": 11, "adds": 22, "other": 30, "macs": 11, "flops": 63}


def test_causal_needs_the_keys():
    with pytest.raises(ValueError, match="q_len"):
        attention_ops(1, 1, 5, 4, 8, causal=True)
