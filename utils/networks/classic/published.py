"""What others have published about these networks: parameters, MACs, ImageNet accuracy, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

TORCHVISION = "torchvision's weights metadata (IMAGENET1K_V1)"
TIMM = "timm 1.0.31, its constructor counted"
AS_OF = "2026-11"


@dataclass(frozen=True)
class PublishedNet:
    """One network of 1,000 classes at its standard `resolution` (pixels a side).

    `params` are trainable parameters, `macs` the multiply-accumulates of one image. Where a source rounds them
    (0.145 G), the table has them to the unit, as counted in its network. `imagenet_top1` is in percent, cited, never
    measured here, and None where no source was found; recipes differ, so it does not compare the networks alone.
    """

    params: int
    macs: int
    imagenet_top1: float | None
    resolution: int
    year: int
    source: str


def _vision(params: int, macs: int, top1: float, year: int) -> PublishedNet:
    return PublishedNet(params, macs, top1, 224, year, TORCHVISION)


PUBLISHED: dict[str, PublishedNet] = {
    "AlexNet": _vision(61_100_840, 714_188_480, 56.522, 2012),
    "VGG-16": _vision(138_357_544, 15_470_264_320, 71.592, 2014),
    "ResNet-18": _vision(11_689_512, 1_814_073_344, 69.758, 2015),
    "ResNet-34": _vision(21_797_672, 3_663_761_408, 73.314, 2015),
    "ResNet-50": _vision(25_557_032, 4_089_184_256, 76.130, 2015),
    "ResNet-101": _vision(44_549_160, 7_801_405_440, 77.374, 2015),
    "SqueezeNet 1.0": _vision(1_248_424, 818_924_576, 58.092, 2016),
    "SqueezeNet 1.1": _vision(1_235_496, 349_151_936, 58.178, 2016),
    "Xception": PublishedNet(22_855_952, 8_357_403_496, 79.0, 299, 2016,
                             "timm legacy_xception; top-1: Keras Applications"),
    "MobileNetV1": PublishedNet(4_231_976, 568_740_352, 70.6, 224, 2017, "Howard et al. 2017 (4.2 M, 569 M MACs)"),
    "MobileNetV2": _vision(3_504_872, 300_774_272, 71.878, 2018),
    "ShuffleNetV2 x0.5": _vision(1_366_792, 40_476_448, 60.552, 2018),
    "ShuffleNetV2 x1.0": _vision(2_278_604, 144_907_992, 69.362, 2018),
    "ShuffleNetV2 x1.5": _vision(3_503_624, 295_759_392, 72.996, 2018),
    "ShuffleNetV2 x2.0": _vision(7_393_996, 583_253_464, 76.230, 2018),
    "MobileNetV3-Large": _vision(5_483_032, 216_589_760, 74.042, 2019),
    "EfficientNet-Lite0": PublishedNet(4_652_008, 385_187_552, None, 224, 2020, TIMM),
    "GhostNet": PublishedNet(5_182_508, 141_150_512, 73.93, 224, 2020,
                             "timm ghostnet_100; top-1: the authors' released weights (error 26.066 %)"),
    "FasterNet-T0": PublishedNet(3_905_500, 335_422_720, None, 224, 2023, TIMM),
    "MobileNetV4-Conv-S": PublishedNet(3_774_024, 186_005_568, None, 224, 2024, TIMM),
}
