"""INT4 weights in groups: the bytes by hand, the error bound, what a group protects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.tensorrt_llm import dequantize_weight_int4, quantize_weight_int4


def test_bytes_by_hand():
    packed, scales = quantize_weight_int4(np.array([[7, -7, 3.5, 0.5]]), 2)
    # 7, −7 → nibbles 7 and 9: 0x97; 3.5 / 0.5 = 7 and 1: 0x17
    assert packed.tolist() == [[0x97, 0x17]] and scales.tolist() == [[1.0, 0.5]]
    assert packed.dtype == np.uint8 and scales.dtype == np.float64
    assert dequantize_weight_int4(packed, scales, 2).tolist() == [[7, -7, 3.5, 0.5]]


@given(st.integers(1, 4), st.integers(1, 5), st.sampled_from([2, 4, 8]), st.integers(0, 999))
def test_error_is_at_most_half_a_step(rows, groups, group, seed):
    w = np.random.default_rng(seed).standard_normal((rows, groups * group)) * 10.0 ** (seed % 5 - 2)
    packed, scales = quantize_weight_int4(w, group)
    assert packed.shape == (rows, groups * group // 2) and scales.shape == (rows, groups)
    back = dequantize_weight_int4(packed, scales, group)
    # half a step, and one rounding of the product (2^-53 relative)
    assert np.all(np.abs(back - w) <= scales.repeat(group, axis=1) * (0.5 + 1e-14))
    assert quantize_weight_int4(back, group)[0].tolist() == packed.tolist()


def test_every_byte_is_read_back():
    packed = np.arange(256, dtype=np.uint8).reshape(2, 128)
    back = dequantize_weight_int4(packed, np.ones((2, 64)), 4).reshape(2, -1, 2)
    codes = [int.from_bytes([b]) for b in packed.ravel()]
    signed = [(v - 16 if v > 7 else v) for code in codes for v in (code & 15, code >> 4)]
    assert back.ravel().tolist() == signed


def test_an_outlier_coarsens_its_own_group_only():
    w = np.array([[0.7, -0.3, 0.1, 0.2, 70.0, 0.1, 0.2, -0.3]])
    by_group, by_row = (dequantize_weight_int4(*quantize_weight_int4(w, g), g) for g in (4, 8))
    assert np.abs(by_group - w)[0, :4].max() < 0.06 and np.all(by_row[0, :4] == 0)


def test_a_group_of_zeros_and_ties():
    packed, scales = quantize_weight_int4(np.array([[0.0, 0.0, 7.0, 2.5], [7, -0.5, 7, 1.5]]), 2)
    assert scales[0].tolist() == [1.0, 1.0] and packed.tolist() == [[0x00, 0x27], [0x07, 0x27]]


@pytest.mark.parametrize("group", [3, 1, 0, 6, 16])
def test_groups_that_do_not_fit(group):
    with pytest.raises(ValueError, match="group"):
        quantize_weight_int4(np.ones((2, 8)), group)
