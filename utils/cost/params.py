"""Parameters and weight bytes, counted without running or building the model.

>>> decoder_params(LLAMA3_8B).total
8030261248
>>> effective_bits(4, group_size=128, scale_bits=16, zero_bits=4)
4.15625
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction

from utils.cost.checks import non_negative, pair, positive
from utils.cost.decoder_config import (
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
from utils.cost.params_counter import ModuleCount, OnnxCount, count_module, count_onnx

__all__ = [
    "DECODERS", "GPT2_LARGE", "GPT2_MEDIUM", "GPT2_SMALL", "GPT2_XL", "LLAMA2_7B", "LLAMA2_13B", "LLAMA2_70B",
    "LLAMA3_8B", "LLAMA3_70B", "LLAMA32_1B", "MISTRAL_7B", "MIXTRAL_8X7B", "MIXTRAL_8X22B", "DecoderConfig",
    "ModuleCount", "OnnxCount", "ParamBreakdown", "attention_params", "conv2d_params", "count_module", "count_onnx",
    "decoder_params", "effective_bits", "linear_params", "matmul_params", "mlp_params", "weight_bytes",
]


def conv2d_params(c_in: int, c_out: int, kernel: int | tuple[int, int], groups: int = 1, bias: bool = True) -> int:
    """Values of a 2-D convolution: c_out * (c_in / groups) * k_h * k_w, plus c_out biases.

    Raises ValueError when a size is not positive or c_in and c_out are not divisible by groups.
    """
    k_h, k_w = pair(kernel)
    positive(c_in=c_in, c_out=c_out, kernel=min(k_h, k_w), groups=groups)
    if c_in % groups or c_out % groups:
        raise ValueError(f"c_in and c_out must be divisible by groups = {groups}, got {c_in} and {c_out}")
    return c_out * (c_in // groups) * k_h * k_w + c_out * bias


def linear_params(n_in: int, n_out: int, bias: bool = True) -> int:
    """Values of a fully connected layer: n_in * n_out weights, plus n_out biases."""
    positive(n_in=n_in, n_out=n_out)
    return n_in * n_out + n_out * bias


def attention_params(d_model: int, n_heads: int, n_kv_heads: int | None = None, head_dim: int | None = None,
                     qkv_bias: bool = False, out_bias: bool = False) -> int:
    """Values of the four projections of one attention layer; K and V have n_kv_heads * head_dim columns.

    Raises ValueError when n_heads is not a multiple of n_kv_heads.
    """
    n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
    head_dim = d_model // n_heads if head_dim is None else head_dim
    positive(d_model=d_model, n_heads=n_heads, n_kv_heads=n_kv_heads, head_dim=head_dim)
    if n_heads % n_kv_heads:
        raise ValueError(f"n_heads must be a multiple of n_kv_heads, got {n_heads} and {n_kv_heads}")
    d_q, d_kv = n_heads * head_dim, n_kv_heads * head_dim
    q, k, v = (linear_params(d_model, d, qkv_bias) for d in (d_q, d_kv, d_kv))
    return q + k + v + linear_params(d_q, d_model, out_bias)


def mlp_params(d_model: int, d_ff: int, gated: bool, bias: bool = False) -> int:
    """Values of one feed-forward block: up and down, and a gate matrix when `gated` (SwiGLU)."""
    return (2 if gated else 1) * linear_params(d_model, d_ff, bias) + linear_params(d_ff, d_model, bias)


@dataclass(frozen=True)
class ParamBreakdown:
    """Stored values by component; `active` is what one token touches, both embedding matrices included."""

    embedding: int
    attention: int
    mlp: int
    norm: int
    head: int
    total: int
    active: int

    def as_dict(self) -> dict[str, int]:
        """The fields as a plain dict."""
        return asdict(self)


def decoder_params(cfg: DecoderConfig) -> ParamBreakdown:
    """Count a decoder-only model from its configuration.

    `mlp` holds all experts and the router; `active` drops the experts that a token does not use and keeps
    the rest, which is the convention of the published figure for Mixtral (12.9 B of 46.7 B).
    """
    d, layers = cfg.d_model, cfg.n_layers
    expert = mlp_params(d, cfg.d_ff, cfg.gated_mlp, cfg.bias)
    experts = cfg.n_experts or 1
    router = d * cfg.n_experts
    per_norm = d if cfg.norm == "rms" else 2 * d

    embedding = (cfg.vocab + cfg.max_pos) * d
    attention = layers * attention_params(d, cfg.n_heads, cfg.n_kv_heads, cfg.head_dim, cfg.bias, cfg.bias)
    mlp = layers * (experts * expert + router)
    norm = (2 * layers + 1) * per_norm  # two a block, one before the head
    head = 0 if cfg.tied else cfg.vocab * d
    total = embedding + attention + mlp + norm + head
    idle = layers * expert * (cfg.n_experts - cfg.top_k) if cfg.n_experts else 0
    return ParamBreakdown(embedding, attention, mlp, norm, head, total, total - idle)


def matmul_params(cfg: DecoderConfig) -> int:
    """Weights that one token multiplies with: what a decode step of batch 1 must read.

    The output head counts even when it is tied to the embedding; the embedding lookup, norms, biases and
    idle experts do not. Llama-3-8B: 7,504,658,432.
    """
    attention = attention_params(cfg.d_model, cfg.n_heads, cfg.n_kv_heads, cfg.head_dim)
    mlp = (cfg.top_k if cfg.n_experts else 1) * mlp_params(cfg.d_model, cfg.d_ff, cfg.gated_mlp)
    router = cfg.d_model * cfg.n_experts
    return cfg.n_layers * (attention + mlp + router) + cfg.vocab * cfg.d_model


def weight_bytes(n_params: int, bits: float, group_size: int | None = None, scale_bits: int = 16,
                 zero_bits: int = 0) -> int:
    """Bytes of `n_params` weights at `bits` each, rounded up to whole bytes.

    With a `group_size` every started group stores one scale and one zero point; without, none is stored.
    """
    non_negative(n_params=n_params, scale_bits=scale_bits, zero_bits=zero_bits)
    positive(bits=bits)
    total_bits = Fraction(n_params) * Fraction(bits)  # exact: a float product of 70 B weights loses the last bytes
    if group_size is not None:
        positive(group_size=group_size)
        total_bits += math.ceil(Fraction(n_params) / group_size) * (scale_bits + zero_bits)
    return math.ceil(total_bits / 8)


def effective_bits(weight_bits: float, group_size: int, scale_bits: float, zero_bits: float = 0) -> float:
    """Stored bits a weight when each group of `group_size` shares one scale and one zero point."""
    positive(weight_bits=weight_bits, group_size=group_size)
    non_negative(scale_bits=scale_bits, zero_bits=zero_bits)
    return weight_bits + (scale_bits + zero_bits) / group_size
