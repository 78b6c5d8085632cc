"""Energy and power: what a frame costs, how long a battery lasts, what arithmetic and memory take; and the price.

1 W · 1 ms = 1 mJ, so watts times milliseconds need no factor.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from utils.cost.checks import non_negative, positive

# Picojoules of one operation at 45 nm and 0.9 V: M. Horowitz, Computing's Energy Problem, ISSCC 2014, figure 1.1.9.
# The SRAM row is half of its 64-bit access to an 8 KiB cache. The DRAM row is the 640 pJ for 32 bits that Han et al.
# (EIE, ISCA 2016, table I) took from there: a rounded lower end of Horowitz's 1.3 to 2.6 nJ for 64 bits.
ENERGY_PJ_45NM: Mapping[str, float] = MappingProxyType({
    "int8_add": 0.03, "int8_mul": 0.2, "int32_add": 0.1, "int32_mul": 3.1,
    "fp16_add": 0.4, "fp16_mul": 1.1, "fp32_add": 0.9, "fp32_mul": 3.7,
    "sram_32bit": 5.0, "dram_32bit": 640.0,
})
_KIND = {8: "int8", 16: "fp16", 32: "fp32"}
POWERCAP = Path("/sys/class/powercap")


# --- a frame ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FrameEnergy:
    """Millijoules of one frame: while computing, above idling, and all that the device draws in the period."""

    active_mj: float
    marginal_mj: float
    total_mj: float

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def energy_per_inference_mj(active_w: float, latency_ms: float, idle_w: float = 0.0,
                            period_ms: float | None = None) -> FrameEnergy:
    """Energy of one inference of `latency_ms` at `active_w`, in a device that otherwise idles at `idle_w`.

    `period_ms` is the time from one frame to the next; None means back to back. Raises ValueError for a latency
    that exceeds the period, a latency that is not positive, or negative watts.

    >>> energy_per_inference_mj(6, 40, idle_w=1.5, period_ms=200).as_dict()
    {'active_mj': 240, 'marginal_mj': 180.0, 'total_mj': 480.0}
    """
    positive(latency_ms=latency_ms)
    non_negative(active_w=active_w, idle_w=idle_w)
    period = latency_ms if period_ms is None else period_ms
    if latency_ms > period:
        raise ValueError(f"period_ms must be at least the latency, got {period} ms: latency exceeds period")
    marginal = (active_w - idle_w) * latency_ms
    return FrameEnergy(active_w * latency_ms, marginal, marginal + idle_w * period)


def average_power_w(active_w: float, idle_w: float, latency_ms: float, fps: float) -> float:
    """Mean power of a device that runs `fps` inferences of `latency_ms` a second and idles in between.

    Raises ValueError when the frames need more than one second a second, or for values out of range.

    >>> average_power_w(6, 1.5, 40, 5)
    2.4
    """
    non_negative(active_w=active_w, idle_w=idle_w, latency_ms=latency_ms, fps=fps)
    if latency_ms * fps > 1000:
        raise ValueError(f"fps must be sustainable, got {fps} frames of {latency_ms} ms a second: load above 100 %")
    return idle_w + (active_w - idle_w) * latency_ms * fps / 1000


def frame_energy(active_w: float, idle_w: float, latency_ms: float, fps: float) -> dict:
    """Average power (W), and energy of one frame (mJ): all of it, and what it costs on top of idling.

    Raises ValueError when the load exceeds 100 %, or for fps that are not positive.
    """
    positive(fps=fps)
    avg_w = average_power_w(active_w, idle_w, latency_ms, fps)
    return {"avg_w": avg_w, "total_mj": avg_w / fps * 1000, "marginal_mj": (active_w - idle_w) * latency_ms}


def battery_hours(capacity_wh: float, avg_w: float, usable: float = 0.9) -> float:
    """Hours that a battery lasts at an average power; `usable` is the share of its capacity that can be drawn.

    Raises ValueError for values that are not positive, or a share above 1.

    >>> battery_hours(10, 2.5, usable=1.0)
    4.0
    """
    positive(capacity_wh=capacity_wh, avg_w=avg_w, usable=usable)
    if usable > 1:
        raise ValueError(f"usable must be at most 1, got {usable}")
    return capacity_wh * usable / avg_w


# --- arithmetic and memory --------------------------------------------------------------------


def operation_energy_mj(macs: float, mac_bits: int, dram_bytes: float,
                        table: Mapping[str, float] = ENERGY_PJ_45NM) -> float:
    """First-order energy in mJ of `macs` multiply-accumulates and `dram_bytes` moved to or from DRAM.

    A multiply-accumulate is one multiplication and one addition of `mac_bits`: 8 (INT8), 16 (FP16) or 32 (FP32).
    (INT8 hardware adds up in 32 bits: 0.3 pJ with this table, where this model counts 0.23.) Instructions, caches
    and leakage are left out: this orders designs, it does not predict a device.
    Raises ValueError for other widths or negative counts.

    >>> round(operation_energy_mj(568.74e6, 8, 0), 3), round(operation_energy_mj(568.74e6, 32, 0), 2)
    (0.131, 2.62)
    """
    non_negative(macs=macs, dram_bytes=dram_bytes)
    if mac_bits not in _KIND:
        raise ValueError(f"mac_bits must be 8, 16 or 32, got {mac_bits}")
    kind = _KIND[mac_bits]
    picojoules = macs * (table[f"{kind}_mul"] + table[f"{kind}_add"]) + dram_bytes / 4 * table["dram_32bit"]
    return picojoules * 1e-9


# --- measured ---------------------------------------------------------------------------------


def read_cpu_energy_j(root: Path = POWERCAP) -> float | None:
    """Joules that the CPU packages have counted so far (RAPL, by Linux's powercap files); None where unreadable.

    That is normal in virtual machines, without permission (root only since Linux 5.10), and on other systems.
    The counters wrap: use `cpu_energy_mj`, which notices.
    """
    packages = sorted(path for path in root.glob("intel-rapl:*") if path.name.count(":") == 1)  # "…:0:0" is a part
    try:
        readings = [int((package / "energy_uj").read_text()) for package in packages]
    except (OSError, ValueError):
        return None
    return sum(readings) * 1e-6 if readings else None


def cpu_energy_mj(fn: Callable[[], object], repeats: int,
                  read: Callable[[], float | None] = read_cpu_energy_j) -> float | None:
    """Measured CPU energy of one call in mJ, the mean of `repeats`; None without a counter, or if it wrapped.

    The counter covers the whole package, so whatever else runs is in it. Raises ValueError for repeats < 1.
    """
    positive(repeats=repeats)
    before = read()
    if before is None:
        return None
    for _ in range(repeats):
        fn()
    after = read()
    return None if after is None or after < before else (after - before) / repeats * 1e3


def energy_from_samples_j(times_s: Sequence[float], watts: Sequence[float], idle_w: float = 0.0) -> float:
    """Energy above idle in joules of power samples, by the trapezoid rule.

    Raises ValueError for fewer than two samples, lengths that differ, or times that do not rise.

    >>> energy_from_samples_j([0, 1, 3], [10, 20, 20], idle_w=5)
    40.0
    """
    if len(times_s) != len(watts) or len(times_s) < 2:
        raise ValueError(f"watts must hold a sample for each of two times or more, got {len(watts)} for {len(times_s)}")
    steps = [after - before for before, after in itertools.pairwise(times_s)]
    if min(steps) <= 0:
        raise ValueError("times_s must rise, got a time that does not")
    return sum(step * ((a + b) / 2 - idle_w) for step, (a, b) in zip(steps, itertools.pairwise(watts)))


# --- money ------------------------------------------------------------------------------------


def usd_per_million(usd_per_hour: float, peak_per_s: float, utilization: float = 1.0) -> float:
    """US dollars for a million results (requests, frames, tokens) of a machine rented by the hour.

    `peak_per_s` is its throughput when busy, `utilization` the busy share of the paid time.
    Raises ValueError for a negative price, a throughput that is not positive, or a share outside (0, 1].

    >>> usd_per_million(3.6, 1000)
    1.0
    """
    non_negative(usd_per_hour=usd_per_hour)
    positive(peak_per_s=peak_per_s, utilization=utilization)
    if utilization > 1:
        raise ValueError(f"utilization must be at most 1, got {utilization}")
    return usd_per_hour / 3600 / (peak_per_s * utilization) * 1e6
