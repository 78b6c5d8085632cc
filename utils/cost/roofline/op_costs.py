"""Operators from their shapes: FLOPs, and bytes when each input, weight and output crosses memory once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from utils.cost.checks import positive
from utils.cost.flops.layer_ops import conv2d_ops, conv_out_size
from utils.cost.params.decoder_config import DecoderConfig
from utils.cost.roofline import OpCost, intensity

ELEMENTWISE = "elementwise"


def conv_op(h: int, w: int, c_in: int, c_out: int, k: int, stride: int = 1, groups: int = 1, item_bytes: float = 4,
            batch: int = 1, name: str = "conv") -> OpCost:
    """A k x k convolution on an h x w input with padding k // 2, without bias.

    Raises ValueError when groups does not divide both channel counts.
    """
    macs = conv2d_ops(h, w, c_in, c_out, k, stride, k // 2, groups=groups, batch=batch).macs
    h_out, w_out = (conv_out_size(n, k, stride, k // 2) for n in (h, w))
    read = batch * h * w * c_in + k * k * (c_in // groups) * c_out
    kind = "depthwise" if groups == c_in > 1 else "conv"
    return OpCost(name, kind, 2 * macs, read * item_bytes, batch * h_out * w_out * c_out * item_bytes)


def linear_op(batch: int, n_in: int, n_out: int, item_bytes: float = 4, name: str = "linear") -> OpCost:
    """`batch` vectors (n_in) times a matrix (n_in, n_out), without bias.

    >>> round(intensity(linear_op(1, 4096, 4096)), 5)
    0.49976
    """
    positive(batch=batch, n_in=n_in, n_out=n_out, item_bytes=item_bytes)
    read = (batch * n_in + n_in * n_out) * item_bytes
    return OpCost(name, "linear", 2 * batch * n_in * n_out, read, batch * n_out * item_bytes)


def elementwise_op(n: int, inputs: int, item_bytes: float = 4, name: str = ELEMENTWISE) -> OpCost:
    """One value out of `inputs` tensors of `n` values each, one FLOP a value."""
    positive(n=n, inputs=inputs, item_bytes=item_bytes)
    return OpCost(name, ELEMENTWISE, n, inputs * n * item_bytes, n * item_bytes)


def attention_decode_op(batch: int, heads: int, kv_heads: int, head_dim: int, context: int, item_bytes: float = 2,
                        name: str = "attention") -> OpCost:
    """One new token per sequence against a cache of `context` tokens: the whole KV cache is read once."""
    positive(batch=batch, heads=heads, kv_heads=kv_heads, head_dim=head_dim, context=context, item_bytes=item_bytes)
    query = batch * heads * head_dim
    cache = 2 * batch * kv_heads * context * head_dim
    return OpCost(name, "attention", 4 * query * context, (query + cache) * item_bytes, query * item_bytes)


def decoder_step_ops(cfg: DecoderConfig, batch: int, context: int, item_bytes: float = 2) -> list[OpCost]:
    """The operators of one decode step of a dense Llama-style decoder, each run as a kernel of its own."""
    d, width, kv = cfg.d_model, cfg.n_heads * cfg.head_dim, cfg.n_kv_heads * cfg.head_dim

    def linear(name: str, n_in: int, n_out: int) -> OpCost:
        return linear_op(batch, n_in, n_out, item_bytes, name)

    def pointwise(name: str, n: int, inputs: int) -> OpCost:
        return elementwise_op(batch * n, inputs, item_bytes, name)

    norm = replace(pointwise("norm", d, 1), kind="norm")
    layer = [
        norm, linear("qkv", d, width + 2 * kv), pointwise("rope", width + kv, 1),
        attention_decode_op(batch, cfg.n_heads, cfg.n_kv_heads, cfg.head_dim, context, item_bytes),
        linear("out", width, d), pointwise("add", d, 2), norm, linear("gate", d, cfg.d_ff), linear("up", d, cfg.d_ff),
        pointwise("silu x", cfg.d_ff, 2), linear("down", cfg.d_ff, d), pointwise("add", d, 2),
    ]
    ops = [replace(op, name=f"{index}.{op.name}") for index in range(cfg.n_layers) for op in layer]
    return [*ops, norm, linear("head", d, cfg.vocab)]


def fuse_elementwise(ops: Sequence[OpCost]) -> list[OpCost]:
    """Merge every elementwise operator into the one before it, whose output it reads.

    The tensor between the two is neither written nor read, and one launch goes. The list must be in order of
    execution; an operator that reads less than its predecessor writes is left alone.
    """
    fused: list[OpCost] = []
    for op in ops:
        if fused and op.kind == ELEMENTWISE and op.bytes_read >= fused[-1].bytes_written:
            last = fused[-1]
            fused[-1] = OpCost(f"{last.name} + {op.name}", last.kind, last.flops + op.flops,
                               last.bytes_read + op.bytes_read - last.bytes_written, op.bytes_written)
        else:
            fused.append(op)
    return fused


def chain_traffic_bytes(n_elems: int, operands: Sequence[int], item_bytes: int, fused: bool) -> int:
    """Bytes that a chain of elementwise operators moves; `operands[i]` counts its inputs, the running value included.

    Unfused each operator reads its operands and writes its result. Fused, the running value is read once at the
    start and written once at the end; the other operands are still read.
    Raises ValueError for an empty chain or an operator without operands.
    """
    positive(n_elems=n_elems, item_bytes=item_bytes, operators=len(operands), operands=min(operands, default=1))
    passes = 2 + sum(k - 1 for k in operands) if fused else sum(k + 1 for k in operands)
    return passes * n_elems * item_bytes


def fused_traffic(n_elems: int, item_bytes: int, ops: list[int]) -> tuple[int, int]:
    """Bytes that a chain of elementwise operators moves: (one kernel each, one kernel for all).

    >>> fused_traffic(802816, 4, [1, 2])  # ReLU, then a residual addition
    (16056320, 9633792)
    """
    unfused, fused = (chain_traffic_bytes(n_elems, ops, item_bytes, way) for way in (False, True))
    return unfused, fused


def conv_intensity(h: int, w: int, c_in: int, c_out: int, k: int, groups: int = 1, item_bytes: float = 4,
                   batch: int = 1) -> float:
    """FLOP per byte of a convolution whose output is as large as its input (k odd, stride 1).

    >>> round(conv_intensity(28, 28, 256, 256, 3), 3)
    233.256
    """
    return intensity(conv_op(h, w, c_in, c_out, k, 1, groups, item_bytes, batch))


def critical_batch_linear(n_in: int, n_out: int, item_bytes: float, ridge: float) -> int | None:
    """Smallest batch whose linear layer reaches `ridge` FLOP per byte; None when no batch does.

    >>> critical_batch_linear(4096, 4096, 2, 295.2), critical_batch_linear(590, 590, 2, 295.2)
    (345, None)
    """
    positive(n_in=n_in, n_out=n_out, item_bytes=item_bytes, ridge=ridge)
    scale = Fraction(ridge) * Fraction(item_bytes)  # exact, so that a tie stays a tie
    gain = 2 * n_in * n_out - scale * (n_in + n_out)  # what one more vector adds, in FLOPs above the ridge
    return math.ceil(scale * n_in * n_out / gain) if gain > 0 else None
