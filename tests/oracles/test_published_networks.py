"""Parameters and MACs of published networks, built here from their papers' tables, counted three ways.

Published counts are data: torchvision's weights metadata (`num_params`, and `_ops`, which are GMACs at
224 x 224 to three decimals), VGG-16 and ResNet-50 to the unit.
"""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from utils.cost.flops import attention_ops, count_module_macs, linear_ops
from utils.cost.params import count_module


def conv_bn(c_in, c_out, k, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(c_in, c_out, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(c_out), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def resnet(blocks, bottleneck, stride_in_first=False):
    """He et al. 2016; v1.5 has a bottleneck's stride in the 3x3, v1 in the first 1x1."""
    layers, c_in = [conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for stage, depth in enumerate(blocks):
        width = 64 << stage
        c_out = width * (4 if bottleneck else 1)
        for i in range(depth):
            stride = 2 if stage and not i else 1
            if bottleneck:
                first, second = (stride, 1) if stride_in_first else (1, stride)
                body = [conv_bn(c_in, width, 1, first), conv_bn(width, width, 3, second), conv_bn(width, c_out, 1)]
            else:
                body = [conv_bn(c_in, width, 3, stride), conv_bn(width, width, 3)]
            shortcut = nn.Identity() if stride == 1 and c_in == c_out else conv_bn(c_in, c_out, 1, stride)
            layers.append(Residual(nn.Sequential(*body), shortcut))
            c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, 1000))


def alexnet():
    def conv(c_in, c_out, k, stride=1, pad=0):
        return [nn.Conv2d(c_in, c_out, k, stride, pad), nn.ReLU()]

    return nn.Sequential(
        *conv(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2), *conv(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2),
        *conv(192, 384, 3, 1, 1), *conv(384, 256, 3, 1, 1), *conv(256, 256, 3, 1, 1), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Linear(256 * 36, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000))


def vgg16():
    layers, c_in = [], 3
    for width, depth in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(depth):
            layers += [nn.Conv2d(c_in, width, 3, padding=1), nn.ReLU()]
            c_in = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
                         nn.Linear(4096, 1000))


def mobilenet_v2():
    layers, c_in = [conv_bn(3, 32, 3, 2)], 32
    for t, c, n, s in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(n):
            stride, wide = (s if i == 0 else 1), t * c_in
            body = ([conv_bn(c_in, wide, 1)] if t > 1 else []) + [conv_bn(wide, wide, 3, stride, wide), conv_bn(wide, c, 1)]
            layers.append(Residual(nn.Sequential(*body), nn.Identity()) if stride == 1 and c == c_in else nn.Sequential(*body))
            c_in = c
    return nn.Sequential(*layers, conv_bn(320, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


PUBLISHED = {  # builder, parameters, GMACs as printed, MACs to the unit where known
    "AlexNet": (alexnet, 61_100_840, 0.714, None),
    "VGG-16": (vgg16, 138_357_544, 15.470, 15_470_264_320),
    "ResNet-18": (lambda: resnet([2, 2, 2, 2], False), 11_689_512, 1.814, None),
    "ResNet-34": (lambda: resnet([3, 4, 6, 3], False), 21_797_672, 3.664, None),
    "ResNet-50": (lambda: resnet([3, 4, 6, 3], True), 25_557_032, 4.089, 4_089_184_256),
    "ResNet-101": (lambda: resnet([3, 4, 23, 3], True), 44_549_160, 7.801, None),
    "MobileNetV2": (mobilenet_v2, 3_504_872, 0.301, 300_774_272),
}


@pytest.fixture(params=PUBLISHED)
def network(request):
    build, *figures = PUBLISHED[request.param]
    with torch.device("meta"):  # shapes only: no weights are drawn and nothing is multiplied
        return build(), *figures


def test_parameters_and_macs(network):
    model, params, gmacs, macs = network
    assert count_module(model).parameters == params
    counted = count_module_macs(model, (1, 3, 224, 224), strict=True)
    assert round(counted.macs / 1e9, 3) == gmacs
    assert macs in (None, counted.macs)
    assert counted.not_called == ()


@pytest.mark.parametrize("build", [alexnet, mobilenet_v2, lambda: resnet([2, 2, 2, 2], False)])
def test_fvcore_counts_the_same(build):
    model = build().eval()  # fvcore traces, which needs real tensors
    analysis = FlopCountAnalysis(model, torch.zeros(1, 3, 224, 224))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    by_op = analysis.by_operator()  # fvcore counts MACs, and batch norm and pooling besides
    assert by_op["conv"] + by_op["linear"] == count_module_macs(model, (1, 3, 224, 224)).macs


def test_resnet50_buffers():
    count = count_module(resnet([3, 4, 6, 3], True))
    assert (count.buffers, count.buffers_float) == (53_173, 53_120)  # 26,560 channels, two statistics; 53 counters


def test_the_papers_resnet50_has_its_stride_in_the_first_convolution():
    """He et al. print 3.8 x 10^9 for the v1 form: 3.858 GMACs, 6 % below the v1.5 of today's libraries."""
    with torch.device("meta"):
        model = resnet([3, 4, 6, 3], True, stride_in_first=True)
    assert count_module(model).parameters == 25_557_032
    assert round(count_module_macs(model, (1, 3, 224, 224)).macs / 1e9, 3) == 3.858


def test_vit_b16():
    """17.564 GMACs by torchvision; a counter that misses the fused attention's products finds 11.27."""
    with torch.device("meta"):
        encoder = nn.Sequential(*(nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True) for _ in range(12)))
        tokens = count_module_macs(encoder, (1, 197, 768), strict=True).macs
        patches = count_module_macs(nn.Conv2d(3, 768, 16, 16), (1, 3, 224, 224)).macs
    total = tokens + patches + linear_ops(1, 768, 1000).macs
    assert round(total / 1e9, 3) == 17.564
    attention = 12 * (attention_ops(1, 12, 197, 197, 64).macs + linear_ops(197, 768, 4 * 768).macs)
    assert round((total - attention) / 1e9, 2) == 11.27
