"""SqueezeNet, MobileNet V1 and V2, ShuffleNet V2, Xception and GhostNet, block by block from their papers' tables.

Each is a flat `nn.Sequential` of blocks with random weights. Counts are those of 1,000 classes.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from utils.networks.blocks import (
    DepthwiseSeparable,
    Fire,
    GhostBottleneck,
    InvertedResidual,
    ShuffleV2Unit,
    XceptionBlock,
    conv_bn_act,
    make_divisible,
    separable_conv,
)
from utils.networks.classic.large import conv_relu

FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))  # squeeze, expand
SHUFFLE_WIDTHS = {"0.5": (48, 96, 192, 1024), "1.0": (116, 232, 464, 1024), "1.5": (176, 352, 704, 1024),
                  "2.0": (244, 488, 976, 2048)}  # three stages and the last 1x1 (Ma et al., table 5; x2.0 as released)
GHOSTS = (  # kernel, hidden, out, gate, stride (Han et al., table 1)
    (3, 16, 16, False, 1), (3, 48, 24, False, 2), (3, 72, 24, False, 1), (5, 72, 40, True, 2), (5, 120, 40, True, 1),
    (3, 240, 80, False, 2), (3, 200, 80, False, 1), (3, 184, 80, False, 1), (3, 184, 80, False, 1),
    (3, 480, 112, True, 1), (3, 672, 112, True, 1), (5, 672, 160, True, 2), (5, 960, 160, False, 1),
    (5, 960, 160, True, 1), (5, 960, 160, False, 1), (5, 960, 160, True, 1))


def _pooled(n_in: int, num_classes: int) -> list[nn.Module]:
    """Global average pool and one linear layer."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, num_classes)]


def squeezenet(version: Literal["1_0", "1_1"] = "1_0", num_classes: int = 1000) -> nn.Sequential:
    """SqueezeNet (Iandola et al., 2016): 1,248,424 parameters. Version 1_1 pools earlier: 2.3 times fewer MACs.

    Raises ValueError for another version.
    """
    if version not in ("1_0", "1_1"):
        raise ValueError(f"version must be '1_0' or '1_1', got {version!r}")
    stem, pools = ((96, 7), (3, 7)) if version == "1_0" else ((64, 3), (2, 4))  # Fire modules before a pool
    layers, c_in = [*conv_relu(3, stem[0], stem[1], 2), nn.MaxPool2d(3, 2, ceil_mode=True)], stem[0]
    for index, (squeeze, expand) in enumerate(FIRES):
        if index in pools:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        layers.append(Fire(c_in, squeeze, expand, expand))
        c_in = 2 * expand
    head = [nn.Dropout(), *conv_relu(c_in, num_classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *head)


def mobilenet_v1(width: float = 1.0, num_classes: int = 1000) -> nn.Sequential:
    """MobileNetV1 (Howard et al., 2017): 4,231,976 parameters at width 1.

    Every channel count is multiplied by `width` and rounded by `make_divisible`; ValueError if it is not positive.
    """
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    c_in = make_divisible(32 * width)
    layers: list[nn.Module] = [conv_bn_act(3, c_in, 3, 2)]
    for channels, stride in plan:
        c_out = make_divisible(channels * width)
        layers.append(DepthwiseSeparable(c_in, c_out, stride))
        c_in = c_out
    return nn.Sequential(*layers, *_pooled(c_in, num_classes))


def mobilenet_v2(width: float = 1.0, num_classes: int = 1000) -> nn.Sequential:
    """MobileNetV2 (Sandler et al., 2018): 3,504,872 parameters at width 1.

    The last 1x1 convolution keeps 1,280 channels at widths below 1. ValueError if `width` is not positive.
    """
    c_in, last = make_divisible(32 * width), make_divisible(1280 * max(1.0, width))
    layers: list[nn.Module] = [conv_bn_act(3, c_in, 3, 2, act=nn.ReLU6)]
    for ratio, channels, repeats, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                                   (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        c_out = make_divisible(channels * width)
        for i in range(repeats):
            layers.append(InvertedResidual(c_in, c_out, first_stride if i == 0 else 1, ratio))
            c_in = c_out
    return nn.Sequential(*layers, conv_bn_act(c_in, last, 1, act=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(last, num_classes))


def shufflenet_v2(scale: Literal["0.5", "1.0", "1.5", "2.0"] = "1.0", num_classes: int = 1000) -> nn.Sequential:
    """ShuffleNet V2 (Ma et al., 2018): 2,278,604 parameters at scale 1.0. Raises ValueError for another scale."""
    if scale not in SHUFFLE_WIDTHS:
        raise ValueError(f"scale must be one of {', '.join(map(repr, SHUFFLE_WIDTHS))}, got {scale!r}")
    *stages, last = SHUFFLE_WIDTHS[scale]
    layers, c_in = [conv_bn_act(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)], 24
    for c_out, repeats in zip(stages, (4, 8, 4)):
        layers.append(ShuffleV2Unit(c_in, c_out, 2))
        layers += [ShuffleV2Unit(c_out, c_out, 1) for _ in range(repeats - 1)]
        c_in = c_out
    return nn.Sequential(*layers, conv_bn_act(c_in, last, 1), *_pooled(last, num_classes))


def xception(num_classes: int = 1000) -> nn.Sequential:
    """Xception (Chollet, 2017), for 299 x 299 input: 22,855,952 parameters. Its two stem convolutions are unpadded."""
    stem = [nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    entry = [XceptionBlock(64, 128, 2, 2, start_with_relu=False), XceptionBlock(128, 256, 2, 2),
             XceptionBlock(256, 728, 2, 2)]
    middle = [XceptionBlock(728, 728, 3, 1) for _ in range(8)]
    leave = [XceptionBlock(728, 1024, 2, 2, grow_first=False), *separable_conv(1024, 1536), nn.ReLU(),
             *separable_conv(1536, 2048), nn.ReLU()]
    return nn.Sequential(*stem, *entry, *middle, *leave, *_pooled(2048, num_classes))


def ghostnet(width: float = 1.0, num_classes: int = 1000) -> nn.Sequential:
    """GhostNet (Han et al., 2020): 5,182,508 parameters at width 1. Channels are rounded to multiples of 4.

    ValueError if `width` is not positive.
    """
    c_in = make_divisible(16 * width, 4)
    layers: list[nn.Module] = [conv_bn_act(3, c_in, 3, 2)]
    for k, wide, channels, se, stride in GHOSTS:
        c_out, hidden = make_divisible(channels * width, 4), make_divisible(wide * width, 4)
        layers.append(GhostBottleneck(c_in, hidden, c_out, k, stride, se=se))
        c_in = c_out
    last = make_divisible(960 * width, 4)
    head = [nn.Conv2d(last, 1280, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1280, num_classes)]
    return nn.Sequential(*layers, conv_bn_act(c_in, last, 1), nn.AdaptiveAvgPool2d(1), *head)
