"""One bit and three values: the best fit against every fit, packing against plain arithmetic."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.compression.binary import (
    binarize,
    pack_bits,
    pack_trits,
    packed_dot,
    relative_error,
    ternarize_optimal,
    ternarize_twn,
    ternary_fit,
    unpack_trits,
    xnor_dot,
    xnor_operation_ratio,
)

weights = hnp.arrays(np.float64, st.integers(1, 7), elements=st.floats(-3, 3, allow_nan=False).map(lambda v: round(v, 3)))


def best_error(w, values):
    """The least squared error of w - alpha * t over all t, each with its own best alpha."""
    T = np.array(list(itertools.product(values, repeat=len(w))), float)  # (all t, n)
    energy = np.sum(T**2, axis=1)
    alpha = np.maximum(T @ w, 0) / np.maximum(energy, 1)
    return float(np.min(np.sum((w - alpha[:, None] * T) ** 2, axis=1)))


@given(weights)
def test_binary_is_optimal(w):
    alpha, sign = binarize(w)
    assert set(np.unique(sign)) <= {-1, 1} and np.all(sign[w == 0] == 1) and alpha >= 0
    assert np.sum((w - alpha * sign) ** 2) == pytest.approx(best_error(w, (-1, 1)), abs=1e-9)


@given(weights)
def test_ternary_is_optimal(w):
    alpha, t = ternarize_optimal(w)
    assert t.dtype == np.int8 and t.shape == w.shape and set(np.unique(t)) <= {-1, 0, 1} and np.all(t[w == 0] == 0)
    error = np.sum((w - alpha * t) ** 2)
    assert error == pytest.approx(best_error(w, (-1, 0, 1)), abs=1e-9)
    # Ternary includes binary, and TWN's rule can only be worse
    for other in (binarize(w), ternarize_twn(w)):
        assert error <= np.sum((w - other[0] * other[1]) ** 2) + 1e-9
    same = ternary_fit(w)
    assert same[0] == alpha and np.array_equal(same[1], t)


@given(weights, st.integers(-8, 8))
def test_scale_and_sign_go_through(w, power):
    alpha, t = ternarize_optimal(w)
    scaled, u = ternarize_optimal(-w * 2.0**power)  # a power of two: no rounding, no new tie
    assert scaled == alpha * 2.0**power and np.array_equal(u, -t)


def test_ternary_edges():
    assert ternarize_optimal([0.0, -0.0])[0] == 0.0 and ternarize_optimal([0.0, 0.0])[1].tolist() == [0, 0]
    assert ternarize_twn([0.0, 0.0])[0] == 0.0 and relative_error([0.0], 0.0, np.zeros(1)) == 0.0
    alpha, t = ternarize_optimal([[0.9, -0.3], [0.1, -1.1]])
    assert alpha == 1.0 and t.tolist() == [[1, 0], [0, -1]]
    for fit in (binarize, ternarize_optimal, ternarize_twn):
        with pytest.raises(ValueError, match="empty"):
            fit([])
        with pytest.raises(ValueError, match="finite"):
            fit([1.0, np.inf])


def gaussian_ternary_error(threshold):
    """Relative error for a standard normal, keeping |x| > threshold: 1 - S^2 / k with S and k of the tail."""
    tail = math.erfc(threshold / math.sqrt(2))
    mass = math.sqrt(2 / math.pi) * math.exp(-threshold**2 / 2)
    return 1 - mass**2 / tail


def test_errors_of_gaussian_weights():
    w = np.random.default_rng(0).standard_normal(300_000)
    # sd of a mean of squares over 300,000 samples: below 0.003
    assert relative_error(w, *binarize(w)) == pytest.approx(1 - 2 / math.pi, abs=0.004)
    best = min(gaussian_ternary_error(t / 1000) for t in range(1, 2000))
    assert best == pytest.approx(0.190, abs=0.001)  # the course's figure
    assert relative_error(w, *ternarize_optimal(w)) == pytest.approx(best, abs=0.004)
    twn = gaussian_ternary_error(0.7 * math.sqrt(2 / math.pi))
    assert relative_error(w, *ternarize_twn(w)) == pytest.approx(twn, abs=0.004) and twn - best < 0.003


signs = st.integers(1, 70).flatmap(lambda n: st.tuples(*[hnp.arrays(np.int64, n, elements=st.sampled_from([-1, 1]))] * 2))


@given(signs)
def test_xnor_dot_is_the_dot(pair):
    a, b = pair
    assert xnor_dot(a, b) == int(a @ b) == xnor_dot(a.astype(np.float32), b.astype(np.int8))
    assert isinstance(xnor_dot(a, b), int)


def test_xnor_dot_of_views_and_refusals():
    a = np.where(np.random.default_rng(0).random(2_000) < 0.5, -1, 1)
    assert xnor_dot(a[::2], a[::-2]) == int(a[::2] @ a[::-2])
    for bad in ([1, 0, -1], [1, 2, 1], [1.0, np.nan, 1.0]):
        for pair in ((bad, [1, 1, 1]), ([1, 1, 1], bad)):
            with pytest.raises(ValueError, match="alone"):
                xnor_dot(*map(np.array, pair))
    with pytest.raises(ValueError, match="one length"):
        xnor_dot(np.ones(3), np.ones(4))
    for bad in (np.zeros(1, np.uint8), np.zeros(2, np.int64)):
        with pytest.raises(ValueError, match="must be 2 bytes"):
            packed_dot(bad, np.zeros(2, np.uint8), 9)


def test_bits_are_packed_high_first():
    assert pack_bits([1, -1, -1, -1, -1, -1, -1, 1, 1]).tolist() == [0b10000001, 0b10000000]


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=40))
def test_trits_come_back(t):
    data = pack_trits(t)
    assert len(data) == -(-len(t) // 5) and unpack_trits(data, len(t)).tolist() == t
    for at, byte in enumerate(data):  # the first trit is the lowest digit
        digits = [d + 1 for d in t[5 * at:5 * at + 5]]
        assert byte == sum(d * 3**i for i, d in enumerate(digits))


def test_trits_refuse():
    with pytest.raises(ValueError, match="alone"):
        pack_trits([2])
    for bad, n in ((b"\xf3", 5), (b"\0", 6)):
        with pytest.raises(ValueError, match="data must"):
            unpack_trits(bad, n)


def test_operation_ratio():
    # by counting: 9 * 256 multiply-adds against 36 words of 64 bits and one scaling
    assert xnor_operation_ratio(256, 3) == pytest.approx(9 * 256 / (36 + 1))
