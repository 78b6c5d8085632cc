"""Fake quantization for training: rounds in the forward pass, lets the gradient through in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


class FakeQuant(torch.autograd.Function):
    """scale * clamp(round(x / scale), qmin, qmax), half to even, with a straight-through gradient.

    The upstream gradient passes where the rounded integer, before it is clamped, lies in [qmin, qmax], and is 0
    elsewhere (Bengio et al. 2013; Jacob et al., CVPR 2018). Used as FakeQuant.apply(x, scale, qmin, qmax).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, scale: float | Tensor, qmin: int, qmax: int) -> Tensor:
        """The quantized values, in x's dtype and shape."""
        q = torch.round(x / scale)
        ctx.save_for_backward((q >= qmin) & (q <= qmax))
        return (q.clamp(qmin, qmax) * scale).to(x.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of x; scale, qmin and qmax get none."""
        (inside,) = ctx.saved_tensors
        return grad * inside, None, None, None


def fake_quant_ste(x: Tensor, scale: float | Tensor, zero_point: int, qmin: int, qmax: int) -> Tensor:
    """scale * (clamp(round(x / scale) + zero_point, qmin, qmax) - zero_point) with a straight-through gradient.

    `scale` is positive and broadcasts against `x`. Equals torch.fake_quantize_per_tensor_affine away from ties (torch
    multiplies by 1 / scale). Raises ValueError unless scale > 0 and qmin < qmax.
    """
    if not bool(torch.all(torch.as_tensor(scale) > 0)):
        raise ValueError(f"scale must be positive, got {float(torch.as_tensor(scale).min())}")
    if qmin >= qmax:
        raise ValueError(f"qmin must be less than qmax, got {qmin} and {qmax}")
    return FakeQuant.apply(x, scale, qmin - zero_point, qmax - zero_point)


def learned_quant(x: Tensor, scale: Tensor, qmin: int, qmax: int) -> Tensor:
    """Fake quantization that has a gradient for `scale` too (Esser et al., Learned Step Size Quantization, 2020).

    Inside the range the step's gradient is the rounding error round(v) - v, at the ends it is qmin or qmax.
    """
    v = (x / scale).clamp(qmin, qmax)
    return (v + (torch.round(v) - v).detach()) * scale


def symmetric_levels(bits: int) -> int:
    """The largest integer of a symmetric grid, 2^(bits - 1) - 1. Raises ValueError for fewer than 2 bits."""
    if bits < 2:
        raise ValueError(f"bits must be at least 2, got {bits}")
    return 2 ** (bits - 1) - 1


def absmax_scale(w: Tensor, qmax: int, group_size: int | None = None) -> Tensor:
    """max|w| / qmax of each row (out, 1), or of each group of a row, repeated to w's shape; 1 where all is zero."""
    if group_size is None:
        top = w.detach().abs().amax(dim=1, keepdim=True)  # (out, 1)
        return torch.where(top > 0, top / qmax, torch.ones_like(top))
    if w.shape[1] % group_size:
        raise ValueError(f"group_size must divide the {w.shape[1]} inputs, got {group_size}")
    grouped: Any = w.detach().abs().reshape(w.shape[0], -1, group_size).amax(dim=2)  # (out, groups)
    scale = torch.where(grouped > 0, grouped / qmax, torch.ones_like(grouped))
    return scale.repeat_interleave(group_size, dim=1)  # (out, in)
