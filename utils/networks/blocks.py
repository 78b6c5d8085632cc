"""Building blocks of the classic convolutional networks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn


def make_divisible(v: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `v`, at least `divisor`, never below 90 % of `v`.

    The rule by which the MobileNet family rounds scaled channel counts (Sandler et al., 2018). Half-way values go
    up. Raises ValueError when `v` or `divisor` is not positive.

    >>> make_divisible(33), make_divisible(11), make_divisible(3)
    (32, 16, 8)
    """
    if not (v > 0 and divisor > 0):
        raise ValueError(f"v and divisor must be positive, got {v} and {divisor}")
    nearest = max(divisor, int(v / divisor + 0.5) * divisor)
    return nearest if nearest >= 0.9 * v else nearest + divisor


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of `groups` groups: the first of each, then the second of each (Zhang et al., 2017).

    x: (N, C, H, W); the result has its shape. Raises ValueError when the channels are not divisible by groups.
    """
    n, c, h, w = x.shape
    if groups < 1 or c % groups:
        raise ValueError(f"channels must be divisible by groups, got {c} and {groups}")
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def channel_shuffle_np(x: np.ndarray, groups: int) -> np.ndarray:
    """Interleave the channels of `groups` groups: the first of each, then the second of each, and so on.

    Raises ValueError when the channels are not divisible by `groups`.
    """
    n, c, h, w = x.shape
    if c % groups:
        raise ValueError(f"channels must be divisible by groups, got {c} and {groups}")
    return x.reshape(n, groups, c // groups, h, w).swapaxes(1, 2).reshape(n, c, h, w)


def conv_bn_act(c_in: int, c_out: int, k: int = 3, stride: int = 1, groups: int = 1,
                act: type[nn.Module] | None = nn.ReLU) -> nn.Sequential:
    """A convolution without bias (padding k // 2), its batch norm, and an activation unless `act` is None.

    Raises ValueError when groups does not divide both channel counts.
    """
    if c_in % groups or c_out % groups:
        raise ValueError(f"groups must divide c_in and c_out, got {groups} for {c_in} and {c_out}")
    layers = [nn.Conv2d(c_in, c_out, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(c_out)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); the shortcut projects where the shapes differ (He et al., 2015)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C', H', W')
        return torch.relu(self.body(x) + self.shortcut(x))


class Fire(nn.Module):
    """SqueezeNet's module: a 1x1 squeeze, then 1x1 and 3x3 expansions side by side; biases, no batch norm."""

    def __init__(self, c_in: int, squeeze: int, expand1: int, expand3: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(c_in, squeeze, 1)
        self.expand1, self.expand3 = nn.Conv2d(squeeze, expand1, 1), nn.Conv2d(squeeze, expand3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, expand1 + expand3, H, W)
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1(x), self.expand3(x)], 1))


class DepthwiseSeparable(nn.Sequential):
    """MobileNetV1's block: 3x3 depthwise with the stride, then 1x1 pointwise, each with batch norm and ReLU."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__(conv_bn_act(c_in, c_in, 3, stride, c_in), conv_bn_act(c_in, c_out, 1))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 expansion (absent at ratio 1), 3x3 depthwise, linear 1x1 projection.

    The input is added only if stride is 1 and c_in == c_out.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        hidden = c_in * expand_ratio
        expand = [conv_bn_act(c_in, hidden, 1, act=nn.ReLU6)] if expand_ratio != 1 else []
        self.body = nn.Sequential(*expand, conv_bn_act(hidden, hidden, 3, stride, hidden, nn.ReLU6),
                                  conv_bn_act(hidden, c_out, 1, act=None))
        self.skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skip else self.body(x)


def build_inverted_residual(c_in: int, c_out: int, stride: int, expand_ratio: int) -> nn.Module:
    """MobileNetV2's block: 1x1 expansion (absent at ratio 1), 3x3 depthwise, linear 1x1 projection, skip if it fits."""
    return InvertedResidual(c_in, c_out, stride, expand_ratio)


class ShuffleV2Unit(nn.Module):
    """ShuffleNet V2's unit (Ma et al., 2018): half of the channels pass by, the others go through 1x1, 3x3 depthwise
    and 1x1; then the halves are shuffled. With stride 2 both halves see the whole input and both are computed.

    Raises ValueError when c_out is odd, or when stride is 1 and c_in != c_out.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        if c_out % 2:
            raise ValueError(f"c_out must be even, got {c_out}")
        if stride == 1 and c_in != c_out:
            raise ValueError(f"c_out must equal c_in at stride 1, got {c_out} and {c_in}")
        half = c_out // 2
        self.split = stride == 1
        self.left = nn.Identity() if self.split else nn.Sequential(
            conv_bn_act(c_in, c_in, 3, stride, c_in, None), conv_bn_act(c_in, half, 1))
        self.right = nn.Sequential(conv_bn_act(half if self.split else c_in, half, 1),
                                   conv_bn_act(half, half, 3, stride, half, None), conv_bn_act(half, half, 1))

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C', H', W')
        left, right = x.chunk(2, dim=1) if self.split else (x, x)
        return channel_shuffle(torch.cat([self.left(left), self.right(right)], 1), 2)


class GhostModule(nn.Module):
    """ceil(c_out / ratio) real maps by a k x k convolution, the rest by cheap depthwise ones (Han et al., 2020).

    What is computed beyond c_out is sliced off. With `act=None` both convolutions are linear.
    """

    def __init__(self, c_in: int, c_out: int, k: int = 1, ratio: int = 2, dw: int = 3,
                 act: type[nn.Module] | None = nn.ReLU) -> None:
        super().__init__()
        self.c_out = c_out
        real = math.ceil(c_out / ratio)
        self.primary = conv_bn_act(c_in, real, k, act=act)
        self.cheap = conv_bn_act(real, real * (ratio - 1), dw, groups=real, act=act)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, c_out, H, W)
        real = self.primary(x)
        return torch.cat([real, self.cheap(real)], 1)[:, :self.c_out]


class SqueezeExcite(nn.Module):
    """A gate for each channel, from the channels' means (Hu et al., 2017); hard sigmoid and widths as in GhostNet."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, hidden, 1), nn.ReLU(),
                                  nn.Conv2d(hidden, channels, 1), nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) * (N, C, 1, 1)
        return x * self.gate(x)


class GhostBottleneck(nn.Module):
    """GhostNet's block: a Ghost module widens to `hidden`, a linear one narrows to `c_out`; the input is added.

    With stride 2 a k x k depthwise convolution stands between them. Where shapes differ the input goes through
    depthwise and 1x1 convolutions first. `se` puts a squeeze-and-excitation gate before the second module.
    """

    def __init__(self, c_in: int, hidden: int, c_out: int, k: int = 3, stride: int = 1, *, se: bool = False) -> None:
        super().__init__()
        between: list[nn.Module] = [conv_bn_act(hidden, hidden, k, stride, hidden, None)] if stride > 1 else []
        if se:
            between.append(SqueezeExcite(hidden, make_divisible(hidden / 4, 4)))
        self.body = nn.Sequential(GhostModule(c_in, hidden), *between, GhostModule(hidden, c_out, act=None))
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else nn.Sequential(
            conv_bn_act(c_in, c_in, k, stride, c_in, None), conv_bn_act(c_in, c_out, 1, act=None))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def separable_conv(c_in: int, c_out: int) -> list[nn.Module]:
    """Xception's unit: 3x3 depthwise and 1x1 pointwise with nothing between them, then batch norm."""
    return [nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False), nn.Conv2d(c_in, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out)]


class XceptionBlock(nn.Module):
    """Xception's block (Chollet, 2017): `reps` times ReLU and a separable convolution, a pool if strided, a residual.

    The channels grow in the first repetition with `grow_first`, else in the last. Without `start_with_relu` the
    first ReLU is left out (the layer before ends with one).
    """

    def __init__(self, c_in: int, c_out: int, reps: int, stride: int, start_with_relu: bool = True,
                 grow_first: bool = True) -> None:
        super().__init__()
        inner = c_out if grow_first else c_in
        widths = [c_in, *[inner] * (reps - 1), c_out]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.ReLU(), *separable_conv(before, after)]
        pool = [nn.MaxPool2d(3, stride, 1)] if stride > 1 else []
        self.body = nn.Sequential(*layers[0 if start_with_relu else 1:], *pool)
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else conv_bn_act(c_in, c_out, 1, stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)
