"""Pure functions behind the figures on operation counts, and the matched layers of the experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from math import prod
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.flops.counting_float import Tally, counting_array, window_products
from utils.cost.flops.layer_ops import OpCount, additions_exact, conv2d_ops, conv_out_size, norm_ops
from utils.cost.params import conv2d_params

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class _Frame:
    """What has been counted after one window, and the products that this window had in each channel."""

    total: OpCount
    products: tuple[int, ...]


@cache
def _frames(h: int, w: int, c: int, k: int, pad: int, skip_padding: bool, bias: bool) -> tuple[_Frame, ...]:
    """The windows of one filter, stride 1, really computed on counting numbers."""
    tally, rng = Tally(), np.random.default_rng(0)
    x, filter_ = (counting_array(rng.standard_normal(shape), tally) for shape in ((c, h, w), (c, k, k)))
    b = counting_array(rng.standard_normal(1), tally)[0]
    frames = []
    for row, col in np.ndindex(conv_out_size(h, k, pad=pad), conv_out_size(w, k, pad=pad)):
        terms = window_products(x, filter_, row - pad, col - pad, skip_padding=skip_padding)
        channel_sums = [reduce(add, channel) for channel in terms if channel]
        if bias:
            channel_sums.append(b)
        if channel_sums:
            reduce(add, channel_sums)
        frames.append(_Frame(tally.ops(), tuple(map(len, terms))))
    return tuple(frames)


def microscope_state(h: int, w: int, c: int, k: int, pad: int, step: int, skip_padding: bool, bias: bool) -> dict:
    """The tally after `step` windows of a k x k x c filter over a padded h x w image, stride 1.

    muls and adds are counted by execution; formula_adds is the exact formula and source_adds the inconsistent
    one, (c k k - 1) + (c - 1) (+ 1 with bias) a window, for the same windows. The last window's addition tree:
    products (per channel), adds_within its channels, adds_across them, adds_bias; row and col are its output
    position (None at step 0). Raises ValueError when step is out of range.
    """
    frames = _frames(h, w, c, k, pad, skip_padding, bias)
    if not 0 <= step <= len(frames):
        raise ValueError(f"step must be between 0 and {len(frames)}, got {step}")
    total = frames[step - 1].total if step else OpCount()
    products = frames[step - 1].products if step else (0,) * c
    filled = sum(p > 0 for p in products)
    row, col = divmod(step - 1, conv_out_size(w, k, pad=pad)) if step else (None, None)
    return {
        "muls": total.muls,
        "adds": total.adds,
        "formula_adds": sum(additions_exact(c, k, bias, c * k * k - sum(f.products)) for f in frames[:step]),
        "source_adds": step * ((c * k * k - 1) + (c - 1) + bias),
        "n_steps": len(frames),
        "row": row,
        "col": col,
        "products": list(products),
        "adds_within": sum(products) - filled,
        "adds_across": max(filled - 1, 0),
        "adds_bias": int(bias and filled > 0),
    }


def cost_point(c_in: int, c_out: int, k: int, stride: int = 1, groups: int = 1, resolution: int = 56,
               item_bytes: int = 4) -> dict[str, Any]:
    """Cost of a "same" convolution on resolution x resolution, and of its depthwise-separable replacement.

    Keys macs, params, activation_bytes (input and output), intensity (FLOP per byte, each tensor crossing
    memory once); the same under "separable" (depthwise k x k at this stride, then pointwise); mac_ratio =
    separable over this one, 1/c_out + 1/k^2 when groups is 1.
    """
    def point(*layers: tuple[int, int, int, int, int, int]) -> dict[str, float]:
        macs = params = activations = 0
        for inputs, outputs, kernel, s, g, size in layers:
            pad = kernel // 2
            out = conv_out_size(size, kernel, s, pad)
            macs += conv2d_ops(size, size, inputs, outputs, kernel, s, pad, groups=g).macs
            params += conv2d_params(inputs, outputs, kernel, g, bias=False)
            activations += inputs * size * size + outputs * out * out
        return {"macs": macs, "params": params, "activation_bytes": item_bytes * activations,
                "intensity": 2 * macs / (item_bytes * (activations + params))}

    full = point((c_in, c_out, k, stride, groups, resolution))
    small = conv_out_size(resolution, k, stride, k // 2)
    separable = point((c_in, c_in, k, stride, c_in, resolution), (c_in, c_out, 1, 1, 1, small))
    return {**full, "separable": separable, "mac_ratio": separable["macs"] / full["macs"]}


@dataclass(frozen=True)
class MatchedLayer:
    """One layer of the timing experiment: what runs, on which shape, and its operations."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    ops: OpCount

    def intensity(self, item_bytes: int = 4) -> float:
        """FLOP per byte, two FLOPs a MAC; input, output (of the input's size) and parameters cross memory once."""
        params = sum(p.numel() for p in self.module.parameters())
        return 2 * self.ops.macs / (item_bytes * (2 * prod(self.shape) + params))


def matched_layers(channels: int = 256, size: int = 28) -> list[MatchedLayer]:
    """Full 3x3, depthwise 3x3, pointwise 1x1, linear and batch norm of one width on one map, batch 1."""
    from torch import nn

    image = (1, channels, size, size)

    def conv(name: str, k: int, groups: int = 1) -> MatchedLayer:
        module = nn.Conv2d(channels, channels, k, padding=k // 2, groups=groups, bias=False)
        ops = conv2d_ops(size, size, channels, channels, k, padding=k // 2, groups=groups, bias=False)
        return MatchedLayer(name, module.eval(), image, ops)

    pointwise = conv("pointwise 1x1", 1)
    return [
        conv("full 3x3", 3),
        conv("depthwise 3x3", 3, groups=channels),
        pointwise,
        MatchedLayer("linear", nn.Linear(channels, channels, bias=False).eval(), (size**2, channels), pointwise.ops),
        MatchedLayer("batch norm", nn.BatchNorm2d(channels).eval(), image, norm_ops("batch", channels * size * size)),
    ]


def layer_rates(layers: Sequence[MatchedLayer], time_ms: Callable[[Callable[[], object]], float], *,
                device: str = "cpu", dtype: str = "float32") -> list[dict[str, Any]]:
    """Rows name, macs, ms, gflop_s of each layer; `time_ms` measures a call (its median or minimum)."""
    import torch

    rows = []
    for layer in layers:
        module = layer.module.to(device=device, dtype=getattr(torch, dtype))
        x = torch.randn(layer.shape, device=device, dtype=getattr(torch, dtype))
        with torch.inference_mode():
            ms = time_ms(lambda module=module, x=x: module(x))
        rows.append({"name": layer.name, "macs": layer.ops.macs, "ms": ms, "gflop_s": layer.ops.flops / ms / 1e6})
    return rows


def matmul_rates(sizes: Sequence[int], time_ms: Callable[[Callable[[], object]], float], *, device: str = "cpu",
                 dtype: str = "float32") -> list[tuple[int, float]]:
    """(n, achieved GFLOP/s) of an n x n matrix product, 2 n^3 - n^2 FLOPs, for each n."""
    import torch

    rates = []
    for n in sizes:
        a, b = (torch.randn(n, n, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
        ms = time_ms(lambda a=a, b=b: a @ b)
        rates.append((n, (2 * n**3 - n**2) / ms / 1e6))
    return rates
