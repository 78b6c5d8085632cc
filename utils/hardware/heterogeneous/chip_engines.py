"""The engines on one edge chip, as an example of what "heterogeneous" means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """One kind of processor on a chip: how it stands in the data sheet, and what a camera application gives it."""

    name: str
    on_chip: str
    does: str


# Read in November 2026: the block diagram of Rockchip's "RK3588 Brief Datasheet" (2022) for all rows but the NPU's;
# the NPU's cores in Linux (Documentation/accel/rocket, devicetree binding rockchip,rk3588-rknn-core).
AS_OF = "November 2026"
SOURCE = "Rockchip, RK3588 Brief Datasheet (2022), block diagram; NPU cores: Linux kernel, accel/rocket"
RK3588 = (
    Engine("big CPU cores", "4 × Cortex-A76", "control, tracking, what no other engine can"),
    Engine("small CPU cores", "4 × Cortex-A55", "the same instructions at less power"),
    Engine("microcontrollers", "3 × Cortex-M0", "power management, always-on work"),
    Engine("GPU", "Mali-G610", "graphics, parallel kernels"),
    Engine("NPU", "3 cores", "convolutions and matrix products"),
    Engine("ISP (image signal processor)", "dual pipe", "raw sensor data to pictures"),
    Engine("video decoder", "H.265, H.264, VP9", "a stream to frames"),
    Engine("video encoder", "H.265, H.264", "frames to a stream"),
    Engine("JPEG codec", "encoder, decoder", "single pictures"),
    Engine("2D engine", "graphics engine", "resize, rotate, change colour formats"),
)
