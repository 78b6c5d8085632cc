"""Training for low precision: quantization-aware training, and training that computes in FP8 itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from utils.compression.quant_methods.equalize import weighted_layers
from utils.compression.quant_methods.ste import FakeQuant, absmax_scale, learned_quant, symmetric_levels
from utils.networks.digits import Array, DigitsMLP, load_digits_split, seeded, train_classifier

FP8_MAX = {torch.float8_e4m3fn: 448.0, torch.float8_e5m2: 57344.0}


class RoundedWeight(nn.Module):
    """A parametrization: the layer sees its weight on a symmetric grid, the optimizer the float behind it."""

    def __init__(self, weight: Tensor, bits: int, group_size: int | None, learn_scale: bool) -> None:
        super().__init__()
        self.qmax, self.group_size = symmetric_levels(bits), group_size
        start = absmax_scale(weight.flatten(1), self.qmax, group_size)
        self.log_scale = nn.Parameter(start.log()) if learn_scale else None  # the logarithm keeps it positive

    def forward(self, weight: Tensor) -> Tensor:
        flat = weight.flatten(1)  # (out, in)
        if self.log_scale is not None:
            return learned_quant(flat, self.log_scale.exp(), -self.qmax, self.qmax).reshape(weight.shape)
        scale = absmax_scale(flat, self.qmax, self.group_size)
        return FakeQuant.apply(flat, scale, -self.qmax, self.qmax).reshape(weight.shape)


def qat(model: nn.Module, bits: int, X: Array, y: Array, epochs: int, learn_scale: bool = False, *,
        group_size: int | None = None, lr: float = 2e-3, seed: int = 0) -> nn.Module:
    """A trained-on copy of a digits network whose weights lie on the `bits`-bit grid; the activations stay in float.

    Each forward pass rounds the weights, one scale a row or a group of a row, from the row's current maximum or
    learnt (`learn_scale`). The gradient goes straight through to the float weights. At the end those are dropped.
    Raises ValueError for fewer than 2 bits or a group_size that does not divide a layer's inputs.
    """
    trained = copy.deepcopy(model)
    for layer in weighted_layers(trained):
        rounded = RoundedWeight(layer.weight.data, bits, group_size, learn_scale)
        parametrize.register_parametrization(layer, "weight", rounded)
    train_classifier(trained, X, y, epochs=epochs, lr=lr, seed=seed)
    for layer in weighted_layers(trained):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return trained.eval()


# --- FP8 training -----------------------------------------------------------------------------


def to_fp8(x: Tensor, dtype: torch.dtype = torch.float8_e4m3fn) -> Tensor:
    """x rounded to FP8 with one scale for the whole tensor, as float32; an all-zero tensor stays as it is."""
    top = x.abs().max()
    scale = torch.where(top > 0, top / FP8_MAX[dtype], torch.ones_like(top))
    return (x / scale).to(dtype).to(x.dtype) * scale


class Fp8Matmul(torch.autograd.Function):
    """x @ w.T with FP8 operands in all three products of training, accumulated in float32.

    Forward in E4M3 (4 exponent, 3 mantissa bits), gradients in E5M2: NVIDIA Transformer Engine's hybrid recipe with
    current scaling, one scale a tensor.
    """

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor) -> Tensor:
        """(B, out) from x (B, in) and w (out, in)."""
        x8, w8 = to_fp8(x), to_fp8(w)
        ctx.save_for_backward(x8, w8)
        return x8 @ w8.T

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of x and w from the rounded upstream gradient and the rounded operands."""
        x8, w8 = ctx.saved_tensors
        grad8 = to_fp8(grad, torch.float8_e5m2)
        return grad8 @ w8, grad8.T @ x8


class Fp8Linear(nn.Linear):
    """A linear layer that multiplies in FP8. Its weight, the optimizer's master copy, stays in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return Fp8Matmul.apply(x, self.weight) + self.bias


def as_fp8(model: DigitsMLP) -> DigitsMLP:
    """A copy of the network that multiplies in FP8: weights and activations in E4M3, simulated in float32."""
    cast = copy.deepcopy(model)
    for layer in cast.linears:
        layer.__class__ = Fp8Linear  # the same parameters, another forward pass
    return cast


def train_fp8(X: Array, y: Array, epochs: int, seed: int = 0, *,
              build: Callable[[], DigitsMLP] = DigitsMLP) -> DigitsMLP:
    """Train a digits network from its first step on in FP8; the optimizer and its master weights are float32.

    Initial weights and batches are those of `train_classifier` with this seed, so only the precision differs.
    """
    return train_classifier(as_fp8(seeded(build, seed)), X, y, epochs=epochs, seed=seed).eval()


def trained_in_fp8(seed: int = 0, epochs: int = 30) -> DigitsMLP:
    """A fresh copy of the default digits MLP, trained in FP8 on the default split; trained once a process."""
    return copy.deepcopy(_trained_in_fp8(seed, epochs))


@cache
def _trained_in_fp8(seed: int, epochs: int) -> DigitsMLP:
    X, _, y, _ = load_digits_split()
    return train_fp8(X, y, epochs, seed)
