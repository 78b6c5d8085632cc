"""How small a model must get: bits a weight from memory and bandwidth, watts from the traffic.

All of this is arithmetic on data sheets: upper bounds on speed and orders of magnitude for energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from utils.cost.bandwidth.decode import decode_step
from utils.cost.checks import non_negative, positive
from utils.cost.edge_metrics.energy import ENERGY_PJ_45NM, operation_energy_mj
from utils.hardware.chips import PLATFORMS
from utils.hardware.gpu_arch import GPUS

DRAM_PJ = ENERGY_PJ_45NM["dram_32bit"]
FP32_BITS = 32

# Assumptions, not measurements: how much of the memory a model's weights may take. On a board, phone or laptop the
# system, other programs, activations and the KV cache share the same memory; a GPU's own memory has fewer tenants.
FREE_SHARE_SHARED, FREE_SHARE_GPU = 0.5, 0.9


# --- devices ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetDevice:
    """What a device leaves for the weights: bytes, DRAM bandwidth (GB/s), and its highest power (W) or None."""

    name: str
    free_bytes: float
    mem_gb_s: float
    power_w: float | None = None
    source: str = ""


def _targets() -> dict[str, TargetDevice]:
    rows = [TargetDevice(p.name, FREE_SHARE_SHARED * p.mem_gb * 1e9, p.mem_gb_s, p.watts[1] if p.watts else None,
                         p.source) for p in PLATFORMS.values() if p.mem_gb and p.mem_gb_s]
    gpu = GPUS["H100 SXM"]
    rows.append(TargetDevice(gpu.name, FREE_SHARE_GPU * gpu.mem_gb * 1e9, gpu.mem_gb_s, None, gpu.source))
    return {row.name: row for row in rows}


TARGET_DEVICES: Mapping[str, TargetDevice] = MappingProxyType(_targets())


# --- bits -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BitsLimits:
    """Largest average bits a weight that fit the memory, that keep the rate, and that do both."""

    capacity_bits: float
    bandwidth_bits: float

    @property
    def required_bits(self) -> float:
        """The smaller of the two: both must hold."""
        return min(self.capacity_bits, self.bandwidth_bits)

    @property
    def limiting(self) -> Literal["memory", "bandwidth"]:
        """What decides; "memory" on a tie."""
        return "memory" if self.capacity_bits <= self.bandwidth_bits else "bandwidth"

    def as_dict(self) -> dict[str, float | str]:
        """The fields and both properties as a plain dict."""
        return {**asdict(self), "required_bits": self.required_bits, "limiting": self.limiting}


def max_bits_per_weight(n_params: float, free_bytes: float, mem_gb_s: float, tokens_per_s: float) -> BitsLimits:
    """Bits a weight that `free_bytes` hold, and that can be read `tokens_per_s` times a second.

    Decoding one sequence reads every weight once a token; cache and activations are not counted, so the second limit
    is an upper bound. Raises ValueError unless all are positive.

    >>> max_bits_per_weight(8e9, 4e9, 60, 10)
    BitsLimits(capacity_bits=4.0, bandwidth_bits=6.0)
    """
    positive(n_params=n_params, free_bytes=free_bytes, mem_gb_s=mem_gb_s, tokens_per_s=tokens_per_s)
    return BitsLimits(8 * free_bytes / n_params, 8 * mem_gb_s * 1e9 / (n_params * tokens_per_s))


def required_bits(n_params: float, free_bytes: float, bandwidth_bytes_s: float, tokens_per_s: float) -> float:
    """Largest average bits per weight that fit the free memory and keep the decode rate.

    The bandwidth is in bytes a second here. Raises ValueError unless all are positive.

    >>> required_bits(8e9, 4e9, 60e9, 10)
    4.0
    """
    positive(bandwidth_bytes_s=bandwidth_bytes_s)
    return max_bits_per_weight(n_params, free_bytes, bandwidth_bytes_s / 1e9, tokens_per_s).required_bits


def decode_ceiling_tokens_s(n_params: float, bits: float, mem_gb_s: float) -> float:
    """Upper bound on the tokens/s of one sequence: bandwidth over the bytes of all weights.

    >>> decode_ceiling_tokens_s(8e9, 4, 60)
    15.0
    """
    positive(n_params=n_params, bits=bits)
    return decode_step(n_params * bits / 8, 0, 1, 0, mem_gb_s, peak_tflop_s=1.0).tokens_per_s


# --- energy -----------------------------------------------------------------------------------


def dram_power_w(n_params: float, bits: float, rate_hz: float, pj_per_32bit: float = DRAM_PJ) -> float:
    """Average watts of reading all weights from DRAM once per inference, `rate_hz` inferences a second.

    Weights are packed, so the energy follows the bits moved. 640 pJ for 32 bits is the 45 nm figure of Han et al.
    (2015), who get 12.8 W for a billion FP32 weights at 20 Hz.
    Raises ValueError unless n_params and bits are positive, or for a negative rate or energy.

    >>> dram_power_w(1e9, 32, 20, 640)
    12.8
    """
    positive(n_params=n_params, bits=bits)
    non_negative(rate_hz=rate_hz, pj_per_32bit=pj_per_32bit)
    return n_params * bits / 32 * pj_per_32bit * rate_hz / 1e12


@dataclass(frozen=True)
class EnergyBreakdown:
    """Joules of one inference: arithmetic, weights read from DRAM, activations through SRAM."""

    arithmetic_j: float
    weights_j: float
    activations_j: float

    @property
    def total_j(self) -> float:
        """The sum."""
        return self.arithmetic_j + self.weights_j + self.activations_j

    def as_dict(self) -> dict[str, float]:
        """The fields and their sum as a plain dict."""
        return {**asdict(self), "total_j": self.total_j}


def energy_breakdown(macs: float, weight_bytes: float, activation_bytes: float, *, mac_bits: int = 32,
                     table: Mapping[str, float] = ENERGY_PJ_45NM) -> EnergyBreakdown:
    """First-order energy: every weight byte comes from DRAM once, every activation byte passes an 8 KiB SRAM once.

    `mac_bits` is 8, 16 or 32. Control, leakage and larger caches are left out. Raises ValueError for other widths or
    negative counts.
    """
    non_negative(activation_bytes=activation_bytes)
    return EnergyBreakdown(operation_energy_mj(macs, mac_bits, 0, table) / 1e3,
                           operation_energy_mj(0, mac_bits, weight_bytes, table) / 1e3,
                           activation_bytes / 4 * table["sram_32bit"] * 1e-12)


# --- all of it --------------------------------------------------------------------------------


@dataclass(frozen=True)
class NecessityReport:
    """What a device asks of a model: the limits, the ratio to FP32, and DRAM watts in FP32 and as required."""

    device: str
    limits: BitsLimits
    required_ratio: float
    fp32_tokens_per_s: float
    fp32_dram_w: float
    required_dram_w: float

    @property
    def must_shrink(self) -> bool:
        """Whether FP32 weights break a limit."""
        return self.required_ratio < 1

    def as_dict(self) -> dict[str, object]:
        """The fields as plain data."""
        return {**asdict(self), "limits": self.limits.as_dict(), "must_shrink": self.must_shrink}


def necessity_report(n_params: float, device: TargetDevice, tokens_per_s: float) -> NecessityReport:
    """The limits of `device` for a model that is to decode `tokens_per_s`.

    Ratios are bytes over FP32's. The watts are those of the weights' traffic at the wanted rate, by the 45 nm table;
    where nothing must shrink both are FP32's. Raises ValueError unless n_params and tokens_per_s are positive.
    """
    limits = max_bits_per_weight(n_params, device.free_bytes, device.mem_gb_s, tokens_per_s)
    return NecessityReport(
        device.name, limits, limits.required_bits / FP32_BITS,
        decode_ceiling_tokens_s(n_params, FP32_BITS, device.mem_gb_s),
        dram_power_w(n_params, FP32_BITS, tokens_per_s),
        dram_power_w(n_params, min(FP32_BITS, limits.required_bits), tokens_per_s))
