"""Channel alignment: hardware computes whole tiles of channels, and pads what does not fill one.

`GRANULES` says how many channels a tile has, by product and number format.
"""

from __future__ import annotations

from dataclasses import dataclass

from utils.cost.checks import positive


@dataclass(frozen=True)
class Granule:
    """Channels that a device handles at once (of input, of output), for which format, and where that is documented."""

    device: str
    dtype: str
    c_in: int
    c_out: int
    rule: str
    source: str
    as_of: str


_GEMM = "NVIDIA, Matrix Multiplication Background User's Guide, DU-09799, February 2023, section 2.2"
GRANULES: tuple[Granule, ...] = (
    Granule("NVIDIA tensor cores", "fp16", 8, 8, "most efficient with multiples of 16 bytes", _GEMM, "2023-02"),
    Granule("NVIDIA tensor cores", "int8", 16, 16, "most efficient with multiples of 16 bytes", _GEMM, "2023-02"),
    Granule("NVIDIA A100, best speed", "fp16", 64, 64, "most efficient with multiples of 128 bytes", _GEMM, "2023-02"),
    Granule("Qualcomm Hexagon Tensor Processor", "int8", 32, 32, "channels are stored in multiples of 32",
            "Qualcomm, HTP guidelines, 80-63442-10: number of channels; avoid low depth activations", "2026-11"),
    Granule("AMD DPUCAHX8H (an FPGA's CNN engine)", "int8", 16, 16, "channel_parallel = 16",
            "AMD, DPUCAHX8H Product Guide, PG367, July 2021", "2021-07"),
    Granule("TI NPU of microcontrollers", "int8", 4, 4, "other layers fall back to the processor",
            "Texas Instruments, NPU Guidelines: layer constraints", "2026-11"),
)


def _padded(c: int, granule: int) -> int:
    return -(-c // granule) * granule


def channel_utilisation(c: int, granule: int) -> float:
    """The share of a padded tile that does useful work: c over c rounded up to a multiple of granule.

    >>> channel_utilisation(36, 16)
    0.75
    """
    positive(c=c, granule=granule)
    return c / _padded(c, granule)


def padded_macs(h_out: int, w_out: int, c_in: int, c_out: int, k: int, granule_in: int, granule_out: int) -> int:
    """Multiply–accumulates that the hardware spends when it pads both channel counts to its granules."""
    positive(h_out=h_out, w_out=w_out, c_in=c_in, c_out=c_out, k=k, granule_in=granule_in, granule_out=granule_out)
    return h_out * w_out * k * k * _padded(c_in, granule_in) * _padded(c_out, granule_out)
