"""How many streams a chip serves: every module has a limit, the smallest one counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from utils.cost.checks import non_negative, positive
from utils.hardware.chips import lpddr_gb_s

LIMITS = ("decode", "encode", "npu", "ddr")
NEARLY = 1e-9  # a quotient this near to a whole number is one: 0.1 * 3 / 0.1 should be 3


@dataclass(frozen=True)
class Soc:
    """A chip by its limits: megapixels a second (1e6) of the codecs, NPU cores, DRAM peak, and the share of it to plan.

    `source` says where the figures come from; "illustrative" marks made-up chips.
    """

    name: str
    decode_mpix_s: float
    encode_mpix_s: float
    npu_cores: int
    ddr_gb_s: float
    source: str
    ddr_derate: float = 0.6


@dataclass(frozen=True)
class StreamReport:
    """Streams that fit, the limit of each module (whole streams), and the module that sets it."""

    streams: int
    limits: Mapping[str, int]
    bottleneck: str


_ROWS = (
    Soc("RK3588", 7680 * 4320 * 60 / 1e6, 7680 * 4320 * 30 / 1e6, 3, 33.8,
        "Rockchip's figures as boards quote them: H.265 decoding 8K60, encoding 8K30, 6 TOPS in three NPU cores, "
        "64-bit LPDDR4X or LPDDR5, up to 34 GB/s"),
    Soc("4K camera chip", 3840 * 2160 * 30 / 1e6, 3840 * 2160 * 30 / 1e6, 1, lpddr_gb_s(32, 2133),
        "illustrative: codecs for one 4K30 stream, one NPU core, 32-bit memory at 2,133 MT/s"),
    Soc("fast NPU, narrow bus", 7680 * 4320 * 60 / 1e6, 7680 * 4320 * 60 / 1e6, 8, lpddr_gb_s(32, 4267),
        "illustrative: codecs for 8K60, eight NPU cores, a 32-bit bus at 4,267 MT/s"),
)
SOCS: Mapping[str, Soc] = MappingProxyType({row.name: row for row in _ROWS})


def stream_budget(soc: Soc, width: int, height: int, fps: float, npu_ms: float, bytes_per_frame: int,
                  decode: bool = True, encode: bool = True) -> StreamReport:
    """Whole streams of width x height at `fps` that `soc` serves when the network takes `npu_ms` on one core.

    `decode` and `encode` say whether the streams use these engines. Raises ValueError for values that are not positive.
    """
    positive(width=width, height=height, fps=fps, npu_ms=npu_ms, bytes_per_frame=bytes_per_frame)
    pixels = width * height * fps
    exact = {"decode": soc.decode_mpix_s * 1e6 / pixels, "encode": soc.encode_mpix_s * 1e6 / pixels,
             "npu": soc.npu_cores * 1000 / (npu_ms * fps),
             "ddr": soc.ddr_gb_s * soc.ddr_derate * 1e9 / (bytes_per_frame * fps)}
    used = {"decode": decode, "encode": encode}
    limits = {name: whole(value) for name, value in exact.items() if used.get(name, True)}
    bottleneck = min(limits, key=limits.get)  # the first of equal ones
    return StreamReport(limits[bottleneck], MappingProxyType(limits), bottleneck)


def max_streams(soc: Mapping[str, float], fps: float, w: int, h: int, npu_ms: float,
                bytes_per_frame: int) -> tuple[int, str]:
    """(streams, bottleneck) of a chip given as a dict with the fields of `Soc`; all four modules are used."""
    report = stream_budget(Soc("", source="", **soc), w, h, fps, npu_ms, bytes_per_frame)
    return report.streams, report.bottleneck


def whole(value: float) -> int:
    """The floor, but a value within 1e-9 below a whole number is that number. ValueError for negative values."""
    non_negative(value=value)
    return math.floor(value + NEARLY)
