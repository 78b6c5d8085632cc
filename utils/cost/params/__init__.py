"""Parameters and weight bytes, counted without running or building the model.

This module only gathers names; each lives in the file that its import line says.

>>> decoder_params(LLAMA3_8B).total
8030261248
>>> effective_bits(4, group_size=128, scale_bits=16, zero_bits=4)
4.15625
"""

from utils.cost.params.counter import ModuleCount, OnnxCount, count_module, count_onnx
from utils.cost.params.decoder import ParamBreakdown, decoder_params, matmul_params
from utils.cost.params.decoder_config import (
    DECODERS,
    GPT2_LARGE,
    GPT2_MEDIUM,
    GPT2_SMALL,
    GPT2_XL,
    LLAMA2_7B,
    LLAMA2_13B,
    LLAMA2_70B,
    LLAMA3_8B,
    LLAMA3_70B,
    LLAMA32_1B,
    MISTRAL_7B,
    MIXTRAL_8X7B,
    MIXTRAL_8X22B,
    DecoderConfig,
)
from utils.cost.params.encoder import (
    BERT_BASE,
    BERT_LARGE,
    ENCODERS,
    VIT_B16,
    EncoderConfig,
    ViTConfig,
    encoder_params,
    vit_params,
)
from utils.cost.params.layers import (
    Count,
    attention_params,
    batchnorm2d_count,
    conv2d_params,
    embedding_params,
    layernorm_params,
    linear_params,
    lstm_params,
    mlp_params,
    rmsnorm_params,
)
from utils.cost.params.storage import effective_bits, weight_bytes, width_for_budget

__all__ = [
    "BERT_BASE", "BERT_LARGE", "DECODERS", "ENCODERS", "GPT2_LARGE", "GPT2_MEDIUM", "GPT2_SMALL", "GPT2_XL",
    "LLAMA2_7B", "LLAMA2_13B", "LLAMA2_70B", "LLAMA3_8B", "LLAMA3_70B", "LLAMA32_1B", "MISTRAL_7B", "MIXTRAL_8X7B",
    "MIXTRAL_8X22B", "VIT_B16", "Count", "DecoderConfig", "EncoderConfig", "ModuleCount", "OnnxCount",
    "ParamBreakdown", "ViTConfig", "attention_params", "batchnorm2d_count", "conv2d_params", "count_module",
    "count_onnx", "decoder_params", "effective_bits", "embedding_params", "encoder_params", "layernorm_params",
    "linear_params", "lstm_params", "matmul_params", "mlp_params", "rmsnorm_params", "vit_params", "weight_bytes",
    "width_for_budget",
]
