"""Shapes of decoder-only language models: one frozen configuration and the published presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cost.checks import non_negative, positive


@dataclass(frozen=True)
class DecoderConfig:
    """Everything that decides how many weights a decoder has and what they cost.

    `d_ff` is the width of one expert when there are experts. `head_dim` 0 means d_model / n_heads.
    `max_pos` counts learned position embeddings (GPT-2); rotary positions have none. `bias` gives every
    linear layer of a block a bias. Raises ValueError when the heads do not divide or top_k is out of range.
    """

    vocab: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_ff: int
    gated_mlp: bool
    norm: Literal["rms", "layer"]
    tied: bool
    max_pos: int = 0
    bias: bool = False
    n_experts: int = 0
    top_k: int = 0
    head_dim: int = 0

    def __post_init__(self) -> None:
        positive(vocab=self.vocab, d_model=self.d_model, n_layers=self.n_layers, n_heads=self.n_heads,
                 n_kv_heads=self.n_kv_heads, d_ff=self.d_ff)
        non_negative(max_pos=self.max_pos, n_experts=self.n_experts, top_k=self.top_k, head_dim=self.head_dim)
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"n_heads must be a multiple of n_kv_heads, got {self.n_heads} and {self.n_kv_heads}")
        if self.norm not in ("rms", "layer"):
            raise ValueError(f"norm must be 'rms' or 'layer', got {self.norm!r}")
        if self.n_experts and not 1 <= self.top_k <= self.n_experts:
            raise ValueError(f"top_k must be between 1 and n_experts = {self.n_experts}, got {self.top_k}")
        if not self.head_dim:
            if self.d_model % self.n_heads:
                raise ValueError(f"d_model must be a multiple of n_heads, got {self.d_model} and {self.n_heads}")
            object.__setattr__(self, "head_dim", self.d_model // self.n_heads)

    @property
    def d_attn(self) -> int:
        """Width of the queries: n_heads * head_dim, the letters H*Q of the PaLM paper."""
        return self.n_heads * self.head_dim


def _gpt2(d_model: int, n_layers: int, n_heads: int) -> DecoderConfig:
    return DecoderConfig(vocab=50257, d_model=d_model, n_layers=n_layers, n_heads=n_heads, n_kv_heads=n_heads,
                         d_ff=4 * d_model, gated_mlp=False, norm="layer", tied=True, max_pos=1024, bias=True)


def _llama(vocab: int, d_model: int, n_layers: int, n_heads: int, n_kv_heads: int, d_ff: int, *,
           tied: bool = False, n_experts: int = 0, top_k: int = 0) -> DecoderConfig:
    return DecoderConfig(vocab=vocab, d_model=d_model, n_layers=n_layers, n_heads=n_heads, n_kv_heads=n_kv_heads,
                         d_ff=d_ff, gated_mlp=True, norm="rms", tied=tied, n_experts=n_experts, top_k=top_k)


# Sources: the config.json published with each checkpoint.
GPT2_SMALL = _gpt2(768, 12, 12)
GPT2_MEDIUM = _gpt2(1024, 24, 16)
GPT2_LARGE = _gpt2(1280, 36, 20)
GPT2_XL = _gpt2(1600, 48, 25)
LLAMA2_7B = _llama(32000, 4096, 32, 32, 32, 11008)
LLAMA2_13B = _llama(32000, 5120, 40, 40, 40, 13824)
LLAMA2_70B = _llama(32000, 8192, 80, 64, 8, 28672)
LLAMA3_8B = _llama(128256, 4096, 32, 32, 8, 14336)
LLAMA3_70B = _llama(128256, 8192, 80, 64, 8, 28672)
LLAMA32_1B = _llama(128256, 2048, 16, 32, 8, 8192, tied=True)
MISTRAL_7B = _llama(32000, 4096, 32, 32, 8, 14336)
MIXTRAL_8X7B = _llama(32000, 4096, 32, 32, 8, 14336, n_experts=8, top_k=2)
MIXTRAL_8X22B = _llama(32768, 6144, 56, 48, 8, 16384, n_experts=8, top_k=2)

DECODERS: dict[str, DecoderConfig] = {
    "GPT-2 small": GPT2_SMALL, "GPT-2 medium": GPT2_MEDIUM, "GPT-2 large": GPT2_LARGE, "GPT-2 XL": GPT2_XL,
    "Llama-2-7B": LLAMA2_7B, "Llama-2-13B": LLAMA2_13B, "Llama-2-70B": LLAMA2_70B,
    "Llama-3-8B": LLAMA3_8B, "Llama-3-70B": LLAMA3_70B, "Llama-3.2-1B": LLAMA32_1B,
    "Mistral-7B": MISTRAL_7B, "Mixtral-8x7B": MIXTRAL_8X7B, "Mixtral-8x22B": MIXTRAL_8X22B,
}
