"""Parameters and MACs of published networks, built from their papers' tables, counted three ways.

Published counts are data: torchvision's weights metadata (`num_params`, and `_ops`, which are GMACs at
224 x 224 to three decimals), some to the unit. MobileNetV1 is not in torchvision: its 4,231,976 is the
count that several model zoos check (the paper says 4.2 million and 569 million MACs). GhostNet and Xception
(299 x 299) are timm 1.0.31's `ghostnet_100` and `legacy_xception`, counted to the unit; Han et al. print 5.2
million and 141 million MACs, Keras 22.9 million parameters for Xception.
"""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from utils.cost.flops import attention_ops, count_module_macs, linear_ops
from utils.cost.params import count_module
from utils.networks.classic import CLASSIFIERS, PUBLISHED, ghostnet, resnet, shufflenet_v2, xception

COUNTS = {  # parameters, GMACs as printed, MACs to the unit where known
    "AlexNet": (61_100_840, 0.714, None),
    "VGG-16": (138_357_544, 15.470, 15_470_264_320),
    "ResNet-18": (11_689_512, 1.814, None),
    "ResNet-34": (21_797_672, 3.664, None),
    "ResNet-50": (25_557_032, 4.089, 4_089_184_256),
    "ResNet-101": (44_549_160, 7.801, None),
    "SqueezeNet 1.0": (1_248_424, 0.819, 818_924_576),
    "SqueezeNet 1.1": (1_235_496, 0.349, 349_151_936),
    "MobileNetV1": (4_231_976, 0.569, 568_740_352),
    "MobileNetV2": (3_504_872, 0.301, 300_774_272),
    "ShuffleNetV2 x0.5": (1_366_792, 0.040, 40_476_448),
    "ShuffleNetV2 x1.0": (2_278_604, 0.145, 144_907_992),
    "ShuffleNetV2 x1.5": (3_503_624, 0.296, 295_759_392),
    "ShuffleNetV2 x2.0": (7_393_996, 0.583, None),
    "Xception": (22_855_952, 8.357, 8_357_403_496),
    "GhostNet": (5_182_508, 0.141, 141_150_512),
}
BUILDERS = {**CLASSIFIERS, "Xception": xception, "GhostNet": ghostnet,
            **{f"ShuffleNetV2 x{scale}": lambda scale=scale: shufflenet_v2(scale) for scale in ("0.5", "1.0", "1.5", "2.0")}}
NOT_BUILT = {  # timm 1.0.31's constructors, counted with this room's counter; torchvision says 5,483,032 and 0.217 too
    "MobileNetV3-Large": (5_483_032, 216_589_760), "EfficientNet-Lite0": (4_652_008, 385_187_552),
    "FasterNet-T0": (3_905_500, 335_422_720), "MobileNetV4-Conv-S": (3_774_024, 186_005_568)}


@pytest.fixture(params=COUNTS)
def network(request):
    with torch.device("meta"):  # shapes only: no weights are drawn and nothing is multiplied
        return BUILDERS[request.param](), PUBLISHED[request.param], *COUNTS[request.param]


def test_every_network_has_its_published_size():
    assert set(BUILDERS) == set(COUNTS) and set(PUBLISHED) == set(COUNTS) | set(NOT_BUILT)
    assert {name: (PUBLISHED[name].params, PUBLISHED[name].macs) for name in NOT_BUILT} == NOT_BUILT


def test_parameters_and_macs(network):
    model, row, params, gmacs, macs = network
    assert count_module(model).parameters == params == row.params
    counted = count_module_macs(model, (1, 3, row.resolution, row.resolution), strict=True)
    assert round(counted.macs / 1e9, 3) == gmacs and counted.macs == row.macs
    assert macs in (None, counted.macs)
    assert counted.not_called == ()


@pytest.mark.parametrize("name", ["AlexNet", "MobileNetV2", "ResNet-18", "SqueezeNet 1.1", "ShuffleNetV2 x1.0", "GhostNet"])
def test_fvcore_counts_the_same(name):
    model = BUILDERS[name]().eval()  # fvcore traces, which needs real tensors
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
