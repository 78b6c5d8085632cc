"""Figures that the FlashAttention and PagedAttention papers print, and some of the same quantities computed."""

from __future__ import annotations

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
