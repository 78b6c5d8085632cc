"""How big a deployment is: memory of a rank, KV tokens, requests at once, and a replayed schedule."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from utils.attention.paging_sim import lognormal_lengths
from utils.cost.bandwidth.decode import kv_bytes_per_token
from utils.cost.params.decoder import decoder_params
from utils.cost.params.decoder_config import DECODERS, DecoderConfig
from utils.engines.tensorrt_llm.capacity import Policy, SchedulerResult, blocks_for, simulate_capacity_scheduler
from utils.engines.tensorrt_llm.pool import kv_pool

ACTIVATION_GB = 4.0  # activations, buffers and the runtime on each GPU: assumed, the real size depends on the settings
KV_BYTES = {"BF16": 2, "FP8": 1}
BLOCK, REQUESTS, MOST_BLOCKS = 32, 240, 2048
MEAN_ANSWER, LONGEST_ANSWER = 120, 512


def chat_workload(n: int, mean_prompt: float, max_new: int, seed: int = 0) -> tuple[list[int], list[int], list[int]]:
    """(prompts, max_new, actual_new) of n chats with lognormal lengths; answers have about 120 tokens, 512 at most.

    The lengths do not depend on `max_new`, the limit that every client sends. Raises ValueError below 512.
    """
    if max_new < LONGEST_ANSWER:
        raise ValueError(f"max_new must be at least the longest answer, {LONGEST_ANSWER}, got {max_new}")
    rng = np.random.default_rng(seed)
    prompts = lognormal_lengths(mean_prompt, n, int(4 * mean_prompt), rng, sigma=0.7)
    answers = lognormal_lengths(MEAN_ANSWER, n, LONGEST_ANSWER, rng, sigma=0.8)
    return prompts.tolist(), [max_new] * n, answers.tolist()


def deployment_memory(cfg: DecoderConfig, gpu_gb: float, tp: int, kv_dtype: str = "BF16",
                      fraction: float = 0.9) -> dict[str, Any]:
    """Memory of one of `tp` ranks with BF16 weights, in GB (1e9), and the tokens of the whole deployment.

    Keys fits, weights_gb, activations_gb, pool_gb, unused_gb, kv_bytes_per_token, tokens, blocks. Where the weights
    do not fit, fits is False and pool and tokens are 0. Raises KeyError for an unknown kv_dtype.
    """
    weights, item = 2.0 * decoder_params(cfg).total, KV_BYTES[kv_dtype]
    token_bytes = kv_bytes_per_token(cfg.n_layers, cfg.n_kv_heads, cfg.head_dim, item, tp)
    found = {"fits": False, "weights_gb": weights / tp / 1e9, "activations_gb": ACTIVATION_GB, "pool_gb": 0.0,
             "unused_gb": 0.0, "kv_bytes_per_token": token_bytes, "tokens": 0, "blocks": 0}
    if found["weights_gb"] + ACTIVATION_GB > gpu_gb:
        return found
    pool = kv_pool(gpu_gb * 1e9, weights, ACTIVATION_GB * 1e9, token_bytes, fraction=fraction, tp=tp, block=BLOCK)
    unused = pool.free_bytes - pool.pool_bytes
    return {**found, "fits": True, "pool_gb": pool.pool_bytes / 1e9, "unused_gb": unused / 1e9, "tokens": pool.tokens,
            "blocks": pool.blocks}


@lru_cache(maxsize=64)
def replay(blocks: int, mean_prompt: int, max_new: int, policy: Policy, seed: int = 0) -> SchedulerResult | None:
    """Schedule 240 chats on a pool of `blocks`; None when one of them would never fit."""
    workload = chat_workload(REQUESTS, mean_prompt, max_new, seed)
    if max(workload[0]) + max_new > blocks * BLOCK:
        return None
    return simulate_capacity_scheduler(*workload, blocks, BLOCK, policy)


def deployment_summary(model: str, gpu_gb: float, tp: int, kv_dtype: str = "BF16", fraction: float = 0.9,
                       mean_prompt: int = 512, max_new: int = 2048,
                       policy: Policy = "GUARANTEED_NO_EVICT") -> dict[str, Any]:
    """`deployment_memory` of a published model, requests at once by reservation and by mean length, a schedule.

    reserved_at_once: requests of mean prompt + max_new tokens that fit, in whole blocks; filled_at_once: of mean
    prompt + mean answer.
    `schedule` is a SchedulerResult, or None where nothing fits. It is replayed on `scale` of the pool, 2,048 blocks
    at most, which keeps it quick. Raises KeyError for an unknown model or kv_dtype.
    """
    memory = deployment_memory(DECODERS[model], gpu_gb, tp, kv_dtype, fraction)
    blocks = min(memory["blocks"], MOST_BLOCKS)
    return {**memory, "reserved_at_once": memory["blocks"] // blocks_for(mean_prompt + max_new, BLOCK),
            "filled_at_once": memory["blocks"] // blocks_for(mean_prompt + MEAN_ANSWER, BLOCK),
            "scale": blocks / memory["blocks"] if blocks else 0.0,
            "schedule": replay(blocks, mean_prompt, max_new, policy) if blocks else None}
