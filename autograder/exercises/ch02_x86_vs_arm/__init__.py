"""Exercises of chapter 02: a peak, a saturating dot product, signed numbers on x86, Arm's tiles, and the cheapest host."""

from .avx2_dot import avx2_dot
from .cheapest_host import cheapest_host
from .peak_gflops import peak_gflops
from .s8_gemm_on_x86 import s8_gemm_on_x86
from .smmla_gemm import smmla_gemm

EXERCISES = [peak_gflops, avx2_dot, s8_gemm_on_x86, smmla_gemm, cheapest_host]
