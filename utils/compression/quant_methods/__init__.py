"""The mainstream quantization methods, all in one place.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.compression.quant_methods.bits import assign_bits, layer_sensitivity, with_rounded_weights
from utils.compression.quant_methods.blocks import BLOCK_FORMATS, BlockFormat, fp8_blocks, mxfp4, mxfp8, nvfp4
from utils.compression.quant_methods.equalize import (
    apply_input_scale,
    cross_layer_equalize,
    equalize_pair,
    scale_channels,
    uglify,
    weighted_layers,
)
from utils.compression.quant_methods.experiment import (
    SCHEMES,
    PtqResult,
    bit_sweep,
    channel_spread,
    contrast_curve,
    latency_by_width,
    layer_inputs,
    ptq_accuracy,
    ptq_grid,
    simulate_ptq,
)
from utils.compression.quant_methods.nbits import PackedLayer, nbits_onnx, pack_codes, pack_layer
from utils.compression.quant_methods.ste import FakeQuant, fake_quant_ste, learned_quant
from utils.compression.quant_methods.table import (
    MethodRow,
    Quantized,
    latency_ratios,
    method_table,
    mixed_bits,
    smoothed,
)
from utils.compression.quant_methods.training import as_fp8, qat, to_fp8, train_fp8, trained_in_fp8
from utils.compression.quant_methods.weights import (
    awq_scales,
    gptq,
    gptq_layer,
    gptq_slow,
    hessian,
    output_error,
    quantize_weights_rtn,
    smooth_scales,
    weight_scales,
)
from utils.compression.quantization.calibration import calibrate_range, entropy_threshold, simple_range

__all__ = [
    "BLOCK_FORMATS", "SCHEMES", "BlockFormat", "FakeQuant", "MethodRow", "PackedLayer", "PtqResult", "Quantized",
    "apply_input_scale", "as_fp8", "assign_bits", "awq_scales", "bit_sweep", "calibrate_range", "channel_spread",
    "contrast_curve", "cross_layer_equalize", "entropy_threshold", "equalize_pair", "fake_quant_ste", "fp8_blocks",
    "gptq", "gptq_layer", "gptq_slow", "hessian", "latency_by_width", "latency_ratios", "layer_inputs",
    "layer_sensitivity", "learned_quant", "method_table", "mixed_bits", "mxfp4", "mxfp8", "nbits_onnx", "nvfp4",
    "output_error", "pack_codes", "pack_layer", "ptq_accuracy", "ptq_grid", "qat", "quantize_weights_rtn",
    "scale_channels", "simple_range", "simulate_ptq", "smooth_scales", "smoothed", "to_fp8", "train_fp8",
    "trained_in_fp8", "uglify", "weight_scales", "weighted_layers", "with_rounded_weights",
]
