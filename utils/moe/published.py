"""Open mixture-of-experts models of the last years, as their makers or NVIDIA's documentation describe them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedMoe:
    """One model: parameters in billions, stored and active for a token; routed experts of a layer, and k of them."""

    name: str
    year: int
    total_billion: float
    active_billion: float
    experts: int
    k: int
    source: str


AS_OF = "November 2026"
PUBLISHED_MOES = (
    PublishedMoe("Mixtral-8x7B", 2023, 46.7, 12.9, 8, 2, "arXiv:2401.04088"),
    PublishedMoe("DeepSeek-V3", 2024, 671, 37, 256, 8, "arXiv:2412.19437"),
    PublishedMoe("Qwen3-235B-A22B", 2025, 235, 22, 128, 8, "Megatron Bridge docs (Qwen3-MoE); model's config"),
    PublishedMoe("gpt-oss-120b", 2025, 117, 5.1, 128, 4, "NVIDIA NeMo and Megatron Bridge docs (GPT-OSS)"),
    PublishedMoe("Kimi K2", 2025, 1000, 32, 384, 8, "Megatron Bridge docs (Kimi K2)"),
    PublishedMoe("DeepSeek-V4-Pro", 2026, 1600, 49, 384, 6, "vLLM recipes; NVIDIA NeMo AutoModel docs"),
    PublishedMoe("Kimi K3", 2026, 2800, 104, 896, 16, "NVIDIA NeMo AutoModel docs; FlashInfer docs"),
)
