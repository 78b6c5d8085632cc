"""Parameters of two families of CNN, from their tables: ResNets, and a small depthwise-separable net in INT8."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from utils.cost.checks import non_negative, positive
from utils.cost.params.layers import batchnorm2d_count, conv2d_params, linear_params
from utils.cost.params.storage import width_for_budget


def _conv_bn(c_in: int, c_out: int, kernel: int) -> int:
    """Trained values of a convolution without bias and the batch norm behind it."""
    return conv2d_params(c_in, c_out, kernel, bias=False) + batchnorm2d_count(c_out).trainable


def resnet_params(blocks: Sequence[int], bottleneck: bool, n_classes: int = 1000) -> int:
    """Parameters of a ResNet with `blocks` residual blocks in its four stages (He et al., 2015, table 1).

    The projection that matches shapes at a stage's entry is a 1x1 convolution with batch norm. Raises
    ValueError unless there are four positive stage lengths.

    >>> resnet_params([2, 2, 2, 2], bottleneck=False)
    11689512
    """
    if len(blocks) != 4:
        raise ValueError(f"blocks must have four stage lengths, got {len(blocks)}")
    positive(blocks=min(blocks))
    total, c_in = _conv_bn(3, 64, 7), 64
    for width, depth in zip((64, 128, 256, 512), blocks):
        c_out = 4 * width if bottleneck else width
        for _ in range(depth):
            if bottleneck:
                total += _conv_bn(c_in, width, 1) + _conv_bn(width, width, 3) + _conv_bn(width, c_out, 1)
            else:
                total += _conv_bn(c_in, width, 3) + _conv_bn(width, width, 3)
            if c_in != c_out:  # the identity cannot be added to another shape
                total += _conv_bn(c_in, c_out, 1)
            c_in = c_out
    return total + linear_params(c_in, n_classes)


@dataclass(frozen=True)
class FoldedNet:
    """A network whose batch norms are folded: weights, and output channels (each has a bias and a scale)."""

    weights: int
    channels: int

    @property
    def int8_bytes(self) -> int:
        """One byte a weight; an INT32 bias and an FP32 scale for each output channel."""
        return self.weights + (4 + 4) * self.channels


def separable_net(width: int, n_classes: int = 10) -> FoldedNet:
    """The chapter's small net: a 3x3 stem from 1 to w channels, depthwise-separable blocks to 2w, 2w, 4w, 4w
    channels, a linear layer; batch norms folded.

    >>> separable_net(40).int8_bytes
    60320
    """
    positive(width=width, n_classes=n_classes)
    convs = [(1, width, 3, 1)]  # c_in, c_out, kernel, groups
    c_in = width
    for c_out in (2 * width, 2 * width, 4 * width, 4 * width):
        convs += [(c_in, c_in, 3, c_in), (c_in, c_out, 1, 1)]
        c_in = c_out
    weights = sum(conv2d_params(*conv, bias=False) for conv in convs) + linear_params(c_in, n_classes, bias=False)
    return FoldedNet(weights, sum(c_out for _, c_out, _, _ in convs) + n_classes)


def largest_width(flash_bytes: int, n_classes: int = 10) -> int | None:
    """The largest multiple of 8 for which `separable_net` fits into `flash_bytes` in INT8; None if not even 8 does.

    >>> largest_width(65_536), largest_width(4_448), largest_width(4_447)
    (40, 8, None)
    """
    non_negative(flash_bytes=flash_bytes)
    widest = math.isqrt(flash_bytes // 30) + 8  # the pointwise layers alone take 30 w^2 bytes
    return width_for_budget(lambda w: separable_net(w, n_classes).int8_bytes, flash_bytes, step=8, max_width=widest)
