"""Devices for the roofline, from data sheets: dense peaks by number format and memory bandwidth.

Data sheets don't give the cost of a launch. `LAUNCH_US` is a round figure for a kernel launched from Python,
used for all of them; measure your own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from utils.cost.roofline import Device
from utils.hardware.gpu_arch import GPUS

LAUNCH_US = 5.0
NAMES = ("H100 SXM", "A100 80GB", "L4", "T4", "RTX 4090")

# Jetson AGX Orin series technical brief: GPU of the 64 GB module 5.3 TFLOP/s in FP32, 170 sparse INT8 TOPS (so 85
# dense, and half of that in FP16), 256-bit LPDDR5 at 204.8 GB/s; its two DLAs are not counted.
AGX_ORIN = Device("Jetson AGX Orin 64GB", MappingProxyType({"fp32": 5_300.0, "fp16": 42_500.0, "int8": 85_000.0}),
                  204.8, LAUNCH_US)


def roofline_devices(launch_us: float = LAUNCH_US) -> Mapping[str, Device]:
    """The data-sheet devices by name, peaks in GFLOP/s (for integers GOP/s); `launch_us` is an assumption."""
    gpus = [Device(name, MappingProxyType({k: 1e3 * v for k, v in GPUS[name].peak_tflop_s.items()}),
                   GPUS[name].mem_gb_s, launch_us) for name in NAMES]
    orin = Device(AGX_ORIN.name, AGX_ORIN.peak_gflop_s, AGX_ORIN.mem_gb_s, launch_us)
    return MappingProxyType({device.name: device for device in (*gpus, orin)})


SOURCES: Mapping[str, str] = MappingProxyType({
    **{name: GPUS[name].source for name in NAMES}, AGX_ORIN.name: "Jetson AGX Orin series technical brief, GPU only"})
