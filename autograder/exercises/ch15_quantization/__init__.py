"""Exercises of chapter 15: what model quantization is."""

from .affine_qparams import affine_qparams
from .int_matmul import int_matmul
from .pack_int4 import pack_int4
from .quantize import quantize
from .requantize import requantize

EXERCISES = [affine_qparams, quantize, int_matmul, requantize, pack_int4]
