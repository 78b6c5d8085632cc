"""Figures that the FlashAttention and PagedAttention papers print, and some of the same quantities computed."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from utils.attention.hbm import attention_hbm_elements
from utils.cost.checks import positive

# Dao et al. 2022, Fig. 2 left: GPT-2 medium on an A100 40GB, forward and backward, FP16.
FIGURE_2 = MappingProxyType({
    "n": 1024, "d": 64, "heads": 16, "batch": 64,
    "standard": MappingProxyType({"gflop": 66.6, "hbm_gb": 40.3, "ms": 41.7}),
    "flash": MappingProxyType({"gflop": 75.2, "hbm_gb": 4.4, "ms": 7.3}),
})

# Kwon et al. 2023, Fig. 2: share of the cache's memory that held token states on the ShareGPT trace. Unlike
# `SimResult.utilization`, gaps between reservations count as waste here (41.6 % of all memory for "pow2").
TOKEN_STATES = MappingProxyType({"max": 0.204, "pow2": 0.268, "oracle": 0.382, "paged": 0.963})


@dataclass(frozen=True)
class FlashVersion:
    """One version of FlashAttention: the GPU it was made for, what is new, and the best speed that its paper reports.

    Where the paper gives one speed, it is `tflop_s`, and `gpu` and `dtype` say to which dense peak it belongs.
    """

    version: int
    year: int
    gpu: str
    new: str
    best: str
    source: str
    tflop_s: int | None = None
    dtype: str = "fp16"


VERSIONS_AS_OF = "November 2026"
VERSIONS = (
    FlashVersion(1, 2022, "A100 40GB", "tiles, online softmax, recomputation", "25–40 % of the peak",
                 "arXiv:2307.08691 about version 1"),
    FlashVersion(2, 2023, "A100 80GB", "queries outside, work split over the sequence, less besides products",
                 "50–73 % of the peak", "arXiv:2307.08691"),
    FlashVersion(3, 2024, "H100 SXM", "asynchronous copies and products, softmax between them, FP8",
                 "740 TFLOP/s in FP16", "arXiv:2407.08608", 740),
    FlashVersion(4, 2026, "B200", "exp partly by polynomials, most rescalings left out, less shared-memory traffic",
                 "1,613 TFLOP/s in BF16", "arXiv:2603.05451, 5 March 2026", 1613, "bf16"),
)


# What the paper of 2023 describes, and what vLLM's documentation says today: topic, paper, today, where.
PAGING_AS_OF = "November 2026"
PAGING_THEN_AND_NOW = (
    ("block size", "16 tokens", "16 tokens by default", "vllm.config.cache, DEFAULT_BLOCK_SIZE"),
    ("sharing", "forks name the same blocks", "full blocks with equal hashes, for all requests (default, SHA-256)",
     "vllm.config.cache; design/prefix_caching"),
    ("writing to a shared block", "copy-on-write", "does not happen: tables are append-only",
     "vllm.v1.core.block_pool"),
    ("two requests write equal blocks", "not described", "both are kept until one request ends",
     "design/prefix_caching"),
    ("the pool is empty", "recompute, or swap to CPU memory", "recompute", "configuration/optimization"),
)


def figure_2_computed(block_q: int = 128, block_k: int = 128) -> dict[str, float]:
    """What the caption's shapes give: keys standard_hbm_gb, flash_hbm_gb, standard_gflop, flash_gflop.

    Traffic without the passes of mask and dropout, so the standard figure is below the printed one; FLOPs are
    six matmuls (two forward, four backward), seven with recomputation. The printed 66.6 GFLOP does not follow
    from the caption: use the figure as an order of magnitude.
    """
    n, d = FIGURE_2["n"], FIGURE_2["d"]
    heads = FIGURE_2["heads"] * FIGURE_2["batch"]

    def gigabytes(*algorithms: str) -> float:
        return sum(attention_hbm_elements(n, d, block_q, block_k, a) for a in algorithms) * heads * 2 / 1e9

    matmul_gflop = 2 * n * n * d * heads / 1e9
    return {
        "standard_hbm_gb": gigabytes("standard", "standard_bwd"),
        "flash_hbm_gb": gigabytes("flash2", "flash2_bwd"),
        "standard_gflop": 6 * matmul_gflop,
        "flash_gflop": 7 * matmul_gflop,
    }


def on_chip_mib(sms: int = 108, l1_kib: int = 192, shared_kib: int = 164, register_kib: int = 256,
                l2_mib: float = 40) -> dict[str, float]:
    """On-chip memory of a GPU in MiB: keys l1_and_shared, shared_usable, registers, l2.

    The defaults are the A100 40GB's (NVIDIA A100 whitepaper; CUDA programming guide, compute capability 8.0).

    >>> on_chip_mib()["l1_and_shared"], on_chip_mib()["registers"]
    (20.25, 27.0)
    """
    positive(sms=sms, l1_kib=l1_kib, shared_kib=shared_kib, register_kib=register_kib, l2_mib=l2_mib)
    return {"l1_and_shared": sms * l1_kib / 1024, "shared_usable": sms * shared_kib / 1024,
            "registers": sms * register_kib / 1024, "l2": float(l2_mib)}
