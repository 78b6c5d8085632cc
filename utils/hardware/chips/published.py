"""What makers measured or state beside the headline: rates of real networks, and TOPS by power mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from utils.hardware.chips.platform import AS_OF


@dataclass(frozen=True)
class Workload:
    """One inference: its multiply–accumulates and the bytes that cross DRAM.

    The bytes are a first-order count: each weight once, and each activation once. `on_chip_ok` says whether the
    weights of an INT8 version are a few MB, so that a chip without DRAM can hold them.
    """

    name: str
    macs: float
    nbytes: float
    on_chip_ok: bool = True


# MACs, weights and outputs of all layers (one byte each) of the networks in utils.networks.classic, counted in the
# tests. The last row reads all matmul weights of Llama-3-8B (7,504,658,432) at 4 bits, and no KV cache.
WORKLOADS: Mapping[str, Workload] = MappingProxyType({w.name: w for w in (
    Workload("MobileNetV2", 300.8e6, 10.2e6),
    Workload("ResNet-50", 4.089e9, 36.7e6, on_chip_ok=False),
    Workload("8 B LLM, 4 bit, one token", 7.505e9, 3.752e9, on_chip_ok=False),
)})


@dataclass(frozen=True)
class MeasuredRate:
    """A maker's measurement: inferences a second of a network, and the dense 8-bit TOPS of the engines that ran it."""

    platform: str
    network: str
    per_s: float
    macs: float
    tops: float
    source: str
    gb_each: float | None = None  # GB that one inference must read, where memory is what counts
    as_of: str = AS_OF


MEASURED = (
    MeasuredRate("Hailo-8", "MobileNetV2", 2434, 300.8e6, 26.0,
                 "hailo-ai/hailo_model_zoo on GitHub, HAILO8_classification.rst (v2.11)"),
    MeasuredRate("Hailo-8", "ResNet-50", 1394, 3.49e9, 26.0,
                 "hailo-ai/hailo_model_zoo on GitHub, HAILO8_classification.rst (v2.11): 6.98 G operations"),
    MeasuredRate("Edge TPU", "MobileNetV2", 400, 300.8e6, 4.0, "coral.ai, Edge TPU FAQ: \"almost 400 FPS\""),
    MeasuredRate("RK3588", "MobileNetV2", 433, 300.8e6, 2.0,
                 "Rockchip's rknn_model_zoo on GitHub, README: one of three cores, INT8"),
    MeasuredRate("STM32MP25", "MobileNetV2", 72, 300.8e6, 1.2, "ST, wiki article STM32MP2 NPU description"),
    MeasuredRate("Jetson Orin Nano Super 8GB", "Llama 3.1 8B, 4 bit", 19.14, 7.505e9, 33.5,
                 "NVIDIA's blog on the Super mode (2024), as others quote it: INT4, tokens a second of one user",
                 gb_each=3.752),
)


@dataclass(frozen=True)
class PowerMode:
    """A power mode of a Jetson module: watts (None for no limit) and sparse INT8 TOPS of its engines."""

    name: str
    watts: float | None
    gpu_tops: float
    dla_tops: float

    @property
    def sparse_tops(self) -> float:
        """GPU and both DLAs together."""
        return self.gpu_tops + self.dla_tops


# NVIDIA/Deep-Learning-Accelerator-SW on GitHub, README: distribution of DL TOPS on a Jetson AGX Orin 64GB.
ORIN_64GB_MODES = (PowerMode("MAXN", None, 171, 105), PowerMode("50 W", 50, 109, 92), PowerMode("30 W", 30, 41, 90),
                   PowerMode("15 W", 15, 14, 40))
