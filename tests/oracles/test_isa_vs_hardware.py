"""Emulated instructions against the processor's own, torch's kernels and ONNX Runtime.

The first needs an x86 processor and gcc; where they are missing the recorded vectors in tests/unit/hardware/isa stand
in for it.
"""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from onnx import helper

from utils.graphs.onnx_tools import make_model, make_session
from utils.hardware import isa
from utils.hardware.isa.real_kernels import fbgemm_product, requantized

SOURCE = """
#include <immintrin.h>
#include <stdint.h>
void pairs(const uint8_t *a, const int8_t *b, int16_t *out, long vectors) {
    for (long i = 0; i < vectors; i++)
        _mm_storeu_si128((__m128i *)(out + 8 * i), _mm_maddubs_epi16(_mm_loadu_si128((const __m128i *)(a + 16 * i)),
                                                                    _mm_loadu_si128((const __m128i *)(b + 16 * i))));
}
void fours(int32_t *acc, const uint8_t *a, const int8_t *b, long vectors) {
    for (long i = 0; i < vectors; i++)
        _mm_storeu_si128((__m128i *)(acc + 4 * i), _mm_dpbusd_epi32(_mm_loadu_si128((const __m128i *)(acc + 4 * i)),
            _mm_loadu_si128((const __m128i *)(a + 16 * i)), _mm_loadu_si128((const __m128i *)(b + 16 * i))));
}
"""
HOST = isa.detect_host()


@pytest.fixture(scope="module")
def cpu(tmp_path_factory):
    """The two instructions of this processor as functions of arrays."""
    if shutil.which("gcc") is None or "avx512_vnni" not in HOST.flags:
        pytest.skip("needs gcc and a processor with AVX-512 VNNI")
    folder = tmp_path_factory.mktemp("isa")
    (folder / "isa.c").write_text(SOURCE)
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-mssse3", "-mavx512vnni", "-mavx512vl", "isa.c", "-o", "isa.so"],
                   cwd=folder, check=True, timeout=120)
    return ctypes.CDLL(str(folder / "isa.so"))


def pointer(x):
    return x.ctypes.data_as(ctypes.c_void_p)


def test_pairs_are_those_of_the_processor(cpu):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, 4_000_000).astype(np.uint8), rng.integers(-128, 128, 4_000_000).astype(np.int8)
    got = np.empty(a.size // 2, np.int16)
    cpu.pairs(pointer(a), pointer(b), pointer(got), ctypes.c_long(a.size // 16))
    assert np.array_equal(got, isa.vpmaddubsw(a, b))
    rate = isa.exact_saturation_rate(8)
    lost = np.count_nonzero(got != (a.astype(int) * b).reshape(-1, 2).sum(1)) / got.size
    assert lost == pytest.approx(rate, abs=5 * (rate / got.size) ** 0.5)


def test_fours_are_those_of_the_processor(cpu):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 256, 400_000).astype(np.uint8), rng.integers(-128, 128, 400_000).astype(np.int8)
    acc = rng.integers(-(2**31), 2**31, a.size // 4).astype(np.int32)
    expected = isa.vpdpbusd(acc, a, b)
    cpu.fours(pointer(acc), pointer(a), pointer(b), ctypes.c_long(a.size // 16))
    assert np.array_equal(acc, expected)


def test_recorded_vectors_are_what_this_processor_gives(cpu):
    """The vectors of the unit test, asked again."""
    a = np.uint8([255, 255, 255, 255, 255, 255, 128, 128, 255, 129, 1, 0, 255, 1, 255, 2])
    b = np.int8([127, 127, -128, -128, 127, 2, 127, 127, 127, 127, -128, 127, -128, -128, -128, -128])
    got = np.empty(8, np.int16)
    cpu.pairs(pointer(a), pointer(b), pointer(got), ctypes.c_long(1))
    assert got.tolist() == [32767, -32768, 32767, 32512, 32767, -128, -32768, -32768]
    a, b = np.uint8([255] * 8 + [1, 0, 0, 0] * 2), np.int8([127] * 4 + [-128] * 4 + [1, 0, 0, 0] * 2)
    acc = np.int32([0, 5, 2147483647, 0])
    cpu.fours(pointer(acc), pointer(a), pointer(b), ctypes.c_long(1))
    assert acc.tolist() == [129540, -130555, -2147483648, 1]


@pytest.mark.parametrize(("instructions", "emulated"), [("AVX2", "avx2"), ("AVX512_E1", "vnni")])
def test_torch_s_kernels_give_the_emulated_sums(instructions, emulated):
    needed = {"AVX2": "avx2", "AVX512_E1": "avx512_vnni"}[instructions]
    if needed not in HOST.flags:
        pytest.skip(f"needs a processor with {needed}")
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 256, (16, 96)).astype(np.uint8), rng.integers(-127, 128, (96, 24)).astype(np.int8)
    got = fbgemm_product(a, b, instructions, 4000.0)
    if got is None:
        pytest.skip("this torch has no FBGEMM")
    assert np.array_equal(got, requantized(isa.gemm_u8s8(a, b, emulated), 4000.0))
    other = {"avx2": "vnni", "vnni": "avx2"}[emulated]
    assert np.mean(got != requantized(isa.gemm_u8s8(a, b, other), 4000.0)) > 0.2  # the step is fine enough to tell


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 64, 7), (33, 100, 17)])
def test_onnx_runtime_with_seven_bits_is_exact_everywhere(shape):
    m, k, n = shape
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(-64, 64, (k, n)).astype(np.int8)
    model = make_model([helper.make_node("MatMulInteger", ["a", "b"], ["y"])], {"a": (np.uint8, (m, k))},
                       {"y": (np.int32, (m, n))}, {"b": b})
    theirs = make_session(model, optimize=True).run(None, {"a": a})[0]
    assert np.array_equal(isa.gemm_u8s8(a, b, "vnni"), theirs) and np.array_equal(isa.gemm_u8s8(a, b, "avx2"), theirs)
