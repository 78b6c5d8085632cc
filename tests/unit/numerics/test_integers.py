"""Exact integer products and 4-bit packing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics.integers import int_matmul, max_safe_k, pack_int4, unpack_int4

TYPES = [(a, b) for a in (np.int8, np.uint8) for b in (np.int8, np.uint8)]


def random_matrix(rng: np.random.Generator, shape: tuple[int, int], dtype: type) -> np.ndarray:
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


@pytest.mark.parametrize("a_type, b_type", TYPES, ids=lambda t: t.__name__)
def test_product_of_the_differences(a_type, b_type):
    rng = np.random.default_rng(0)
    for _ in range(20):
        m, k, n = rng.integers(1, 40, 3)
        a, b = random_matrix(rng, (m, k), a_type), random_matrix(rng, (k, n), b_type)
        za, zb = (int(rng.integers(np.iinfo(t).min, np.iinfo(t).max + 1)) for t in (a_type, b_type))
        before = a.copy(), b.copy()
        got = int_matmul(a, b, za, zb)
        assert got.dtype == np.int32
        # Python's integers are exact: object arrays add and multiply them.
        assert np.array_equal(got, (a.astype(object) - za) @ (b.astype(object) - zb))
        assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])


def test_worked_example():
    assert int_matmul(np.int8([[10, 20]]), np.int8([[1], [-2]]), 5, 1).tolist() == [[-45]]


def test_long_sums_of_extremes_and_strided_operands():
    a, b = np.full((2, 4096), -128, np.int8), np.full((4096, 3), -128, np.int8)
    assert np.all(int_matmul(a, b, 0, 0) == 4096 * 128 * 128)
    assert np.all(int_matmul(a, b, 127, 127) == 4096 * 255 * 255)
    rng = np.random.default_rng(1)
    a, b = random_matrix(rng, (12, 10), np.int8)[::2].T, random_matrix(rng, (6, 9), np.int8)[:, ::-1]
    assert np.array_equal(int_matmul(a, b, 3, -7), int_matmul(a.copy(), b.copy(), 3, -7))


def test_no_inner_dimension_gives_zeros():
    assert np.array_equal(int_matmul(np.zeros((2, 0), np.int8), np.zeros((0, 3), np.int8), 4, 5), np.zeros((2, 3)))


@pytest.mark.parametrize("a_bits, b_bits, a_signed, b_signed, k", [
    (8, 8, True, True, 131_071), (8, 8, False, True, 65_793), (8, 8, False, False, 33_025), (4, 4, True, True, 33_554_431)])
def test_longest_safe_sum(a_bits, b_bits, a_signed, b_signed, k):
    assert max_safe_k(a_bits, b_bits, a_signed, b_signed) == k
    largest = (2**7 if a_signed else 255) * (2**7 if b_signed else 255) if a_bits == 8 else 64
    assert k * largest < 2**31 <= (k + 1) * largest


def test_overflow_is_refused():
    k = max_safe_k(8, 8, True, True)
    a, b = np.full((1, k), -128, np.int8), np.full((k, 1), -128, np.int8)
    assert int_matmul(a, b, 0, 0)[0, 0] == k * 2**14
    with pytest.raises(OverflowError, match="fit int32"):
        int_matmul(a, b, 127, 127)
    with pytest.raises(OverflowError, match="fit int32"):
        int_matmul(a, -1 - b, 127, -128)  # each product is -255 * 255
    with pytest.raises(OverflowError, match="inner dimension"):
        int_matmul(np.zeros((1, k + 1), np.int8), np.zeros((k + 1, 1), np.int8), 0, 0)


def test_bad_operands():
    with pytest.raises(ValueError, match="inner dimensions"):
        int_matmul(np.zeros((2, 3), np.int8), np.zeros((2, 3), np.int8), 0, 0)
    with pytest.raises(TypeError, match="a_q"):
        int_matmul(np.zeros((2, 3)), np.zeros((3, 2), np.int8), 0, 0)
    with pytest.raises(TypeError, match="b_q"):
        int_matmul(np.zeros((2, 3), np.int8), np.zeros((3, 2), np.int16), 0, 0)
    with pytest.raises(ValueError, match="positive"):
        max_safe_k(0, 8, True, True)


@given(st.lists(st.integers(-8, 7), max_size=33))
def test_int4_survives_packing(values):
    data = pack_int4(values)
    assert data.dtype == np.uint8 and data.size == (len(values) + 1) // 2
    back = unpack_int4(data, len(values))
    assert back.dtype == np.int8 and back.tolist() == values
    assert unpack_int4(data, len(values), signed=False).tolist() == [v % 16 for v in values]
    if len(values) % 2:
        assert data[-1] >> 4 == 0


def test_int4_bytes():
    assert pack_int4([1, -8, 7, -1, 3]).tolist() == [0x81, 0xF7, 0x03]
    assert pack_int4(np.arange(-8, 8, dtype=np.int8).reshape(4, 4)).size == 8


def test_int4_bad_values():
    for values in ([8], [0, -9]):
        with pytest.raises(ValueError, match=r"\[-8, 7\]"):
            pack_int4(values)
    with pytest.raises(TypeError, match="integers"):
        pack_int4([0.5])
    with pytest.raises(ValueError, match="n must be"):
        unpack_int4(np.zeros(2, np.uint8), 5)
    with pytest.raises(TypeError, match="uint8"):
        unpack_int4(np.zeros(2, np.int8), 4)
