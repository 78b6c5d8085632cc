"""Softmax in pieces: one pass over scores, exact merges of partial attentions."""

import warnings
from math import inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.attention.merge import merge_pair, merge_partials, online_softmax, online_softmax_states


class OnePass:
    """Scores that can be sliced forward only, `block` at a time."""

    def __init__(self, x, block):
        self.x, self.block, self.next = np.asarray(x, dtype=float), block, 0

    def __len__(self):
        return len(self.x)

    def __getitem__(self, part):
        start, stop, step = part.indices(len(self.x))
        assert step == 1 and start >= self.next and stop - start <= self.block
        self.next = stop
        return self.x[start:stop]


def test_example():
    assert online_softmax(np.array([1.0, 3, 2, 5]), 2) == (5.0, 1.2034379904932107)
    (m, l), _ = online_softmax_states(np.array([1.0, 3, 2, 5]), 2)
    assert (m, round(l, 4)) == (3.0, 1.1353)


@given(x=st.lists(st.floats(-1e4, 1e4) | st.just(-inf), min_size=1, max_size=30).filter(lambda x: max(x) > -inf), block=st.integers(1, 40))
def test_one_pass_gives_the_two_pass_answer(x, block):
    m, l = online_softmax(OnePass(x, block), block)
    assert m == max(x)
    # every term is scaled by a telescoping product of at most 30 exponentials: below 100 roundings
    assert l == pytest.approx(np.exp(np.array(x) - m).sum(), rel=100 * 2**-53)
    assert 1 - 1e-12 <= l <= len(x) * (1 + 1e-12)


def test_edges():
    assert online_softmax(np.array([-inf, -inf, -inf, 2.0]), 2) == (2.0, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert online_softmax(np.array([-inf, -inf]), 1) == (-inf, 0.0)
    with pytest.raises(ValueError, match="block"):
        online_softmax(np.array([1.0]), 0)
    with pytest.raises(ValueError, match="empty"):
        online_softmax(np.array([]), 1)


def attention(q, k, v):
    """Two passes, obviously right: (o, lse)."""
    s = q @ k.T
    lse = np.array([np.logaddexp.reduce(row) for row in s])
    return np.exp(s - lse[:, None]) @ v, lse


def partials(rng, cuts, n_keys=12, scale=3.0):
    q, k, v = rng.standard_normal((3, 4)), scale * rng.standard_normal((n_keys, 4)), rng.standard_normal((n_keys, 2))
    parts = [attention(q, kp, vp) for kp, vp in zip(np.split(k, cuts), np.split(v, cuts))]
    return parts, attention(q, k, v)


@pytest.mark.parametrize("cut", range(1, 12))
def test_two_halves_make_the_whole(cut):
    (a, b), (o, lse) = partials(np.random.default_rng(cut), [cut])
    # values of order 1, a dozen float64 roundings
    for merged in (merge_pair(*a, *b), merge_pair(*b, *a)):
        np.testing.assert_allclose(merged[0], o, atol=1e-13)
        np.testing.assert_allclose(merged[1], lse, atol=1e-13)


def test_merging_is_associative_and_equals_the_stack():
    parts, (o, lse) = partials(np.random.default_rng(0), [3, 4])
    left = merge_pair(*merge_pair(*parts[0], *parts[1]), *parts[2])
    right = merge_pair(*parts[0], *merge_pair(*parts[1], *parts[2]))
    stack = merge_partials(np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts]))
    for merged in (left, right, stack):
        np.testing.assert_allclose(merged[0], o, atol=1e-12)
        np.testing.assert_allclose(merged[1], lse, atol=1e-12)


def test_example_weights():
    o, lse = merge_pair(np.array([[1.0]]), np.array([0.0]), np.array([[3.0]]), np.array([log(3)]))
    np.testing.assert_allclose(o, [[2.5]], rtol=1e-15)
    np.testing.assert_allclose(lse, [1.3862943611198906], rtol=1e-15)


def test_empty_sides_and_large_scores_give_neither_nan_nor_warnings():
    o1, o2 = np.array([[1.0], [np.nan], [np.nan], [1.0]]), np.array([[np.nan], [4.0], [np.nan], [2.0]])
    lse1, lse2 = np.array([800.0, -inf, -inf, 800.0]), np.array([-inf, -800.0, -inf, -800.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        o, lse = merge_pair(o1, lse1, o2, lse2)
    assert o.tolist() == [[1.0], [4.0], [0.0], [1.0]]
    assert lse.tolist() == [800.0, -800.0, -inf, 800.0]
