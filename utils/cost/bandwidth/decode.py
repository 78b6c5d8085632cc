"""The speed limit of LLM decoding: every step reads the weights once and each sequence's KV cache once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Literal

from utils.cost.checks import non_negative, positive


def kv_bytes_per_token(layers: int, kv_heads: int, head_dim: int, item_bytes: float = 2, tp: int = 1) -> int:
    """Bytes of keys and values that one token adds to one rank's cache: 2 * layers * heads * head_dim * bytes.

    With tensor parallelism each of `tp` ranks holds kv_heads / tp heads, or a replica of one head when there
    are more ranks than heads. `item_bytes` may be fractional (packed 4-bit caches). Raises ValueError when a
    size is not positive or neither of tp and kv_heads divides the other.

    >>> kv_bytes_per_token(32, 8, 128)  # Llama-3-8B
    131072
    """
    positive(layers=layers, kv_heads=kv_heads, head_dim=head_dim, item_bytes=item_bytes, tp=tp)
    if kv_heads % tp and tp % kv_heads:
        raise ValueError(f"tp must divide kv_heads or be a multiple of it, got tp = {tp}, kv_heads = {kv_heads}")
    return math.ceil(2 * layers * max(1, kv_heads // tp) * head_dim * Fraction(item_bytes))


@dataclass(frozen=True)
class DecodeStep:
    """Lower bounds of one decode step and the upper bound on tokens/s of the whole batch."""

    memory_ms: float
    compute_ms: float
    step_ms: float
    tokens_per_s: float
    bound: Literal["memory", "compute"]

    def as_dict(self) -> dict[str, float | str]:
        """The fields as a plain dict."""
        return asdict(self)


def decode_step(weight_bytes: float, kv_bytes_per_seq: float, batch: int, flops_per_token: float,
                mem_gb_s: float, peak_tflop_s: float) -> DecodeStep:
    """Bound one decode step of `batch` sequences by the slower of memory and arithmetic.

    `weight_bytes` are the weights read per step (matmul weights: output head included, embedding excluded),
    `kv_bytes_per_seq` the cache of one sequence. Transfers and arithmetic overlap perfectly.
    """
    positive(weight_bytes=weight_bytes, batch=batch, mem_gb_s=mem_gb_s, peak_tflop_s=peak_tflop_s)
    non_negative(kv_bytes_per_seq=kv_bytes_per_seq, flops_per_token=flops_per_token)
    memory_ms = (weight_bytes + batch * kv_bytes_per_seq) / (mem_gb_s * 1e6)
    compute_ms = batch * flops_per_token / (peak_tflop_s * 1e9)
    step_ms = max(memory_ms, compute_ms)
    bound = "memory" if memory_ms >= compute_ms else "compute"
    return DecodeStep(memory_ms, compute_ms, step_ms, batch / step_ms * 1e3, bound)


def critical_batch(weight_bytes: float, kv_bytes_per_seq: float, flops_per_token: float, mem_gb_s: float,
                   peak_tflop_s: float) -> int | None:
    """Smallest batch whose arithmetic takes at least as long as its memory traffic; None when there is none.

    A sequence adds flops_per_token / peak of arithmetic and kv_bytes_per_seq / bandwidth of traffic; when the
    cache takes longer, no batch catches up with the weights.

    >>> critical_batch(2 * 7_504_658_432, 0, 2 * 7_504_658_432, 3350, 989)  # BF16 on H100: above the ridge, 295.2
    296
    """
    positive(weight_bytes=weight_bytes, mem_gb_s=mem_gb_s, peak_tflop_s=peak_tflop_s)
    non_negative(kv_bytes_per_seq=kv_bytes_per_seq, flops_per_token=flops_per_token)
    gb_s, gflop_s = Fraction(mem_gb_s), 1000 * Fraction(peak_tflop_s)  # exact, so that a tie stays a tie
    gain = Fraction(flops_per_token) / gflop_s - Fraction(kv_bytes_per_seq) / gb_s
    return math.ceil(Fraction(weight_bytes) / gb_s / gain) if gain > 0 else None


def decode_plan(n_matmul_params: int, bits_per_weight: float, kv_bytes_per_token: float, context: int, batch: int,
                bw_gb_s: float, peak_tflop_s: float) -> dict[str, float | str]:
    """Bound the tokens/s of decoding: keys memory_ms, compute_ms, tokens_per_s, bound.

    Two FLOPs a weight and token; the arithmetic of attention is left out.

    >>> plan = decode_plan(7_504_658_432, 16, 131_072, 0, 1, 3350, 989)
    >>> round(plan["memory_ms"], 3), round(plan["tokens_per_s"], 1), plan["bound"]
    (4.48, 223.2, 'memory')
    """
    positive(n_matmul_params=n_matmul_params, bits_per_weight=bits_per_weight)
    non_negative(context=context)
    step = decode_step(n_matmul_params * bits_per_weight / 8, kv_bytes_per_token * context, batch,
                       2 * n_matmul_params, bw_gb_s, peak_tflop_s).as_dict()
    return {key: step[key] for key in ("memory_ms", "compute_ms", "tokens_per_s", "bound")}
