"""Block formats against ml_dtypes' casts: E2M1, E4M3 and E8M0 as that library rounds them."""

import ml_dtypes
import numpy as np
import pytest

from utils.compression.quant_methods.blocks import fp8_blocks, mxfp4, nvfp4
from utils.compression.quant_methods.training import FP8_MAX, to_fp8


def blocks(W, size):
    return W.reshape(len(W), -1, size)


@pytest.mark.parametrize("seed", range(5))
def test_mxfp4(seed):
    W = np.random.default_rng(seed).normal(size=(4, 64)) * 10.0 ** np.random.default_rng(seed + 9).uniform(-3, 3, (4, 1))
    parts = blocks(W, 32)
    exponent = np.floor(np.log2(np.abs(parts).max(-1, keepdims=True))) - 2
    scale = np.exp2(exponent).astype(ml_dtypes.float8_e8m0fnu).astype(np.float64)
    assert np.array_equal(np.exp2(exponent), scale)  # the scale is an E8M0 number
    expected = np.clip(parts / scale, -6, 6).astype(np.float32).astype(ml_dtypes.float4_e2m1fn).astype(np.float64) * scale
    assert np.array_equal(mxfp4(W), expected.reshape(W.shape))


@pytest.mark.parametrize("seed", range(5))
def test_nvfp4(seed):
    W = np.random.default_rng(seed).normal(size=(4, 64))
    parts, whole = blocks(W, 16), float(np.float32(np.abs(W).max() / (448 * 6)))
    local = (np.abs(parts).max(-1, keepdims=True) / 6 / whole).astype(np.float32).astype(ml_dtypes.float8_e4m3fn)
    scale = local.astype(np.float64) * whole
    expected = np.clip(parts / scale, -6, 6).astype(np.float32).astype(ml_dtypes.float4_e2m1fn).astype(np.float64) * scale
    np.testing.assert_allclose(nvfp4(W), expected.reshape(W.shape), rtol=1e-6)  # the FP32 scale is rounded once


def test_fp8_with_numpy_and_with_torch():
    import torch

    W = np.random.default_rng(0).normal(size=(8, 12)).astype(np.float32)
    scale = np.abs(W).max() / np.float32(448)
    expected = (W / scale).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * scale
    np.testing.assert_allclose(fp8_blocks(W, None), expected, rtol=1e-6)
    np.testing.assert_allclose(to_fp8(torch.tensor(W)).numpy(), expected, rtol=1e-6)
    for dtype, top in FP8_MAX.items():
        assert top == float(torch.finfo(dtype).max)
