"""The networks that light ones are compared with: AlexNet, VGG-16 and the ResNets."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from utils.networks.blocks import Residual, conv_bn_act


def conv_relu(c_in: int, c_out: int, k: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    """A convolution with bias, and ReLU."""
    return [nn.Conv2d(c_in, c_out, k, stride, padding), nn.ReLU()]


def _linear_head(n_in: int, num_classes: int) -> list[nn.Module]:
    """The three linear layers that AlexNet and VGG end with."""
    hidden = [nn.Linear(n_in, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return [nn.Flatten(), *hidden, nn.Linear(4096, num_classes)]


def alexnet(num_classes: int = 1000) -> nn.Sequential:
    """AlexNet in its one-column form (Krizhevsky, 2014): 61,100,840 parameters."""
    return nn.Sequential(
        *conv_relu(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2), *conv_relu(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2),
        *conv_relu(192, 384, 3, 1, 1), *conv_relu(384, 256, 3, 1, 1), *conv_relu(256, 256, 3, 1, 1),
        nn.MaxPool2d(3, 2), *_linear_head(256 * 6 * 6, num_classes))


def vgg16(num_classes: int = 1000) -> nn.Sequential:
    """VGG-16 (Simonyan and Zisserman, 2014): 138,357,544 parameters."""
    layers: list[nn.Module] = []
    c_in = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += conv_relu(c_in, width, 3, 1, 1)
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
