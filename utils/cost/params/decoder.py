"""Parameters of decoder-only language models, dense or with experts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from utils.cost.params.decoder_config import DecoderConfig
from utils.cost.params.layers import attention_params, mlp_params


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
