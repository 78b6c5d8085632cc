"""The parts of a system-on-chip for cameras and edge devices, and what one real chip has of each."""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2026-11"


@dataclass(frozen=True)
class SocModule:
    """One part of a chip. `in_list` says which entry of the interview document's list it is, or "" for none."""

    name: str
    does: str
    rk3588: str
    in_list: str


MODULES = (
    SocModule("video codec", "decodes and encodes H.264, H.265 and others", "H.265: 8K60 in, 8K30 out", "1"),
    SocModule("CPU cluster", "runs Linux and the application", "4 × Cortex-A76, 4 × Cortex-A55", "2"),
    SocModule("NPU", "runs the network", "6 TOPS in INT8, three cores", "3"),
    SocModule("GPU", "draws; computes what the NPU can't", "Mali-G610 MP4", "4"),
    SocModule("DSP", "vision and audio in software, many values an instruction", "none for vision", "5"),
    SocModule("DDR controller", "speaks to the DRAM chips beside the SoC", "64 bit, LPDDR4X or LPDDR5", "6"),
    SocModule("ISP", "makes an image of a sensor's raw data", "yes, for several cameras", "7"),
    SocModule("2-D engine", "scales, crops, rotates, converts colours", "RGA", "7"),
    SocModule("display", "reads frames and overlays, drives screens", "HDMI, DisplayPort, MIPI DSI", ""),
    SocModule("interconnect, DMA", "moves data between all of these, and caches", "yes", ""),
    SocModule("sensor and network ports", "MIPI CSI, Ethernet, PCIe, USB", "all four", ""),
    SocModule("security", "secure boot, keys, protected memory", "TrustZone", ""),
)
SOURCE = ("Rockchip, RK3588 Brief Datasheet (2022), as stored by others; codec and NPU figures also by CNX Software "
          "and Notebookcheck; the 2-D engine's name (RGA) from Rockchip's driver")
