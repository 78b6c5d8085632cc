"""Exercises of chapter 03: FP32, FP16 and INT8."""

from .affine_quantize import affine_quantize
from .decode_word import decode_word
from .format_limits import format_limits
from .int8_gemm import int8_gemm
from .pick_8bit import pick_8bit

EXERCISES = [format_limits, decode_word, affine_quantize, pick_8bit, int8_gemm]
