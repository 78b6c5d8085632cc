"""One row of the table: what a maker states about a chip, and how its headline becomes a comparable number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cost.checks import positive

Confidence = Literal["checked", "reported", "computed", "unconfirmed"]
AS_OF = "November 2026"  # when the sources were read
SPARSE_FACTOR = 2.0  # 2:4 sparsity: two of four weights are zero, and skipping them doubles the headline


@dataclass(frozen=True)
class Platform:
    """One board or chip, with the configuration that the row means.

    headline_tops: the maker's figure, at `bits` and, if `sparse`, counting skipped zeros; None where none is stated,
    or where it could not be confirmed.
    step_ratio: how much faster the chip is when the bits are halved.
    mem_gb, mem_gb_s: DRAM and its peak bandwidth in decimal GB; None for unknown or on-chip memory only.
    on_chip: no DRAM of its own, the network has to fit on the chip (or comes from the host).
    int8_only: runs 8-bit networks and nothing else.
    watts: lowest and highest power mode; equal where one figure is stated.
    confidence: "checked" was read in the maker's own text, "reported" is the maker's figure as others quote it,
    "computed" follows from stated bus and clock, "unconfirmed" rows have no figure.
    as_of: when the source was read.
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
    on_chip: bool = False
    int8_only: bool = False
    as_of: str = AS_OF


def lpddr_gb_s(bus_bits: int, mega_transfers: float) -> float:
    """Peak GB/s (1e9 bytes) of a DRAM bus: its bits over 8, times millions of transfers a second.

    Raises ValueError unless both are positive.

    >>> lpddr_gb_s(128, 6400)
    102.4
    """
    positive(bus_bits=bus_bits, mega_transfers=mega_transfers)
    return bus_bits * mega_transfers / 8000


def dense_equiv(headline: float, bits: int, sparse: bool, target_bits: int = 8, step_ratio: float = 2.0) -> float:
    """A headline as dense operations a second at `target_bits`, in the unit of the headline.

    Half of a sparse headline counts zeros. Each doubling of the bits then divides by `step_ratio`. Bits are powers of
    two. Raises ValueError "fewer bits" for target_bits < bits: a chip need not have units for narrower numbers.

    >>> dense_equiv(2070, 4, True)
    517.5
    """
    if target_bits < bits:
        raise ValueError(f"target_bits must not be fewer bits than the headline's {bits}, got {target_bits}")
    doublings = (target_bits // bits).bit_length() - 1
    return headline / (SPARSE_FACTOR if sparse else 1.0) / step_ratio**doublings


def dense_tops(p: Platform, bits: int = 8) -> float | None:
    """Dense TOPS of a platform at `bits`; None where it has no headline, or runs 8-bit networks only and bits is more.

    Raises ValueError "fewer bits".
    """
    if p.headline_tops is None or (p.int8_only and bits > 8):
        return None
    return dense_equiv(p.headline_tops, p.bits, p.sparse, bits, p.step_ratio)
