"""Mixed precision: how much each layer suffers from few bits, and which layer gets how many."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from utils.compression.quant_methods.equalize import weighted_layers
from utils.compression.quant_methods.weights import quantize_weights_rtn
from utils.networks.digits import Array, predict


def with_rounded_weights(model: nn.Module, rounding: Mapping[int, Callable]) -> nn.Module:
    """A copy whose layer i has weights `rounding[i](W)`, with W (out, in) as a float64 array; others stay."""
    rounded = copy.deepcopy(model)
    with torch.no_grad():
        for i, layer in enumerate(weighted_layers(rounded)):
            if i in rounding:
                W = layer.weight.flatten(1).double().numpy()
                layer.weight.copy_(torch.as_tensor(rounding[i](W)).reshape(layer.weight.shape))
    return rounded


def loss_of(model: nn.Module, X: Array, y: Array) -> float:
    """Mean cross-entropy in nats."""
    return float(F.cross_entropy(predict(model, X), torch.as_tensor(y)))


def layer_sensitivity(model: nn.Module, X: Array, y: Array, options: Sequence[int] = (2, 4, 8), *,
                      group_size: int | None = 32) -> dict[str, dict[int, float]]:
    """By how much the loss on (X, y) rises when one layer alone has its weights rounded: layer -> bits -> nats."""
    base = loss_of(model, X, y)
    found = {}
    for i in range(len(weighted_layers(model))):
        found[f"layer {i + 1}"] = {
            bits: loss_of(with_rounded_weights(
                model, {i: lambda W, bits=bits: quantize_weights_rtn(W, bits, group_size=group_size)}), X, y) - base
            for bits in options}
    return found


def assign_bits(sensitivity: Mapping[str, Mapping[int, float]], sizes: Mapping[str, int],
                budget_bits: float) -> dict[str, int]:
    """Bits for each layer within a total of `budget_bits` for all weights, greedily.

    Every layer starts with its largest option. While the total is too large, the one reduction is taken that
    raises the loss least for each bit that it saves; to any smaller option of one layer. `sensitivity` gives
    layer -> bits -> rise of the loss, `sizes` layer -> number of weights.
    Raises ValueError when the smallest options do not fit, or when the two name different layers.

    >>> assign_bits({"a": {8: 0.0, 4: 0.1}, "b": {8: 0.0, 4: 0.5}}, {"a": 10, "b": 10}, 120)
    {'a': 4, 'b': 8}
    """
    if set(sensitivity) != set(sizes):
        raise ValueError(f"sizes must name the layers of sensitivity, got {sorted(sizes)}")
    smallest = sum(min(options) * sizes[name] for name, options in sensitivity.items())
    if smallest > budget_bits:
        raise ValueError(f"budget_bits must be at least {smallest}, got {budget_bits}")
    chosen = {name: max(options) for name, options in sensitivity.items()}
    while sum(bits * sizes[name] for name, bits in chosen.items()) > budget_bits:
        steps = [((options[bits] - options[chosen[name]]) / ((chosen[name] - bits) * sizes[name]), name, bits)
                 for name, options in sensitivity.items() for bits in options if bits < chosen[name]]
        _, name, bits = min(steps)
        chosen[name] = bits
    return chosen
