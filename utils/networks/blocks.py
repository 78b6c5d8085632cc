"""Building blocks of the classic convolutional networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
