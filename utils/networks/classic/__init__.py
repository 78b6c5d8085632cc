"""Classic image classifiers, built block by block from their papers' tables, with random weights.

Under `torch.device("meta")` they have shapes only: counting needs no weights. This module only gathers names; each
lives in the file that its import line says.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from utils.networks.classic.block_costs import (
    cheapest_block,
    fire_params,
    ghost_weights,
    separable_cost,
    separable_weights,
)
from utils.networks.classic.large import alexnet, resnet, vgg16
from utils.networks.classic.light import ghostnet, mobilenet_v1, mobilenet_v2, shufflenet_v2, squeezenet, xception
from utils.networks.classic.profile import (
    LIGHTWEIGHT,
    Family,
    StageCost,
    build_light,
    count_buffers,
    count_macs,
    count_parameters,
    stage_profile,
)
from utils.networks.classic.published import AS_OF, PUBLISHED, PublishedNet

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

__all__ = [
    "AS_OF", "CLASSIFIERS", "LIGHTWEIGHT", "PUBLISHED", "Family", "PublishedNet", "StageCost", "alexnet", "build_light",
    "cheapest_block", "count_buffers", "count_macs", "count_parameters", "fire_params", "ghost_weights", "ghostnet",
    "mobilenet_v1", "mobilenet_v2", "resnet", "separable_cost", "separable_weights", "shufflenet_v2", "squeezenet",
    "stage_profile", "vgg16", "xception",
]
