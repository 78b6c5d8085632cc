"""A network's convolutions and linear layers as matrix products, and how busy they keep an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.cost.checks import positive
from utils.hardware.systolic.cycles import ws_cycles

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LayerUtil:
    """One layer: `groups` products of (m, k) times (k, n), their multiply-accumulates, cycles and utilization.

    kind: "conv", "1x1", "depthwise", "grouped" or "linear".
    """

    name: str
    kind: str
    m: int
    k: int
    n: int
    groups: int
    macs: int
    cycles: int
    utilization: float


@dataclass(frozen=True)
class NetworkUtil:
    """All layers in order on an array of rows x cols cells; they run one after the other."""

    rows: int
    cols: int
    layers: tuple[LayerUtil, ...]

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def cycles(self) -> int:
        return sum(layer.cycles for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates over cells times all cycles."""
        return self.macs / (self.rows * self.cols * self.cycles)


def conv_to_gemm(h_out: int, w_out: int, c_in: int, c_out: int, k: int, groups: int = 1) -> list[tuple[int, int, int]]:
    """The matrix products (m, k, n) of a convolution with k x k windows, one for each group.

    A row is an output pixel, the inner dimension a window's values, a column an output channel. A depthwise
    convolution is `groups` products with one column. Raises ValueError when groups does not divide the channels.

    >>> conv_to_gemm(56, 56, 64, 64, 3), len(conv_to_gemm(56, 56, 64, 64, 3, groups=64))
    ([(3136, 576, 64)], 64)
    """
    positive(h_out=h_out, w_out=w_out, c_in=c_in, c_out=c_out, k=k, groups=groups)
    if c_in % groups or c_out % groups:
        raise ValueError(f"groups must divide c_in and c_out, got {groups} for {c_in} and {c_out}")
    return [(h_out * w_out, c_in // groups * k * k, c_out // groups)] * groups


def network_utilization(model: nn.Module, input_shape: Sequence[int], rows: int, cols: int) -> NetworkUtil:
    """Run the model once (on "meta" tensors it costs nothing) and put each convolution and linear layer on the array.

    Other layers take no cycles here. Windows need not be square. Raises ValueError for a model without such layers.
    """
    import torch
    from torch import nn

    found: list[LayerUtil] = []
    hooks = []

    def record(name: str, layer: nn.Module) -> None:
        def hook(_: nn.Module, inputs: tuple, out: torch.Tensor) -> None:
            found.append(_layer(name, layer, tuple(out.shape), rows, cols))

        hooks.append(layer.register_forward_hook(hook))

    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            record(name, layer)
    try:
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        with torch.no_grad():
            model.eval()(torch.zeros(*input_shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise ValueError("model must have convolutions or linear layers, got none")
    return NetworkUtil(rows, cols, tuple(found))


def _layer(name: str, layer: nn.Module, out: tuple[int, ...], rows: int, cols: int) -> LayerUtil:
    from torch import nn

    if isinstance(layer, nn.Linear):
        m, k, n, groups, kind = _rows_of(out[:-1]), layer.in_features, layer.out_features, 1, "linear"
    else:
        groups, window = layer.groups, layer.kernel_size[0] * layer.kernel_size[1]
        m, k, n = _rows_of((out[0], *out[2:])), layer.in_channels // groups * window, layer.out_channels // groups
        depthwise = groups > 1 and layer.in_channels == groups
        kind = "depthwise" if depthwise else "grouped" if groups > 1 else "1x1" if window == 1 else "conv"
    cycles = groups * ws_cycles(m, k, n, rows, cols)
    macs = groups * m * k * n
    return LayerUtil(name, kind, m, k, n, groups, macs, cycles, macs / (rows * cols * cycles))


def _rows_of(dims: Sequence[int]) -> int:
    count = 1
    for d in dims:
        count *= d
    return count
