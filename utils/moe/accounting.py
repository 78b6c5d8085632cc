"""What a mixture of experts costs: all experts in memory, k of them in FLOPs, the touched ones in bandwidth.

Letters: T tokens, E experts, k experts a token. Counts are exact, and checked against published sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np

from utils.cost.bandwidth.decode import DecodeStep, decode_step
from utils.cost.checks import non_negative, positive
from utils.cost.params import MIXTRAL_8X7B, MIXTRAL_8X22B, DecoderConfig, ParamBreakdown, decoder_params, mlp_params


@dataclass(frozen=True)
class DeepSeekConfig(DecoderConfig):
    """A decoder with latent attention (MLA), shared experts and leading dense layers.

    `d_ff` is the width of one expert, `dense_d_ff` that of the first `dense_layers` blocks. Queries and
    key-values pass through low-rank bottlenecks; a head has `nope_dim` channels without and `rope_dim` with
    rotary position, and values of `v_dim`. Every router has a balancing bias of n_experts values.
    """

    shared_experts: int = 1
    dense_layers: int = 3
    dense_d_ff: int = 18432
    q_rank: int = 1536
    kv_rank: int = 512
    nope_dim: int = 128
    rope_dim: int = 64
    v_dim: int = 128

    @property
    def moe_layers(self) -> int:
        """Blocks that have experts."""
        return self.n_layers - self.dense_layers

    @property
    def attention_layer_params(self) -> int:
        """Values of one MLA block, its two inner norms included."""
        d, heads = self.d_model, self.n_heads
        query = d * self.q_rank + self.q_rank + self.q_rank * heads * (self.nope_dim + self.rope_dim)
        latent = d * (self.kv_rank + self.rope_dim) + self.kv_rank
        key_value = self.kv_rank * heads * (self.nope_dim + self.v_dim)
        return query + latent + key_value + heads * self.v_dim * d


# Source: config.json of deepseek-ai/DeepSeek-V3, without the multi-token-prediction module.
DEEPSEEK_V3 = DeepSeekConfig(vocab=129280, d_model=7168, n_layers=61, n_heads=128, n_kv_heads=128, d_ff=2048,
                             gated_mlp=True, norm="rms", tied=False, n_experts=256, top_k=8, head_dim=192)

CONFIGS: dict[str, DecoderConfig] = {
    "mixtral_8x7b": MIXTRAL_8X7B, "mixtral_8x22b": MIXTRAL_8X22B, "deepseek_v3": DEEPSEEK_V3,
}


def moe_params(cfg: DecoderConfig) -> ParamBreakdown:
    """Stored and active values by component; `decoder_params`, and the same for DeepSeek's architecture."""
    if not isinstance(cfg, DeepSeekConfig):
        return decoder_params(cfg)
    d = cfg.d_model
    embedding = head = cfg.vocab * d
    attention = cfg.n_layers * cfg.attention_layer_params
    expert = mlp_params(d, cfg.d_ff, cfg.gated_mlp)
    router = (d + 1) * cfg.n_experts  # the balancing bias is the + 1
    mlp = (cfg.dense_layers * mlp_params(d, cfg.dense_d_ff, cfg.gated_mlp)
           + cfg.moe_layers * ((cfg.n_experts + cfg.shared_experts) * expert + router))
    norm = (2 * cfg.n_layers + 1) * d
    total = embedding + attention + mlp + norm + head
    idle = cfg.moe_layers * (cfg.n_experts - cfg.top_k) * expert
    return ParamBreakdown(embedding, attention, mlp, norm, head, total, total - idle)


def count_parameters(cfg: DecoderConfig) -> tuple[int, int]:
    """(total, active): what is stored, and what one token computes with.

    >>> count_parameters(MIXTRAL_8X7B)
    (46702792704, 12879925248)
    """
    params = moe_params(cfg)
    return params.total, params.active


@dataclass(frozen=True)
class MoeCost:
    """One sparse feed-forward layer: all parameters, those of one token, bytes in memory, FLOPs a token."""

    total_params: int
    active_params: int
    resident_bytes: float
    flops_per_token: int

    def as_dict(self) -> dict[str, float]:
        """The fields as a plain dict."""
        return asdict(self)


def moe_layer_cost(d_model: int, d_ff: int, experts: int, top_k: int, item_bytes: float, shared: int = 0) -> MoeCost:
    """Cost of a layer of gated experts (three matrices each), a router, and `shared` experts that always run.

    FLOPs are 2 a weight used. Raises ValueError when a size is not positive or top_k is above experts.

    >>> moe_layer_cost(4096, 14336, 8, 2, 2).resident_bytes  # one layer of Mixtral-8x7B in BF16
    2818637824
    """
    positive(d_model=d_model, d_ff=d_ff, experts=experts, top_k=top_k, item_bytes=item_bytes)
    non_negative(shared=shared)
    if top_k > experts:
        raise ValueError(f"top_k must be at most experts = {experts}, got {top_k}")
    expert, router = mlp_params(d_model, d_ff, gated=True), d_model * experts
    total = (experts + shared) * expert + router
    active = (top_k + shared) * expert + router
    return MoeCost(total, active, total * item_bytes, 2 * active)


def expert_capacity(tokens: int, num_experts: int, k: int, capacity_factor: float) -> int:
    """Places of one expert: the even share of the T * k assignments, times the factor, rounded up; at least 1.

    The factor counts as the decimal that it prints: 1.1 times a share of 10 is 11 places, whatever a float says.
    """
    non_negative(tokens=tokens)
    positive(num_experts=num_experts, k=k, capacity_factor=capacity_factor)
    return max(1, math.ceil(Fraction(str(float(capacity_factor))) * tokens * k / num_experts))


def expected_experts_touched(num_experts: int, k: int, tokens: int) -> float:
    """E * (1 - (1 - k / E)^T): distinct experts of a layer that T tokens need when they choose independently.

    Every expert is equally likely; real routing is less even, and touches fewer.

    >>> round(expected_experts_touched(8, 2, 4), 2)
    5.47
    """
    positive(num_experts=num_experts)
    non_negative(tokens=tokens)
    if not 1 <= k <= num_experts:
        raise ValueError(f"k must be between 1 and num_experts = {num_experts}, got {k}")
    return num_experts * (1 - (1 - k / num_experts) ** tokens)


def decode_bytes_per_step(cfg: DecoderConfig, batch: int, item_bytes: float) -> float:
    """Expected bytes of weights that one decode step of `batch` sequences reads.

    Everything that all tokens share once, and in each layer the experts that someone in the batch needs. The
    input embedding is left out (a step reads a row of it), the output head is in, the KV cache is not.
    """
    params = moe_params(cfg)
    head = params.head or cfg.vocab * cfg.d_model  # a tied head is read as well
    everything = params.total - params.embedding - params.head + head
    if not cfg.n_experts:
        return item_bytes * everything
    layers = cfg.moe_layers if isinstance(cfg, DeepSeekConfig) else cfg.n_layers
    idle = cfg.n_experts - expected_experts_touched(cfg.n_experts, cfg.top_k, batch)
    return item_bytes * (everything - layers * idle * mlp_params(cfg.d_model, cfg.d_ff, cfg.gated_mlp, cfg.bias))


def moe_decode_step(cfg: DecoderConfig, batch: int, item_bytes: float, mem_gb_s: float,
                    peak_tflop_s: float) -> DecodeStep:
    """Bounds of one decode step without KV cache: bytes of the touched experts against FLOPs of the active weights."""
    params = moe_params(cfg)
    active = params.active - params.embedding + (0 if params.head else cfg.vocab * cfg.d_model)
    return decode_step(decode_bytes_per_step(cfg, batch, item_bytes), 0, batch, 2 * active, mem_gb_s, peak_tflop_s)


def decode_roofline_tok_s(cfg: DecoderConfig, batch: int, item_bytes: float, mem_gb_s: float,
                          peak_tflop_s: float) -> float:
    """Upper bound of tokens/s of the whole batch; `peak_tflop_s` is the dense peak of the weights' type."""
    return moe_decode_step(cfg, batch, item_bytes, mem_gb_s, peak_tflop_s).tokens_per_s


def all_to_all_bytes(tokens: int, k: int, d_model: int, item_bytes: int, ranks: int) -> int:
    """Bytes that cross between `ranks` GPUs for one layer: dispatch and combine of T * k vectors.

    With uniform routing a share of (ranks - 1) / ranks leaves its GPU, twice; rounded to a whole byte.

    >>> all_to_all_bytes(4096, 2, 4096, 2, 8)
    117440512
    """
    positive(tokens=tokens, k=k, d_model=d_model, item_bytes=item_bytes, ranks=ranks)
    return round(Fraction(2 * tokens * k * d_model * item_bytes * (ranks - 1), ranks))


def moe_sizing(cfg: dict[str, int], batch: int, itemsize: int, hbm_gb_s: float) -> dict[str, float]:
    """Size a Mixtral-like model: total_params, active_params, weight_gb, expected_bytes_per_step, max_steps_per_s.

    cfg has layers, d_model, d_ff, heads, kv_heads, vocab, experts, k; experts are gated, embeddings untied.
    """
    config = DecoderConfig(vocab=cfg["vocab"], d_model=cfg["d_model"], n_layers=cfg["layers"], n_heads=cfg["heads"],
                           n_kv_heads=cfg["kv_heads"], d_ff=cfg["d_ff"], gated_mlp=True, norm="rms", tied=False,
                           n_experts=cfg["experts"], top_k=cfg["k"])
    total, active = count_parameters(config)
    step_bytes = decode_bytes_per_step(config, batch, itemsize)
    return {"total_params": total, "active_params": active, "weight_gb": total * itemsize / 1e9,
            "expected_bytes_per_step": step_bytes, "max_steps_per_s": hbm_gb_s * 1e9 / step_bytes}


def touched_curve(E: int, k: int, batches: Sequence[int]) -> np.ndarray:
    """Expected experts touched in a layer for each batch size, uniform routing: from k up to E."""
    return np.array([expected_experts_touched(E, k, int(batch)) for batch in batches])
