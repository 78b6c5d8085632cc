"""Pure function of the figure that turns bandwidth into tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.cost.bandwidth.decode import DecodeStep, critical_batch, decode_step
from utils.hardware.gpu_arch import GPUS

DEVICES = ("L4", "RTX 4090", "A100 80GB", "H100 SXM", "H200", "B200")


def _workload(params_b: float, bits: float, context: int, kv_bytes_per_token: int) -> tuple[float, float, float]:
    """Weight bytes, cache bytes of a sequence, FLOPs of a token; attention's arithmetic left out."""
    return params_b * 1e9 * bits / 8, kv_bytes_per_token * context, 2 * params_b * 1e9


def decode_curves(params_b: float, bits: float, context: int, batches: Sequence[int], *,
                  kv_bytes_per_token: int = 131_072) -> dict[str, np.ndarray]:
    """Upper bound of tokens/s over `batches` for six GPUs, from BF16 peak and memory bandwidth.

    `params_b` are billions of matmul weights of `bits` each. The cache per token is Llama-3-8B's unless given.
    Whether weights and cache fit is a question of capacity that these curves leave open.
    """
    weights, kv, flops = _workload(params_b, bits, context, kv_bytes_per_token)

    def step(device: str, batch: int) -> DecodeStep:
        gpu = GPUS[device]
        return decode_step(weights, kv, batch, flops, gpu.mem_gb_s, gpu.peak_tflop_s["bf16"])

    return {device: np.array([step(device, int(b)).tokens_per_s for b in batches]) for device in DEVICES}


def critical_batches(params_b: float, bits: float, context: int, *,
                     kv_bytes_per_token: int = 131_072) -> dict[str, int | None]:
    """The batch at which each GPU's bound turns from memory to compute; None when the cache outgrows it first."""
    weights, kv, flops = _workload(params_b, bits, context, kv_bytes_per_token)
    return {device: critical_batch(weights, kv, flops, GPUS[device].mem_gb_s, GPUS[device].peak_tflop_s["bf16"])
            for device in DEVICES}
