"""Edge boards and chips as data: what the maker states, where it is said, and how sure we are.

GPUs of data centres and desktops are in `gpu_arch`. A figure that nobody states is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from utils.cost.checks import positive

Confidence = Literal["checked", "reported", "computed"]


@dataclass(frozen=True)
class Platform:
    """One board or chip, with the configuration that the row means.

    headline_tops: the maker's figure, at `bits` and, if `sparse`, counting skipped zeros; None where none is stated.
    step_ratio: how much faster the chip is when the bits are halved.
    mem_gb, mem_gb_s: DRAM and its peak bandwidth in decimal GB; None for unknown or on-chip memory only.
    watts: lowest and highest power mode. confidence: "checked" was read in the maker's own text, "reported" is the
    maker's figure as others quote it, "computed" follows from stated bus and clock.
    """

    name: str
    vendor: str
    kind: str
    mem_gb: float | None
    mem_gb_s: float | None
    watts: tuple[float, float] | None
    source: str
    confidence: Confidence
    headline_tops: float | None = None
    bits: int = 8
    sparse: bool = False
    step_ratio: float = 2.0
    note: str = ""


def lpddr_gb_s(bus_bits: int, mega_transfers: float) -> float:
    """Peak GB/s (1e9 bytes) of a DRAM bus: its bits over 8, times millions of transfers a second.

    Raises ValueError unless both are positive.

    >>> lpddr_gb_s(128, 6400)
    102.4
    """
    positive(bus_bits=bus_bits, mega_transfers=mega_transfers)
    return bus_bits * mega_transfers / 8000


_ROWS = (
    Platform("Raspberry Pi 5 8GB", "Raspberry Pi", "board", 8, lpddr_gb_s(32, 4267), None,
             "Raspberry Pi documentation, BCM2712: 32-bit LPDDR4X, up to 17 GB/s; product brief: LPDDR4X-4267",
             "checked"),
    Platform("Snapdragon 8 Gen 3 phone 12GB", "Qualcomm", "phone", 12, lpddr_gb_s(64, 9600), None,
             "Qualcomm, Snapdragon 8 Gen 3 (2023): LPDDR5X at up to 4,800 MHz; four 16-bit channels as others report",
             "computed", note="phones with this chip are sold with 8 to 24 GB"),
    Platform("MacBook Air M2 16GB", "Apple", "laptop", 16, 100.0, None,
             "Apple, MacBook Air (M2, 2022): 100 GB/s memory bandwidth", "reported"),
    Platform("Jetson Orin Nano Super 8GB", "NVIDIA", "module", 8, lpddr_gb_s(128, 6400), (7.0, 25.0),
             "NVIDIA, Jetson Orin Nano Super Developer Kit (2024): 67 TOPS, 128-bit LPDDR5, 102 GB/s, 7 to 25 W",
             "reported", headline_tops=67.0, sparse=True),
)

PLATFORMS: Mapping[str, Platform] = MappingProxyType({row.name: row for row in _ROWS})
