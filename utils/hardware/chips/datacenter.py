"""Data-centre chips that are often named beside edge chips, in the same form. NVIDIA's GPUs are in `gpu_arch`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from utils.hardware.chips.platform import Platform

GIB = 2**30 / 1e9  # GB in a GiB

_ROWS = (
    Platform("TPU v1", "Google", "data centre", 8 * GIB, 34.0, None,
             "Jouppi et al., In-Datacenter Performance Analysis of a Tensor Processing Unit (ISCA 2017): 65,536 8-bit "
             "MACs at 700 MHz, 92 TOPS, 34 GB/s", "reported", headline_tops=92.0, note="integers only"),
    Platform("TPU v3", "Google", "data centre", 32 * GIB, 900.0, (123.0, 262.0),
             "Google Cloud documentation, TPU v3: 123 TFLOP/s BF16 a chip, 32 GiB HBM2 at 900 GB/s, measured 123 to "
             "262 W", "checked", headline_tops=123.0, bits=16, note="the often quoted 420 are a board of four chips"),
    Platform("TPU v4", "Google", "data centre", 32 * GIB, 1200.0, (90.0, 192.0),
             "Google Cloud documentation, TPU v4: 275 TFLOP/s (BF16 or INT8) a chip, 32 GiB HBM2 at 1200 GB/s, "
             "measured 90 to 192 W", "checked", headline_tops=275.0, step_ratio=1.0),
    Platform("TPU7x", "Google", "data centre", 192 * GIB, None, None,
             "Google Cloud documentation, TPU7x (Ironwood): 4614 TFLOP/s FP8, 2307 BF16, 192 GiB a chip", "checked",
             headline_tops=4614.0, note="bandwidth was not read"),
    Platform("Ascend 910", "Huawei (HiSilicon)", "data centre", None, None, (350.0, 350.0),
             "Huawei Connect 2018 as golem.de and ChinaAET report: 512 TOPS INT8, 256 TFLOP/s FP16, up to 350 W",
             "reported", headline_tops=512.0),
)

DATACENTER: Mapping[str, Platform] = MappingProxyType({row.name: row for row in _ROWS})
