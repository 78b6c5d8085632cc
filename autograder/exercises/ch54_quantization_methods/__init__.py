"""Exercises of chapter 54: the mainstream quantization methods."""

from .calibrate_range import calibrate_range
from .equalize_pair import equalize_pair
from .fake_quant_ste import fake_quant_ste
from .gptq_layer import gptq_layer
from .quantize_linear_onnx import quantize_linear_onnx

EXERCISES = [calibrate_range, fake_quant_ste, equalize_pair, quantize_linear_onnx, gptq_layer]
