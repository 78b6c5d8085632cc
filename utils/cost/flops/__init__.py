"""Operation counts, all in one place: formulas, execution, modules, graphs, language models, Winograd.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.cost.flops.counter import LayerMacs, LayerTable, count_module_macs, count_onnx_macs
from utils.cost.flops.counting_float import CountingFloat, Tally, count_by_execution
from utils.cost.flops.layer_ops import (
    OpCount,
    additions_exact,
    attention_ops,
    conv2d_ops,
    conv_macs,
    conv_out_size,
    linear_ops,
    norm_ops,
)
from utils.cost.flops.llm import (
    FlopBreakdown,
    decode_mfu,
    decoder_flops_per_token,
    decoder_step_flops,
    mfu,
    mfu_from_log,
    prefill_flops,
    training_flops,
)
from utils.cost.flops.table import network_table
from utils.cost.flops.winograd import winograd_f2x2_3x3, winograd_multiplies, winograd_speedup

__all__ = [
    "CountingFloat", "FlopBreakdown", "LayerMacs", "LayerTable", "OpCount", "Tally", "additions_exact",
    "attention_ops", "conv2d_ops", "conv_macs", "conv_out_size", "count_by_execution", "count_module_macs",
    "count_onnx_macs", "decode_mfu", "decoder_flops_per_token", "decoder_step_flops", "linear_ops",
    "mfu", "mfu_from_log", "network_table", "norm_ops", "prefill_flops", "training_flops", "winograd_f2x2_3x3",
    "winograd_multiplies", "winograd_speedup",
]
