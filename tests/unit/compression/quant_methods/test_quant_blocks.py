"""Block formats: sizes, blocks that do not see each other, scales of the right kind."""

import numpy as np
import pytest

from utils.compression.quant_methods.blocks import BLOCK_FORMATS, fp8_blocks, mxfp4, mxfp8, nvfp4
from utils.numerics.int8 import sqnr_db


def test_effective_bits():
    # (element bits * block + scale bits) / block: OCP MX v1.0 and NVIDIA's NVFP4
    expected = {"mxfp4": 4.25, "nvfp4": 4.5, "mxfp8": 8.25, "fp8_128x128": 8 + 1 / 512, "int4_g32": 4.5, "int4_g128": 4.125}
    assert {name: f.effective_bits for name, f in BLOCK_FORMATS.items()} == expected


def test_by_hand():
    assert mxfp4([[1.0, 7.0, -0.3]]).tolist() == [[1.0, 6.0, -0.5]]  # scale 2^0, 7 is clipped to 6
    assert mxfp4([[0.5, 8.0, 3.0]]).tolist() == [[0.0, 8.0, 3.0]]  # scale 2^1; 0.25 is a tie between 0 and 0.5
    # One block whose maximum 12 gets the scale 12 / 6 = 2: its elements are 2 * {0, 0.5, 1, 1.5, 2, 3, 4, 6}.
    assert nvfp4([[12.0, 5.9, -3.2]])[0].tolist() == pytest.approx([12.0, 6.0, -3.0], rel=1e-6)
    assert fp8_blocks([[448.0, 17.0], [0.0, -1.0]]).tolist() == [[448.0, 16.0], [0.0, -1.0]]  # 17 ties to 16


@pytest.mark.parametrize(("cast", "block"), [(mxfp4, 32), (mxfp8, 32), (nvfp4, 16)])
def test_blocks_do_not_see_each_other(cast, block):
    rng = np.random.default_rng(0)
    W = rng.normal(size=(3, 2 * block))
    loud = W.copy()
    loud[:, block:] *= 2.0**5
    if cast is not nvfp4:  # NVFP4's tensor scale links blocks, weakly
        assert np.array_equal(cast(W)[:, :block], cast(loud)[:, :block])
    assert sqnr_db(W[:, :block], cast(loud)[:, :block]) > 15
    assert np.array_equal(cast(np.zeros((2, 5))), np.zeros((2, 5)))
    assert cast(W[:, ::3].T).shape == (-(-2 * block // 3), 3)  # odd lengths and strides


def test_finer_scales_help_a_matrix_with_outliers():
    rng = np.random.default_rng(1)
    W = rng.normal(size=(64, 64))
    W[3, 5] = 1e6
    # Away from the outlier's own block the squares of 16 do not notice it; one scale for all is 1e6 / 448, and
    # what is below half of E4M3's smallest number 2^-9 times that, 2.18, becomes 0.
    assert sqnr_db(W[16:], fp8_blocks(W, 16)[16:]) > 30
    assert np.mean(fp8_blocks(W, None)[16:] == 0) > 0.9
    even = rng.normal(size=(64, 64))
    assert sqnr_db(even, nvfp4(even)) > sqnr_db(even, mxfp4(even))


@pytest.mark.parametrize("cast", [mxfp4, mxfp8, nvfp4, fp8_blocks])
def test_refusals(cast):
    for bad in ([[np.nan]], np.zeros((2, 0)), 1.0):
        with pytest.raises(ValueError):
            cast(bad)
    with pytest.raises(ValueError, match="block"):
        fp8_blocks(np.ones((2, 2)), 0)
    with pytest.raises(ValueError, match="matrix"):
        fp8_blocks(np.ones(4))
