"""FlashAttention: tiles, masks, rows without keys, memory. Comparisons with torch are among the oracles."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.attention.attention_memory import traced_peak_bytes
from utils.attention.flash import flash_backward, flash_forward, flash_forward_v1, split_kv_decode
from utils.attention.hbm import HBM
from utils.attention.standard import standard_attention, standard_backward, standard_forward

FORWARDS = [lambda q, k, v: flash_forward(q, k, v, 2, 2), lambda q, k, v: flash_forward_v1(q, k, v, 2, 2),
            lambda q, k, v: standard_attention(q, k, v)]


def draw(rng, n_q, n_k, d, dv):
    return rng.standard_normal((n_q, d)), rng.standard_normal((n_k, d)), rng.standard_normal((n_k, dv))


def test_examples():
    q = k = np.array([[1.0, 0], [0, 1], [1, 1]])
    k, v = np.array([[1.0, 0], [0, 1], [0, 0]]), np.array([[1.0, 0], [0, 1], [1, 1]])
    o, lse = flash_forward(q, k, v, 2, 2)
    np.testing.assert_allclose(o, [[0.7517, 0.4965], [0.4965, 0.7517], [0.5989, 0.5989]], atol=5e-5)
    np.testing.assert_allclose(lse, [1.3933, 1.3933, 1.6206], atol=5e-5)
    o, lse = flash_forward(q, k, v, 2, 2, causal=True)
    np.testing.assert_allclose(o, [[1, 0], [0.3302, 0.6698], [0.5989, 0.5989]], atol=5e-5)
    np.testing.assert_allclose(lse, [0.7071, 1.1079, 1.6206], atol=5e-5)


@settings(deadline=None, max_examples=60)
@given(n_q=st.integers(1, 20), more=st.integers(-5, 15), d=st.integers(1, 6), dv=st.integers(1, 6), br=st.integers(1, 23),
       bc=st.integers(1, 23), causal=st.booleans(), seed=st.integers(0, 99))
def test_tiles_change_nothing(n_q, more, d, dv, br, bc, causal, seed):
    q, k, v = draw(np.random.default_rng(seed), n_q, max(1, n_q + more), d, dv)
    o, lse = flash_forward(q, k, v, br, bc, causal)
    whole_o, whole_lse = flash_forward(q, k, v, n_q, len(k), causal)
    # order-1 values and at most 40 terms a row
    np.testing.assert_allclose(o, whole_o, atol=1e-12)
    np.testing.assert_allclose(lse, whole_lse, atol=1e-12)
    np.testing.assert_allclose(o, standard_attention(q, k, v, causal), atol=1e-12)
    if not causal:
        v1, v1_lse = flash_forward_v1(q, k, v, br, bc)
        np.testing.assert_allclose(v1, o, atol=1e-12)
        np.testing.assert_allclose(v1_lse, lse, atol=1e-12)


def test_lse_is_the_normaliser():
    q, k, v = draw(np.random.default_rng(1), 5, 7, 4, 3)
    _, lse = flash_forward(q, k, v, 2, 3)
    p = np.exp(q @ k.T / 2 - lse[:, None])
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-13)


def test_large_scores_do_not_overflow():
    rng = np.random.default_rng(2)
    q, k, v = draw(rng, 30, 40, 8, 5)
    scaled = q * (1e4 / np.abs(q @ k.T).max() * np.sqrt(8))  # scores up to 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        o, lse = flash_forward(scaled, k, v, 7, 9)
    assert np.isfinite(o).all() and np.isfinite(lse).all()
    # a softmax output is a convex combination of values
    assert (o.max(axis=0) <= v.max(axis=0) + 1e-12).all() and (o.min(axis=0) >= v.min(axis=0) - 1e-12).all()
    double = flash_forward(50 * q, k, v, 7, 9)[0]
    single = flash_forward(*((50 * q).astype(np.float32), k.astype(np.float32), v.astype(np.float32)), 7, 9)[0]
    assert single.dtype == np.float32
    # scores reach some 200, whose float32 ulp of 1.5e-5 moves a weight by that share; 8 products add to it
    np.testing.assert_allclose(single, double, atol=5e-4)


def test_one_new_query_sees_all_keys_and_the_offset_moves_the_diagonal():
    q, k, v = draw(np.random.default_rng(3), 4, 10, 4, 4)
    last = flash_forward(q[-1:], k, v, 1, 3, causal=True)[0]
    np.testing.assert_allclose(last, flash_forward(q[-1:], k, v, 1, 10)[0], atol=1e-13)
    for offset in (0, 3, 6):
        o, _ = flash_forward(q, k, v, 2, 3, causal=True, q_offset=offset)
        for i in range(4):
            seen = offset + i + 1
            np.testing.assert_allclose(o[i:i + 1], flash_forward(q[i:i + 1], k[:seen], v[:seen], 1, 4)[0], atol=1e-13)


def test_rows_without_a_visible_key_are_zero():
    q, k, v = draw(np.random.default_rng(4), 6, 2, 3, 3)
    do = np.ones((6, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        o, lse = flash_forward(q, k, v, 3, 1, causal=True)
        dq, dk, dv = flash_backward(q, k, v, o, do, lse, 3, 1, causal=True)
    assert not o[:4].any() and np.isneginf(lse[:4]).all() and np.isfinite(lse[4:]).all()
    assert not standard_attention(q, k, v, causal=True)[:4].any()
    assert not dq[:4].any()
    assert all(np.isfinite(g).all() for g in (dq, dk, dv))


def test_causal_skips_nearly_half_of_the_tiles():
    q = np.ones((512, 2))
    full, causal = HBM(), HBM()
    flash_forward(q, q, q, 64, 64, hbm=full)
    flash_forward(q, q, q, 64, 64, causal=True, hbm=causal)

    def tiles_read(hbm):
        return (hbm.reads - q.size) / (2 * 64 * 2)  # K and V of a tile

    assert tiles_read(full) == 64 and tiles_read(causal) == 36


def test_memory_is_linear_and_inputs_stay():
    n = 1500
    q, k, v = draw(np.random.default_rng(5), n, n, 16, 16)
    copies = q.copy(), k.copy(), v.copy()
    assert traced_peak_bytes(lambda: flash_forward(q, k, v, 64, 64, True)) < n * n * 8 / 20
    o, lse = flash_forward(q, k, v, 64, 64)
    assert traced_peak_bytes(lambda: flash_backward(q, k, v, o, o, lse, 64, 64)) < n * n * 8 / 20
    assert traced_peak_bytes(lambda: standard_attention(q, k, v)) > 2 * n * n * 8
    assert all((a == b).all() for a, b in zip((q, k, v), copies))


def test_backward_example():
    eye = np.eye(2)
    o, lse = flash_forward(eye, eye, eye, 1, 1)
    np.testing.assert_allclose(lse, [1.107940] * 2, atol=5e-7)
    np.testing.assert_allclose(o, [[0.669762, 0.330238], [0.330238, 0.669762]], atol=5e-7)
    dq, dk, dv = flash_backward(eye, eye, eye, o, eye, lse, 1, 1)
    for g in (dq, dk):
        np.testing.assert_allclose(g, [[0.156399, -0.156399], [-0.156399, 0.156399]], atol=5e-7)
    np.testing.assert_allclose(dv, o, atol=1e-15)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", [(9, 9, 3, 2, 4, 2), (5, 11, 4, 3, 2, 5)])
def test_backward_against_finite_differences(causal, sizes):
    n_q, n_k, d, dv, br, bc = sizes
    rng = np.random.default_rng(6)
    inputs = list(draw(rng, n_q, n_k, d, dv))
    do = rng.standard_normal((n_q, dv))
    o, lse = flash_forward(*inputs, br, bc, causal)
    gradients = flash_backward(*inputs, o, do, lse, br, bc, causal)
    h = 1e-6
    for which, gradient in enumerate(gradients):
        for idx in np.ndindex(gradient.shape):
            loss = []
            for sign in (1, -1):
                moved = [a.copy() for a in inputs]
                moved[which][idx] += sign * h
                loss.append((standard_attention(*moved, causal) * do).sum())
            # central difference: h^2 in theory, cancellation of order-10 sums leaves 1e-15 / 1e-6
            assert (loss[0] - loss[1]) / (2 * h) == pytest.approx(gradient[idx], abs=1e-7)


def test_both_backwards_agree():
    rng = np.random.default_rng(7)
    q, k, v = draw(rng, 12, 12, 4, 4)
    do = rng.standard_normal((12, 4))
    for causal in (False, True):
        _, p = standard_forward(q, k, v, causal)
        o, lse = flash_forward(q, k, v, 5, 3, causal)
        for a, b in zip(standard_backward(q, k, v, p, do), flash_backward(q, k, v, o, do, lse, 5, 3, causal)):
            np.testing.assert_allclose(a, b, atol=1e-13)


@pytest.mark.parametrize("splits", [1, 2, 3, 7, 23])
def test_split_kv(splits):
    q, k, v = draw(np.random.default_rng(8), 1, 23, 4, 3)
    np.testing.assert_allclose(split_kv_decode(q[0], k, v, splits), standard_attention(q, k, v)[0], atol=1e-13)


def test_refused():
    q, k, v = draw(np.random.default_rng(9), 3, 3, 4, 4)
    for forward in FORWARDS:
        with pytest.raises(ValueError, match="feature dimension"):
            forward(q[:, :2], k, v)
        with pytest.raises(ValueError, match="same number of keys and values"):
            forward(q, k, v[:2])
        with pytest.raises(ValueError, match="at least one key"):
            forward(q, k[:0], v[:0])
    for bad in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="block sizes must be >= 1"):
            flash_forward(q, k, v, *bad)
        with pytest.raises(ValueError, match="block sizes must be >= 1"):
            flash_backward(q, k, v, v, v, v[:, 0], *bad)
    for splits in (0, 4):
        with pytest.raises(ValueError, match="splits"):
            split_kv_decode(q[0], k, v, splits)
