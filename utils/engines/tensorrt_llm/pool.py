"""How many tokens of KV cache a deployment holds: what weights and activations leave, cut into blocks.

The KV cache keeps the keys and values of every token that a running request has seen. The runtime takes
`fraction` of the memory that is free once the model is loaded, in one piece, and hands it out in blocks.

Source of the rule and of 0.9: NVIDIA/TensorRT-LLM, docs/source/features/kvcache.md (`free_gpu_memory_fraction`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from utils.cost.bandwidth.decode import kv_bytes_per_token
from utils.cost.checks import non_negative, positive
from utils.cost.params.decoder_config import DecoderConfig


@dataclass(frozen=True)
class KvPool:
    """The pool of one rank: every rank holds its share of the heads of the same `tokens`."""

    tokens: int
    blocks: int
    block_bytes: int
    weight_bytes: float
    activation_bytes: float
    free_bytes: float

    @property
    def pool_bytes(self) -> int:
        """Bytes of the whole blocks; less than a block remains unused of what the fraction allows."""
        return self.blocks * self.block_bytes

    def as_dict(self) -> dict[str, float]:
        """The fields and `pool_bytes` as a plain dict."""
        return {**asdict(self), "pool_bytes": self.pool_bytes}


def kv_pool(gpu_bytes: float, weight_bytes: float, activation_bytes: float, token_bytes: int, *,
            fraction: float = 0.9, tp: int = 1, block: int = 32) -> KvPool:
    """Plan the pool of one of `tp` ranks with `gpu_bytes` of memory each.

    `weight_bytes` are those of the whole model, split evenly; `activation_bytes` are per GPU. `token_bytes`:
    keys and values of a token on one rank. Raises ValueError when weights and activations do not fit a GPU,
    or fraction is outside (0, 1].

    >>> kv_pool(80e9, 16.06e9, 2e9, 131_072).tokens  # Llama-3-8B in BF16 on one 80 GB GPU
    425280
    """
    positive(gpu_bytes=gpu_bytes, weight_bytes=weight_bytes, token_bytes=token_bytes, tp=tp, block=block)
    non_negative(activation_bytes=activation_bytes)
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    on_rank = weight_bytes / tp
    free = gpu_bytes - on_rank - activation_bytes
    if free < 0:
        raise ValueError(f"weights do not fit: a GPU must hold {on_rank + activation_bytes:.4g} bytes of weights and "
                         f"activations, got {gpu_bytes:.4g}")
    block_bytes = block * token_bytes
    blocks = math.floor(fraction * free / block_bytes)
    return KvPool(blocks * block, blocks, block_bytes, on_rank, activation_bytes, free)


def kv_pool_of(cfg: DecoderConfig, gpu_bytes: float, weight_bytes: float, activation_bytes: float, *,
               fraction: float = 0.9, tp: int = 1, item_bytes: float = 2, block: int = 32) -> KvPool:
    """`kv_pool` of a decoder whose keys and values take `item_bytes` a value (2 for BF16, 1 for FP8)."""
    token_bytes = kv_bytes_per_token(cfg.n_layers, cfg.n_kv_heads, cfg.head_dim, item_bytes, tp)
    return kv_pool(gpu_bytes, weight_bytes, activation_bytes, token_bytes, fraction=fraction, tp=tp, block=block)


def kv_pool_tokens(gpu_gb: float, params_b: float, bytes_per_param: float, act_gb: float, layers: int, kv_heads: int,
                   head_dim: int, tp: int = 1, fraction: float = 0.9, block: int = 32, kv_itemsize: float = 2) -> int:
    """Tokens of KV cache that one deployment of `tp` GPUs holds, in whole blocks.

    gpu_gb, act_gb: per GPU, in 1e9 bytes. params_b: parameters in billions. Raises ValueError when weights and
    activations exceed a GPU, fraction is outside (0, 1], or neither of kv_heads and tp divides the other.

    >>> kv_pool_tokens(80, 70, 2, 4, 80, 8, 128, tp=4)
    450432
    """
    token_bytes = kv_bytes_per_token(layers, kv_heads, head_dim, kv_itemsize, tp)
    return kv_pool(gpu_gb * 1e9, params_b * 1e9 * bytes_per_param, act_gb * 1e9, token_bytes,
                   fraction=fraction, tp=tp, block=block).tokens
