"""Edge boards, modules and chips as data. A figure that nobody states, or that was not confirmed, is None.

GPUs of data centres and desktops are in `hardware.gpu_arch`, other data-centre chips in `datacenter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from utils.hardware.chips.platform import Platform, lpddr_gb_s

_COMPUTERS = (
    Platform("Raspberry Pi 5 8GB", "Raspberry Pi", "board", 8, lpddr_gb_s(32, 4267), None,
             "Raspberry Pi documentation, BCM2712: 32-bit LPDDR4X, up to 17 GB/s; product brief: LPDDR4X-4267",
             "checked"),
    Platform("Snapdragon 8 Gen 3 phone 12GB", "Qualcomm", "phone", 12, lpddr_gb_s(64, 9600), None,
             "Qualcomm, Snapdragon 8 Gen 3 (2023): LPDDR5X at up to 4,800 MHz; four 16-bit channels as others report",
             "computed", note="phones with this chip are sold with 8 to 24 GB"),
    Platform("MacBook Air M2 16GB", "Apple", "laptop", 16, 100.0, None,
             "Apple, MacBook Air (M2, 2022): 100 GB/s memory bandwidth", "reported"),
)

_MODULES = (
    Platform("Jetson Orin Nano Super 8GB", "NVIDIA", "module", 8, lpddr_gb_s(128, 6400), (7.0, 25.0),
             "NVIDIA, Jetson Orin Nano Super Developer Kit (2024): 67 TOPS, 128-bit LPDDR5, 102 GB/s, 7 to 25 W",
             "reported", headline_tops=67.0, sparse=True),
    Platform("Jetson AGX Orin 64GB", "NVIDIA", "module", 64, lpddr_gb_s(256, 6400), (15.0, 60.0),
             "NVIDIA, Jetson AGX Orin series technical brief (275 sparse TOPS, 256-bit LPDDR5, 15 to 60 W); "
             "NVIDIA/Deep-Learning-Accelerator-SW on GitHub: GPU 171 and two DLAs 105 sparse INT8 TOPS",
             "checked", headline_tops=275.0, sparse=True,
             note="the headline adds the GPU and two DLAs (deep-learning accelerators)"),
    Platform("Jetson T5000", "NVIDIA", "module", 128, lpddr_gb_s(256, 8533), (40.0, 130.0),
             "NVIDIA, Jetson Thor (2025), as reported: 2,070 sparse FP4 TFLOP/s, 128 GB, 273 GB/s, 40 to 130 W",
             "reported", headline_tops=2070.0, bits=4, sparse=True, note="the module of the Jetson Thor series"),
)

_SOCS = (
    Platform("RK3588", "Rockchip", "SoC", None, lpddr_gb_s(64, 4224), None,
             "Rockchip, RK3588 Brief Datasheet (2022): NPU of up to 6 TOPS; boards: 64-bit LPDDR4X-4224, up to 34 GB/s",
             "computed", headline_tops=6.0, note="three NPU cores, so 2 TOPS each"),
    Platform("AX650N", "Axera", "SoC", None, None, None,
             "Axera's figures in the blog jas-hacks (September 2024): 72 TOPS at INT4, 18 TOPS at INT8",
             "reported", headline_tops=72.0, bits=4, step_ratio=4.0, note="INT8 is a quarter of INT4, not half"),
    Platform("Horizon X3M", "Horizon Robotics", "SoC", None, None, None,
             "Horizon's RDK X3 documentation: 5 TOPS; its X3M manual as quoted: 5 TOPS \"equivalent\"",
             "checked", headline_tops=5.0, note="how \"equivalent\" is counted is not stated"),
    Platform("STM32MP25", "STMicroelectronics", "SoC", None, None, None,
             "ST, wiki article STM32MP2 NPU description: 1.2 TOPS at 800 MHz, 8-bit networks only",
             "checked", headline_tops=1.2, int8_only=True),
    Platform("KL720", "Kneron", "SoC", None, None, None,
             "Kneron documentation (doc.kneron.com) names the chip and its tools; no TOPS figure was confirmed",
             "unconfirmed"),
    Platform("CV22", "Ambarella", "SoC", None, None, None, "named in interviews; no figure of Ambarella was confirmed",
             "unconfirmed"),
    Platform("NT98566", "Novatek", "SoC", None, None, None, "named in interviews; no figure of Novatek was confirmed",
             "unconfirmed"),
)

_ACCELERATORS = (
    Platform("Ascend 310", "Huawei (HiSilicon)", "accelerator", None, None, (8.0, 8.0),
             "HiSilicon newsroom, 10 October 2018: 16 TOPS INT8 and 8 TFLOP/s FP16 at 8 W in a typical configuration",
             "checked", headline_tops=16.0),
    Platform("Edge TPU", "Google Coral", "accelerator", None, None, (2.0, 2.0),
             "coral.ai, Edge TPU FAQ: 4 TOPS (fixed point) at 2 W", "checked", headline_tops=4.0, on_chip=True,
             int8_only=True, note="parameters that do not fit on the chip come from the host"),
    Platform("Hailo-8", "Hailo", "accelerator", None, None, (2.5, 2.5),
             "CNX Software (2020) on Hailo's figures: 26 TOPS, no external DRAM; 2.5 W typical as others report",
             "reported", headline_tops=26.0, on_chip=True, note="2.5 W is typical, not the maximum"),
    Platform("BM1684X", "SOPHGO", "accelerator", None, None, None,
             "SOPHGO libsophon documentation (the chip); 32 TOPS INT8 and 16 TFLOP/s FP16 as others report",
             "reported", headline_tops=32.0, note="developed by SOPHGO; the SOPHON line began at Bitmain"),
    Platform("MLU220-M.2", "Cambricon", "accelerator", None, None, (8.25, 8.25),
             "Cambricon's product page as others quote it: 8 TOPS INT8, 8.25 W, M.2 card", "reported",
             headline_tops=8.0),
    Platform("Myriad X", "Intel (Movidius)", "accelerator", None, None, (1.5, 1.5),
             "Movidius' announcement (2017) in Tom's Hardware and AnandTech: 4 TOPS in all, within 1.5 W; its neural "
             "engine more than 1 TOPS", "reported",
             note="no number format is stated, so nothing can be converted; 4 TOPS count every engine of the chip"),
)

PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {row.name: row for row in (*_COMPUTERS, *_MODULES, *_SOCS, *_ACCELERATORS)})
