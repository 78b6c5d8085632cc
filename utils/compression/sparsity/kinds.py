"""The other kinds of sparsity: activations that are zero, blocks that are absent, experts that are not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from utils.moe.accounting import moe_layer_cost
from utils.numerics.int8 import quantize

if TYPE_CHECKING:
    from torch import Tensor, nn


def zero_fraction_by_layer(model: nn.Module, X: np.ndarray | Tensor) -> dict[str, float]:
    """Share of exact zeros in the output of each innermost module, in the order in which they run on X (B, ...).

    Forward hooks watch one real pass in evaluation mode; they and the mode are undone. A module that runs twice
    reports its last pass.
    """
    import torch

    found: dict[str, float] = {}
    leaves = {name: m for name, m in model.named_modules() if not list(m.children())}

    def watch(name: str):
        return lambda module, inputs, output: found.__setitem__(name, float((output == 0).double().mean()))

    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves.items()]
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.as_tensor(X))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return found


def skip_zero_linear(W: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, int]:
    """(W @ x, multiply-accumulates) of W (outputs, inputs) when the columns with x = 0 are left out.

    >>> y, macs = skip_zero_linear(np.arange(6).reshape(2, 3), np.array([1, 0, 2]))
    >>> y.tolist(), macs
    ([4, 13], 4)
    """
    W, x = np.asarray(W), np.asarray(x)
    if x.shape != W.shape[1:]:
        raise ValueError(f"x must have {W.shape[1:]} entries, got shape {x.shape}")
    alive = np.flatnonzero(x)
    return W[:, alive] @ x[alive], len(W) * len(alive)


def group_conv_as_dense(weight: np.ndarray, groups: int) -> np.ndarray:
    """The weight (c_out, c_in, ...) of the ordinary convolution that a grouped one (c_out, c_in / groups, ...) is.

    Group g sees its own input channels only, so the channel matrix is block-diagonal and a share of
    1 - 1 / groups of it is zero. Raises ValueError unless groups divides c_out.
    """
    weight = np.asarray(weight)
    c_out, each = weight.shape[:2]
    if groups < 1 or c_out % groups:
        raise ValueError(f"groups must divide the {c_out} output channels, got {groups}")
    dense = np.zeros((c_out, each * groups, *weight.shape[2:]), weight.dtype)
    for g in range(groups):
        rows = slice(g * c_out // groups, (g + 1) * c_out // groups)
        dense[rows, g * each:(g + 1) * each] = weight[rows]
    return dense


def rounded_zero_share(W: np.ndarray, bits: int) -> float:
    """Share of weights that symmetric rounding to `bits` bits turns into zero, one scale a row of W (outputs, inputs).

    The scale is max|row| / (2^(bits-1) - 1). Raises ValueError for fewer than 2 bits.
    """
    if bits < 2:
        raise ValueError(f"bits must be at least 2, got {bits}")
    W, most = np.asarray(W), 2 ** (bits - 1) - 1
    largest = np.abs(W).max(axis=1)
    steps = quantize(W, np.where(largest > 0, largest, 1) / most, 0, -most, most, axis=0)
    return float(np.mean(steps == 0))


def moe_cost(d_model: int, d_ff: int, experts: int, top_k: int, bytes_per_param: float) -> tuple[float, int]:
    """(bytes in memory, FLOPs a token) of a layer of gated experts with its router.

    All experts are in memory, top_k of them run. Raises ValueError when top_k is above experts.

    >>> moe_cost(4096, 14336, 8, 2, 2)
    (2818637824, 704708608)
    """
    cost = moe_layer_cost(d_model, d_ff, experts, top_k, bytes_per_param)
    return cost.resident_bytes, cost.flops_per_token
