"""The units of one SM, generation by generation: what the whitepapers draw, as counts.

FP64 counts agree with the peaks in `gpus`, and shared memory with `sm_limits` (tests).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from utils.cost.checks import non_negative

Sharing = Literal["same lanes", "own lanes", "half of the lanes", "unknown"]


@dataclass(frozen=True)
class SmUnits:
    """One SM. `gpu` names its row in GPUS; lanes are results in a cycle.

    sharing: on which lanes integers run: the same as FP32, lanes of their own, or half of the FP32 lanes.
    l1_shared_kib: L1 cache and shared memory in one block; None where they are apart.
    """

    chip: str
    gpu: str
    arch: str
    quarters: int
    fp32: int
    int32: int | None
    sharing: Sharing
    fp64: int
    tensor: int
    l1_shared_kib: int | None
    source: str
    registers_kib: int = 256


_ROWS = (
    SmUnits("GP100", "P100", "Pascal", 2, 64, 64, "same lanes", 32, 0, None, "Tesla P100 whitepaper"),
    SmUnits("GV100", "V100", "Volta", 4, 64, 64, "own lanes", 32, 8, 128, "V100 whitepaper"),
    SmUnits("TU104", "T4", "Turing", 4, 64, 64, "own lanes", 2, 8, 96, "Turing whitepaper"),
    SmUnits("GA100", "A100 80GB", "Ampere", 4, 64, 64, "own lanes", 32, 4, 192, "A100 whitepaper"),
    SmUnits("GA102", "RTX 3090", "Ampere", 4, 128, 64, "half of the lanes", 2, 4, 128, "GA102 whitepaper"),
    SmUnits("AD102", "RTX 4090", "Ada", 4, 128, 64, "half of the lanes", 2, 4, 128, "Ada whitepaper"),
    SmUnits("GH100", "H100 SXM", "Hopper", 4, 128, 64, "own lanes", 64, 4, 256, "H100 whitepaper"),
    SmUnits("B200", "B200", "Blackwell", 4, 128, None, "unknown", 64, 4, 256,
            "Blackwell Tuning Guide; FP32 and FP64 from the peaks of the data sheet; INT32 is not stated there"),
    SmUnits("GB202", "RTX 5090", "Blackwell", 4, 128, 128, "same lanes", 2, 4, 128, "RTX Blackwell whitepaper"),
)
SM_UNITS: Mapping[str, SmUnits] = MappingProxyType({row.chip: row for row in _ROWS})


def lane_cycles(units: SmUnits, fp32_ops: int, int32_ops: int) -> float | None:
    """Cycles of one SM for a mix of independent FP32 and INT32 operations, issue and memory left aside.

    Lanes of their own work at the same time; the same lanes take turns. None where the integer lanes are unknown.
    Raises ValueError for negative counts.

    >>> [lane_cycles(SM_UNITS[chip], 6400, 3200) for chip in ("GP100", "GV100")]
    [150.0, 100.0]
    """
    non_negative(fp32_ops=fp32_ops, int32_ops=int32_ops)
    if units.int32 is None:
        return None
    if units.sharing == "own lanes":
        return max(fp32_ops / units.fp32, int32_ops / units.int32)
    return max((fp32_ops + int32_ops) / units.fp32, int32_ops / units.int32)
