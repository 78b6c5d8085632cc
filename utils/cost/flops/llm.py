"""FLOPs of decoder language models: one token, a prompt, a training run, and the utilization they imply."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

from utils.cost.checks import non_negative, positive
from utils.cost.params import DecoderConfig, matmul_params


@dataclass(frozen=True)
class FlopBreakdown:
    """FLOPs (2 per multiply–accumulate) of the blocks' matrices, of attention, and of the output head."""

    linear: int
    attention: int
    head: int

    @property
    def total(self) -> int:
        """The three parts together."""
        return self.linear + self.attention + self.head

    def as_dict(self) -> dict[str, int]:
        """The parts and the total as a plain dict."""
        return {**asdict(self), "total": self.total}


def decoder_flops_per_token(cfg: DecoderConfig, context: int) -> FlopBreakdown:
    """Forward FLOPs of one new token that attends to `context` positions, itself included.

    Two FLOPs a weight, and 4 * layers * context * d_attn for Q K^T and P V; grouped K/V heads are shared
    by the queries and save no attention arithmetic. Lookups, norms, softmax and biases count 0.
    """
    positive(context=context)
    head = 2 * cfg.vocab * cfg.d_model
    attention = 4 * cfg.n_layers * context * cfg.d_attn
    return FlopBreakdown(2 * matmul_params(cfg) - head, attention, head)


def prefill_flops(cfg: DecoderConfig, n: int, logits: Literal["all", "last"] = "all") -> FlopBreakdown:
    """Forward FLOPs of a causal prompt of `n` tokens: position t attends to t positions.

    Servers need the `"last"` position's logits only; training and scoring need `"all"`.
    """
    positive(n=n)
    if logits not in ("all", "last"):
        raise ValueError(f"logits must be 'all' or 'last', got {logits!r}")
    one = decoder_flops_per_token(cfg, 1)
    return FlopBreakdown(n * one.linear, n * (n + 1) // 2 * one.attention, (n if logits == "all" else 1) * one.head)


def training_flops(n_params: float, n_tokens: float) -> float:
    """6 N D: two FLOPs a weight forward, four backward (Kaplan et al., 2020); attention left out."""
    positive(n_params=n_params, n_tokens=n_tokens)
    return 6 * n_params * n_tokens


def mfu(tokens_per_s: float, n_params: float, n_layers: int, n_heads: int, head_dim: int, seq_len: int,
        n_chips: int, peak_flop_s: float) -> float:
    """Training utilization as a fraction: tokens/s * (6 N + 12 L H Q T) over chips * peak.

    Source: Chowdhery et al., PaLM, 2022, appendix B. `peak_flop_s` is one chip's dense peak.
    """
    non_negative(tokens_per_s=tokens_per_s)
    positive(n_params=n_params, n_chips=n_chips, peak_flop_s=peak_flop_s)
    flops_per_token = 6 * n_params + 12 * n_layers * n_heads * head_dim * seq_len
    return tokens_per_s * flops_per_token / (n_chips * peak_flop_s)


def decode_mfu(params: float, tokens_per_s: float, peak_flop_s: float) -> float:
    """Inference utilization as a fraction: 2 FLOPs a weight and token over peak; attention left out."""
    non_negative(tokens_per_s=tokens_per_s)
    positive(params=params, peak_flop_s=peak_flop_s)
    return 2 * params * tokens_per_s / peak_flop_s


def decoder_step_flops(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int,
                       context: int) -> dict[str, int]:
    """FLOPs of one new token of a Llama-style decoder; the head counts as linear.

    >>> decoder_step_flops(128256, 4096, 32, 32, 8, 14336, 8192)
    {'linear': 15009316864, 'attention': 4294967296, 'total': 19304284160}
    """
    cfg = DecoderConfig(vocab=vocab, d_model=d, n_layers=layers, n_heads=heads, n_kv_heads=kv_heads, d_ff=d_ff,
                        gated_mlp=True, norm="rms", tied=False)
    flops = decoder_flops_per_token(cfg, context)
    return {"linear": flops.linear + flops.head, "attention": flops.attention, "total": flops.total}


def mfu_from_log(step_seconds: list[float], tokens_per_step: int, n_params: float, n_layers: int, d_attn: int,
                 seq_len: int, n_chips: int, peak_flops: float, warmup: int = 3) -> float:
    """Training utilization from a log of step times: the median step after the first `warmup`.

    Model FLOPs are 6 N + 12 L d_attn T a token whatever is recomputed. Raises ValueError when no step is
    left, or when the result is above 1.
    """
    non_negative(warmup=warmup)
    kept = list(step_seconds)[warmup:]
    if not kept:
        raise ValueError(f"step_seconds must be longer than warmup = {warmup}, got {len(step_seconds)} steps")
    step_s = median(kept)
    positive(step_seconds=step_s, tokens_per_step=tokens_per_step)
    share = mfu(tokens_per_step / step_s, n_params, n_layers, 1, d_attn, seq_len, n_chips, peak_flops)
    if share > 1:
        raise ValueError(f"MFU must be at most 1, got {share:.3f}, above peak: wrong peak (sparse?) or MAC/FLOP mix-up")
    return share
