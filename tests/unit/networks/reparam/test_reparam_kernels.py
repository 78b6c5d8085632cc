"""Branches folded as arrays, against torch running the branches themselves in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from utils.networks.reparam import fuse_conv_bn_np, fuse_repvgg, identity_kernel, pad_1x1_to_3x3

TOLERANCE = 1e-12  # float64 sums of fewer than 100 products of numbers near 1


def batch_norm(rng, n):
    gamma, beta, mean = rng.normal(size=(3, n))
    return gamma, beta, mean, rng.uniform(0.1, 3, n), float(rng.choice([1e-5, 0.1]))


def run_bn(x, bn):
    gamma, beta, mean, var, eps = (torch.as_tensor(v) if isinstance(v, np.ndarray) else v for v in bn)
    return F.batch_norm(x, mean, var, gamma, beta, False, 0.0, eps)


def conv(x, w, b=None, **options):
    return F.conv2d(x, torch.from_numpy(w), None if b is None else torch.from_numpy(b), **options)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]), st.booleans())
def test_conv_and_batch_norm(seed, groups, inner, outer, k, bias):
    rng = np.random.default_rng(seed)
    w, b = rng.normal(size=(groups * outer, inner, k, k)), rng.normal(size=groups * outer)
    b, bn, x = b if bias else None, batch_norm(rng, groups * outer), torch.from_numpy(rng.normal(size=(2, groups * inner, 5, 4)))
    kept = w.copy()
    new_w, new_b = fuse_conv_bn_np(w, b, *bn)
    want = run_bn(conv(x, w, b, groups=groups), bn)
    assert new_w.dtype == new_b.dtype == np.float64
    torch.testing.assert_close(conv(x, new_w, new_b, groups=groups), want, rtol=TOLERANCE, atol=TOLERANCE)
    assert np.array_equal(w, kept)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.sampled_from([1, 2]))
def test_three_branches_are_one_kernel(seed, c_in, c_out, identity, stride):
    rng = np.random.default_rng(seed)
    if identity:
        c_in, stride = c_out, 1
    k3, k1 = rng.normal(size=(c_out, c_in, 3, 3)), rng.normal(size=(c_out, c_in, 1, 1))
    bn3, bn1, bn_id = (batch_norm(rng, c_out) for _ in range(3))
    x = torch.from_numpy(rng.normal(size=(2, c_in, 6, 5)))
    want = run_bn(conv(x, k3, stride=stride, padding=1), bn3) + run_bn(conv(x, k1, stride=stride), bn1)
    if identity:
        want = want + run_bn(x, bn_id)
    w, b = fuse_repvgg(k3, bn3, k1, bn1, bn_id if identity else None)
    torch.testing.assert_close(conv(x, w, b, stride=stride, padding=1), want, rtol=TOLERANCE, atol=TOLERANCE)


@given(st.integers(1, 3), st.integers(1, 3))
def test_the_identity_kernel_returns_its_input(groups, inner):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, groups * inner, 4, 5)))
    assert torch.equal(conv(x, identity_kernel(groups * inner, groups), padding=1, groups=groups), x)


def test_a_padded_kernel_needs_padding():
    rng = np.random.default_rng(1)
    w, x = rng.normal(size=(2, 3, 1, 1)), torch.from_numpy(rng.normal(size=(1, 3, 4, 4)))
    torch.testing.assert_close(conv(x, pad_1x1_to_3x3(w), padding=1), conv(x, w), rtol=TOLERANCE, atol=TOLERANCE)


def test_examples():
    one = np.ones(1)
    w, b = fuse_conv_bn_np(np.full((1, 1, 1, 1), 2.0), one, 3 * one, 0.5 * one, 2 * one, (4 - 1e-5) * one)
    assert w.item() == pytest.approx(3) and b.item() == pytest.approx(-1)
    unit = (one, 0 * one, 0 * one, one, 0.0)
    for bn_id, middle in ((unit, 6), (None, 5)):
        w, b = fuse_repvgg(np.zeros((1, 1, 3, 3)), unit, np.full((1, 1, 1, 1), 5.0), unit, bn_id)
        assert w[0, 0, 1, 1] == middle and np.abs(w).sum() == middle and b.item() == 0


UNIT = (np.ones(2), np.zeros(2), np.zeros(2), np.ones(2), 0.0)


@pytest.mark.parametrize("bad", [
    lambda: pad_1x1_to_3x3(np.zeros((2, 2, 3, 3))), lambda: identity_kernel(4, 3), lambda: identity_kernel(0),
    lambda: fuse_repvgg(np.zeros((2, 3, 3, 3)), UNIT, np.zeros((2, 3, 1, 1)), UNIT, UNIT),
    lambda: fuse_repvgg(np.zeros((2, 2, 3, 3)), UNIT, np.zeros((2, 3, 1, 1)), UNIT, None),
    lambda: fuse_conv_bn_np(np.zeros((3, 2, 1, 1)), None, *UNIT),
    lambda: fuse_conv_bn_np(np.zeros((2, 2, 1, 1)), None, *UNIT[:3], np.zeros(2), 0.0)])
def test_refused(bad):
    with pytest.raises(ValueError, match="must"):
        bad()
