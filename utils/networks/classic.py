"""Classic image classifiers for 224 x 224 input, built from their papers' tables, with random weights.

Under `torch.device("meta")` they have shapes only: counting needs no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import nn

from utils.networks.blocks import DepthwiseSeparable, Fire, InvertedResidual, Residual, conv_bn_act


def _conv_relu(c_in: int, c_out: int, k: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, k, stride, padding), nn.ReLU()]


def _linear_head(n_in: int, num_classes: int) -> list[nn.Module]:
    """The three linear layers that AlexNet and VGG end with."""
    hidden = [nn.Linear(n_in, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return [nn.Flatten(), *hidden, nn.Linear(4096, num_classes)]


def alexnet(num_classes: int = 1000) -> nn.Sequential:
    """AlexNet in its one-column form (Krizhevsky, 2014): 61,100,840 parameters."""
    return nn.Sequential(
        *_conv_relu(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2), *_conv_relu(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2),
        *_conv_relu(192, 384, 3, 1, 1), *_conv_relu(384, 256, 3, 1, 1), *_conv_relu(256, 256, 3, 1, 1),
        nn.MaxPool2d(3, 2), *_linear_head(256 * 6 * 6, num_classes))


def vgg16(num_classes: int = 1000) -> nn.Sequential:
    """VGG-16 (Simonyan and Zisserman, 2014): 138,357,544 parameters."""
    layers: list[nn.Module] = []
    c_in = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += _conv_relu(c_in, width, 3, 1, 1)
            c_in = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *_linear_head(512 * 7 * 7, num_classes))


def resnet(blocks: Sequence[int], bottleneck: bool, num_classes: int = 1000, *,
           stride_in_first: bool = False) -> nn.Sequential:
    """A ResNet with `blocks` residual blocks in its four stages (He et al., 2015).

    A bottleneck's stride is in its 3x3 layer, as in today's libraries ("v1.5"); with `stride_in_first` it is
    in the first 1x1 layer, as in the paper.
    """
    layers: list[nn.Module] = [conv_bn_act(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    c_in = 64
    for stage, depth in enumerate(blocks):
        width = 64 << stage
        c_out = 4 * width if bottleneck else width
        for i in range(depth):
            stride = 2 if stage and not i else 1
            if bottleneck:
                first, second = (stride, 1) if stride_in_first else (1, stride)
                body = [conv_bn_act(c_in, width, 1, first), conv_bn_act(width, width, 3, second),
                        conv_bn_act(width, c_out, 1, act=None)]
            else:
                body = [conv_bn_act(c_in, width, 3, stride), conv_bn_act(width, width, 3, act=None)]
            same = stride == 1 and c_in == c_out
            projection = None if same else conv_bn_act(c_in, c_out, 1, stride, act=None)
            layers.append(Residual(nn.Sequential(*body), projection))
            c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, num_classes))


def squeezenet(version: Literal["1_0", "1_1"] = "1_0", num_classes: int = 1000) -> nn.Sequential:
    """SqueezeNet (Iandola et al., 2016). Version 1_1 pools earlier and needs 2.3 times fewer MACs.

    Raises ValueError for another version.
    """
    if version not in ("1_0", "1_1"):
        raise ValueError(f"version must be '1_0' or '1_1', got {version!r}")
    stem, pools = ((96, 7), (3, 7)) if version == "1_0" else ((64, 3), (2, 4))  # Fire modules before a pool
    layers, c_in = [*_conv_relu(3, stem[0], stem[1], 2), nn.MaxPool2d(3, 2, ceil_mode=True)], stem[0]
    for index, (squeeze, expand) in enumerate(
            ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))):
        if index in pools:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        layers.append(Fire(c_in, squeeze, expand, expand))
        c_in = 2 * expand
    head = [nn.Dropout(), *_conv_relu(c_in, num_classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *head)


def mobilenet_v1(num_classes: int = 1000) -> nn.Sequential:
    """MobileNetV1, width 1.0 (Howard et al., 2017): 4,231,976 parameters."""
    layers, c_in = [conv_bn_act(3, 32, 3, 2)], 32
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for c_out, stride in plan:
        layers.append(DepthwiseSeparable(c_in, c_out, stride))
        c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, num_classes))


def mobilenet_v2(num_classes: int = 1000) -> nn.Sequential:
    """MobileNetV2, width 1.0 (Sandler et al., 2018): 3,504,872 parameters."""
    layers: list[nn.Module] = [conv_bn_act(3, 32, 3, 2, act=nn.ReLU6)]
    c_in = 32
    for ratio, c_out, repeats, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                                (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(repeats):
            layers.append(InvertedResidual(c_in, c_out, first_stride if i == 0 else 1, ratio))
            c_in = c_out
    return nn.Sequential(*layers, conv_bn_act(c_in, 1280, 1, act=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(1280, num_classes))


CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "AlexNet": alexnet,
    "VGG-16": vgg16,
    "ResNet-18": lambda: resnet([2, 2, 2, 2], bottleneck=False),
    "ResNet-34": lambda: resnet([3, 4, 6, 3], bottleneck=False),
    "ResNet-50": lambda: resnet([3, 4, 6, 3], bottleneck=True),
    "ResNet-101": lambda: resnet([3, 4, 23, 3], bottleneck=True),
    "SqueezeNet 1.0": squeezenet,
    "SqueezeNet 1.1": lambda: squeezenet("1_1"),
    "MobileNetV1": mobilenet_v1,
    "MobileNetV2": mobilenet_v2,
}
