"""From a memory clock to GB/s: one memory is shown with four different clocks.

Peak bandwidth = transfers per clock * clock * bus width / 8, where the multiple depends on the memory *and*
on whose clock is printed.

>>> peak_bandwidth_gb_s(1750, 256, TRANSFERS_PER_CLOCK["gddr6"]["ck"])  # as spec databases print it
448.0
>>> peak_bandwidth_gb_s(7000, 256, TRANSFERS_PER_CLOCK["gddr6"]["nvml"])  # the same memory in nvidia-smi
448.0
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from utils.cost.checks import positive

_HBM = {"ck": 2, "amdgpu": 2, "nvml": 2, "effective": 1}

# Bits a pin moves per cycle of the clock that is shown.
#   ck         command clock, as spec databases quote it (GDDR6X and GDDR7 by their convention)
#   wck        LPDDR5's write clock, which board vendors quote; its command clock is four times slower
#   amdgpu     memory-controller clock in sysfs before RDNA3 (RDNA3 shows GDDR6's command clock)
#   nvml       nvidia-smi and CUDA: half the data rate, whatever the memory
#   effective  the data rate itself
# Sources: drm/amdgpu commit ccda42a4629a and its later RDNA3 note (HBM, GDDR5, GDDR6); Micron GDDR6 data
# sheet 2018 (8 bits per CK); NVIDIA developer forum 198730 (RTX 3090: 9751 MHz x 2, A100: 1215 MHz x 2);
# JEDEC JESD209-5 (LPDDR5 CK and WCK).
TRANSFERS_PER_CLOCK: dict[str, dict[str, int]] = {
    "ddr5": {"ck": 2, "effective": 1},
    "lpddr5": {"ck": 8, "wck": 2, "effective": 1},
    "gddr5": {"ck": 4, "amdgpu": 4, "nvml": 2, "effective": 1},
    "gddr6": {"ck": 8, "amdgpu": 16, "nvml": 2, "effective": 1},
    "gddr6x": {"ck": 16, "nvml": 2, "effective": 1},
    "gddr7": {"ck": 16, "nvml": 2, "effective": 1},
    "hbm2": _HBM,
    "hbm2e": _HBM,
    "hbm3": _HBM,
    "hbm3e": _HBM,
}


@dataclass(frozen=True)
class MemorySpec:
    """One product's memory: the clock that `convention` shows, the bus, and the published GB/s."""

    name: str
    mem_type: str
    clock_mhz: float
    convention: str
    bus_bits: int
    published_gb_s: float
    source: str

    @property
    def data_rate_gbit_s(self) -> float:
        """Gbit/s on one pin."""
        return self.clock_mhz * TRANSFERS_PER_CLOCK[self.mem_type][self.convention] / 1e3

    @property
    def mem_gb_s(self) -> float:
        """Peak GB/s computed from clock and bus."""
        return self.data_rate_gbit_s * self.bus_bits / 8


_AMDGPU = "drm/amdgpu commit ccda42a4629a, worked example"
_BOARD = "vendor's bandwidth and bus width; clock as in spec databases"
SPECS: list[MemorySpec] = [
    MemorySpec("GTX 980", "gddr5", 1753, "ck", 256, 224, "GeForce GTX 980 whitepaper (7 Gb/s, 256 bit)"),
    MemorySpec("V100", "hbm2", 877, "nvml", 4096, 900, "V100 data sheet (900 GB/s, rounded up)"),
    MemorySpec("T4", "gddr6", 1250.25, "ck", 256, 320, "T4 data sheet; nvidia-smi shows 5001 MHz"),
    MemorySpec("L4", "gddr6", 6251, "nvml", 192, 300, "L4 data sheet; memory clock of the product brief"),
    MemorySpec("A100 40GB", "hbm2", 1215, "nvml", 5120, 1555, "A100 data sheet; NVIDIA developer forum 198730"),
    MemorySpec("A100 80GB", "hbm2e", 1593, "nvml", 5120, 2039, "A100 data sheet"),
    MemorySpec("H100 SXM", "hbm3", 2619, "nvml", 5120, 3350, "H100 data sheet (3.35 TB/s)"),
    MemorySpec("B200", "hbm3e", 3996, "nvml", 7680, 7700,
               "HGX B200 column of the Blackwell data sheet (7.7 TB/s; earlier prints said 8 TB/s on 8192 bit); "
               "clock and bus as the driver reports them, pytorch/ao pull request 4002"),
    MemorySpec("RTX 2070", "gddr6", 1750, "ck", 256, 448, _BOARD),
    MemorySpec("RTX 3090", "gddr6x", 1219, "ck", 384, 936, "NVIDIA developer forum 198730"),
    MemorySpec("RTX 4090", "gddr6x", 1313, "ck", 384, 1008, _BOARD),
    MemorySpec("RTX 5090", "gddr7", 1750, "ck", 512, 1792, "RTX Blackwell whitepaper (28 Gb/s, 512 bit)"),
    MemorySpec("RX 460", "gddr5", 1750, "amdgpu", 128, 112, _AMDGPU),
    MemorySpec("RX 5600 XT", "gddr6", 900, "amdgpu", 192, 345.6, _AMDGPU),
    MemorySpec("RX 5700 XT", "gddr6", 875, "amdgpu", 256, 448, "amdgpu_pm.c, worked example"),
    MemorySpec("AGX Orin", "lpddr5", 3200, "wck", 256, 204.8, "Jetson AGX Orin data sheet"),
    MemorySpec("Orin Nano Super", "lpddr5", 3200, "wck", 128, 102.4, "Jetson Orin Nano Super data sheet (102 GB/s)"),
    MemorySpec("DDR5-4800, two channels", "ddr5", 2400, "ck", 128, 76.8, "JEDEC DDR5-4800, 64 bit a channel"),
]


def peak_bandwidth_gb_s(clock_mhz: float, bus_bits: int, transfers_per_clock: float) -> float:
    """Peak GB/s (1e9 bytes), reads and writes together.

    Raises ValueError when an argument is not positive or bus_bits is not a multiple of 8.
    """
    positive(clock_mhz=clock_mhz, bus_bits=bus_bits, transfers_per_clock=transfers_per_clock)
    if bus_bits % 8:
        raise ValueError(f"bus_bits must be a multiple of 8, got {bus_bits}")
    return clock_mhz * transfers_per_clock * bus_bits / 8 / 1e3  # MHz * bytes = MB/s


def pin_rate_gbit_s(bandwidth_gb_s: float, bus_bits: int) -> float:
    """Gbit/s on each pin: what is left of the bandwidth when the width is taken out."""
    positive(bandwidth_gb_s=bandwidth_gb_s, bus_bits=bus_bits)
    return bandwidth_gb_s * 8 / bus_bits


def infer_transfers_per_clock(clock_mhz: float, bus_bits: int, published_gb_s: float, tol: float = 0.03) -> int:
    """The power of two from 1 to 32 that turns the shown clock into the published bandwidth.

    Nearest on a log scale. Raises ValueError "no power of two fits" when it misses by more than `tol`.
    """
    positive(published_gb_s=published_gb_s)
    one = peak_bandwidth_gb_s(clock_mhz, bus_bits, 1)
    transfers = 2 ** min(max(round(math.log2(published_gb_s / one)), 0), 5)
    if abs(one * transfers - published_gb_s) > tol * published_gb_s:
        raise ValueError(f"published_gb_s must match the clock, got {published_gb_s} GB/s where no power of two fits: "
                         f"the nearest, {transfers}, gives {one * transfers:.1f}")
    return transfers


def peak_gb_s(clock_mhz: float, bus_bits: int, transfers_per_clock: float) -> float:
    """Peak bandwidth in decimal GB/s.

    >>> peak_gb_s(1750, 256, 8), peak_gb_s(877, 4096, 2)
    (448.0, 898.048)
    """
    return peak_bandwidth_gb_s(clock_mhz, bus_bits, transfers_per_clock)


def identify_clock(shown_mhz: float, bus_bits: int, published_gb_s: float) -> tuple[int, float]:
    """(transfers per shown clock, Gbit/s per pin) behind a published bandwidth.

    >>> identify_clock(875, 256, 448), identify_clock(7000, 256, 448)
    ((16, 14.0), (2, 14.0))
    """
    return infer_transfers_per_clock(shown_mhz, bus_bits, published_gb_s), pin_rate_gbit_s(published_gb_s, bus_bits)


def memory_spec(name: str) -> MemorySpec:
    """The row of SPECS called `name`; KeyError when there is none."""
    for spec in SPECS:
        if spec.name == name:
            return spec
    raise KeyError(f"no memory called {name!r}; known: {', '.join(s.name for s in SPECS)}")


def clock_card(name: str, convention: str, *, clock_mhz: float | None = None,
               bus_bits: int | None = None) -> dict[str, float | str]:
    """One card read with one convention: the clock a tool shows, the right bandwidth, and the "times 2" one.

    `clock_mhz` and `bus_bits` replace the card's own. KeyError for an unknown card or a convention that its
    memory is never shown with.
    """
    spec = memory_spec(name)
    transfers = TRANSFERS_PER_CLOCK[spec.mem_type][convention]
    clock = spec.data_rate_gbit_s * 1e3 / transfers if clock_mhz is None else clock_mhz
    width = spec.bus_bits if bus_bits is None else bus_bits
    gb_s = peak_bandwidth_gb_s(clock, width, transfers)
    return {
        "mem_type": spec.mem_type,
        "clock_mhz": clock,
        "bus_bits": width,
        "transfers_per_clock": transfers,
        "gb_s": gb_s,
        "published_gb_s": spec.published_gb_s,
        "double_rate_gb_s": peak_bandwidth_gb_s(clock, width, 2),
        "pin_rate_gbit_s": pin_rate_gbit_s(gb_s, width),
    }
