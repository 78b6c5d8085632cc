"""The emulated instructions: laws over random operands, and vectors recorded from a real processor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware import isa

# Recorded on an AMD EPYC (Zen 4) on 2026-11-27 with gcc's intrinsics _mm_maddubs_epi16 and _mm_dpbusd_epi32.
GOLDEN_PAIRS = [
    ([255, 255, 255, 255], [127, 127, -128, -128], [32767, -32768]),
    ([255, 255, 128, 128], [127, 2, 127, 127], [32767, 32512]),
    ([255, 129, 1, 0], [127, 127, -128, 127], [32767, -128]),
    ([255, 1, 255, 2], [-128, -128, -128, -128], [-32768, -32768]),
    ([255, 255, 255, 255], [64, 64, -64, -64], [32640, -32640]),
]
GOLDEN_VNNI = [
    ([255, 255, 255, 255], [127, 127, 127, 127], 0, 129540),
    ([255, 255, 255, 255], [-128, -128, -128, -128], 5, -130555),
    ([1, 0, 0, 0], [1, 0, 0, 0], 2147483647, -2147483648),
]

seeds = st.integers(0, 2**32 - 1)


def draw(seed, shape, signed):
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, shape).astype(np.int8) if signed else rng.integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(("a", "b", "expected"), GOLDEN_PAIRS)
def test_pairs_as_recorded(a, b, expected):
    got = isa.vpmaddubsw(np.uint8(a), np.int8(b))
    assert got.dtype == np.int16 and got.tolist() == expected
    assert isa.vpmaddubsw_dot(np.uint8(a), np.int8(b)) == sum(expected)


@pytest.mark.parametrize(("a", "b", "acc", "expected"), GOLDEN_VNNI)
def test_vnni_as_recorded(a, b, acc, expected):
    got = isa.vpdpbusd(np.int32([acc]), np.uint8(a), np.int8(b))
    assert got.dtype == np.int32 and got.tolist() == [expected]


@given(seeds)
def test_four_at_a_time_is_exact(seed):
    a, b, s = draw(seed, (3, 8), False), draw(seed + 1, (3, 8), True), draw(seed + 2, (3, 8), True)
    acc = np.random.default_rng(seed).integers(-(2**20), 2**20, (3, 2)).astype(np.int32)
    for emulated, left in ((isa.vpdpbusd, a), (isa.sdot, s)):
        got = emulated(acc, left, b)
        for i in range(3):
            for j in range(2):
                group = range(4 * j, 4 * j + 4)
                assert got[i, j] == int(acc[i, j]) + sum(int(left[i, k]) * int(b[i, k]) for k in group)


@given(seeds)
def test_the_matrix_instructions_multiply_matrices(seed):
    acc = np.random.default_rng(seed).integers(-(2**20), 2**20, (2, 2)).astype(np.int32)
    a, b = draw(seed, (2, 8), True), draw(seed + 1, (2, 8), True)
    got = isa.smmla(acc, a, b)
    assert all(got[i, j] == int(acc[i, j]) + sum(int(x) * int(y) for x, y in zip(a[i], b[j])) for i in (0, 1) for j in (0, 1))
    tile, u8, plain = np.zeros((16, 16), np.int32), draw(seed, (16, 64), False), draw(seed + 1, (64, 16), True)
    packed = np.empty((16, 64), np.int8)
    for k in range(64):
        for n in range(16):
            packed[k // 4, 4 * n + k % 4] = plain[k, n]
    assert np.array_equal(isa.tdpbusd(tile, u8, packed), u8.astype(int) @ plain.astype(int))


def test_work_of_one_instruction():
    macs = {name: row.macs for name, row in isa.INSTRUCTIONS.items()}
    assert macs == {"VPMADDUBSW": 32, "VPDPBUSD": 64, "TDPBUSD": 16384, "SDOT": 16, "SMMLA": 32}
    for row in isa.INSTRUCTIONS.values():  # a vector holds its 8-bit operands; the matrix ones reuse them
        assert row.macs == row.bits // 8 or row.name in ("SMMLA", "TDPBUSD")
    assert [row.name for row in isa.INSTRUCTIONS.values() if row.sum_bits == 16] == ["VPMADDUBSW"]


def test_they_refuse():
    u, s, acc = np.zeros(8, np.uint8), np.zeros(8, np.int8), np.zeros(2, np.int32)
    for call in (lambda: isa.vpmaddubsw(s, s), lambda: isa.vpdpbusd(acc, s, s), lambda: isa.gemm_u8s8(s[None], s[:, None], "vnni")):
        with pytest.raises(TypeError, match="dtype uint8"):
            call()
    for call in (lambda: isa.vpmaddubsw(u, u), lambda: isa.sdot(acc, u, s), lambda: isa.smmla_gemm(s[None], u[:, None])):
        with pytest.raises(TypeError, match="dtype int8"):
            call()
    with pytest.raises(TypeError, match="dtype int32"):
        isa.sdot([0, 0], s, s)
    with pytest.raises(TypeError, match="integer"):
        isa.saturate_i16([0.5])
    for call in (lambda: isa.vpmaddubsw(u[:7], s[:7]), lambda: isa.sdot(acc[:1], s, s), lambda: isa.gemm_u8s8(u[None], s[:7, None], "avx2"),
                 lambda: isa.smmla(np.zeros((2, 2), np.int32), s[None], s[None]), lambda: isa.tdpbusd(acc, u, s)):
        with pytest.raises(ValueError, match="shape"):
            call()
    with pytest.raises(ValueError, match="multiple of 4"):
        isa.vpdpbusd(acc, u[:6], s[:6])
    with pytest.raises(ValueError, match="isa must be"):
        isa.gemm_u8s8(u[None], s[:, None], "sse")


shapes = st.tuples(st.integers(1, 7), st.integers(1, 19), st.integers(1, 7))


@given(shapes, seeds)
def test_products_are_exact_where_nothing_saturates(shape, seed):
    m, k, n = shape
    u8, a, b = draw(seed, (m, k), False), draw(seed, (m, k), True), draw(seed + 1, (k, n), True)
    assert np.array_equal(isa.gemm_u8s8(u8, b, "vnni"), u8.astype(np.int64) @ b.astype(np.int64))
    assert np.array_equal(isa.gemm_s8s8_x86(a, b), a.astype(np.int64) @ b.astype(np.int64))
    got, count = isa.smmla_gemm(a, b)
    assert got.dtype == np.int32 and np.array_equal(got, a.astype(np.int64) @ b.astype(np.int64))
    assert count == -(-m // 2) * -(-n // 2) * -(-k // 8)
    seven = (b // 2).astype(np.int8)  # -64 to 63
    assert np.array_equal(isa.gemm_u8s8(u8, seven, "avx2"), u8.astype(np.int64) @ seven.astype(np.int64))


@given(shapes, seeds)
def test_the_saturating_product_is_dots_of_pairs(shape, seed):
    m, k, n = shape
    a, b = draw(seed, (m, k), False), draw(seed + 1, (k, n), True)
    even = k + k % 2
    pa, pb = np.zeros((m, even), np.uint8), np.zeros((even, n), np.int8)
    pa[:, :k], pb[:k] = a, b
    expected = [[isa.avx2_dot(row, column) for column in pb.T] for row in pa]
    assert isa.gemm_u8s8(a, b, "avx2").tolist() == expected


def test_the_compensation_in_numbers():
    a, b, calls = np.int8([[-3, 5]]), np.int8([[7], [-2]]), []

    def u8s8(left, right):
        calls.append(left)
        return left.astype(np.int32) @ right.astype(np.int32)

    got = isa.s8_gemm_on_x86(a, b, u8s8)
    assert got.tolist() == [[-31]] and got.dtype == np.int32
    assert len(calls) == 1 and calls[0].dtype == np.uint8 and calls[0].tolist() == [[125, 133]]
    # 609 - 640: the uint8 product, and 128 times the sum of b
    assert (calls[0].astype(int) @ b).item() == 609


def test_a_dot_of_an_odd_length_is_refused():
    with pytest.raises(ValueError, match="even"):
        isa.avx2_dot(np.uint8([1, 2, 3]), np.int8([1, 2, 3]))
