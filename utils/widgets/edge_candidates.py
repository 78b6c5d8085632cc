"""The candidates of chapter 14's cockpit: measured networks on invented devices. Every device figure is an example.

A reader camera looks at 2,000 windows of 8 x 8 pixels in each frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from utils.networks.edge_variants import TEST_IMAGES, WIDTHS, cnn_macs

WINDOWS = 2_000
BATCH = 64  # windows that are in memory at a time
OVERHEAD_MS = 3.0  # capture and resize
TAIL = 1.25  # p99 / latency, assumed
LIMIT_C = 85.0


@dataclass(frozen=True)
class Network:
    """A network as measured: right answers on the 497 test images, bytes of its file."""

    correct: int
    storage_bytes: int


# (width, precision) -> recorded from utils.networks.edge_variants (torch 2.13, ONNX Runtime 1.31, x86-64)
RECORDED = {
    ("full", "FP32"): Network(489, 606_898), ("full", "INT8"): Network(488, 162_503),
    ("half", "FP32"): Network(478, 154_797), ("half", "INT8"): Network(478, 47_666),
    ("quarter", "FP32"): Network(469, 40_873), ("quarter", "INT8"): Network(469, 18_278),
}


@dataclass(frozen=True)
class Device:
    """An invented device: its speed by precision (10^9 MAC/s), power, memory of its system, price, and heat."""

    name: str
    gmac_per_s: dict[str, float]
    active_w: float
    idle_w: float
    system_mb: float
    system_storage_mb: float
    price_usd: float
    r_k_per_w: float
    tau_s: float


DEVICES = (
    Device("slow chip", {"FP32": 8, "INT8": 60}, 2.5, 0.8, 20, 8, 15, 14, 200),
    Device("fast NPU", {"FP32": 12, "INT8": 800}, 6.0, 0.9, 60, 40, 60, 9, 250),
    Device("GPU module", {"FP32": 100, "INT8": 400}, 14.0, 2.5, 400, 900, 200, 5, 120),
)


def candidate(device: Device, width: str, precision: str) -> dict:
    """One network on one device, with the keys that `ship_it` and the cockpit read."""
    network = RECORDED[width, precision]
    latency_ms = OVERHEAD_MS + WINDOWS * cnn_macs(width) / (device.gmac_per_s[precision] * 1e6)
    file_mb = network.storage_bytes / 1e6
    activations_mb = BATCH * 64 * sum(WIDTHS[width][0]) * (4 if precision == "FP32" else 1) / 1e6
    return {
        "name": f"{device.name}, {precision}, {width} width", "device": device.name, "width": width,
        "precision": precision, "accuracy": network.correct / TEST_IMAGES, "latency_ms": latency_ms,
        "p99_ms": TAIL * latency_ms, "peak_mb": device.system_mb + file_mb + activations_mb,
        "storage_mb": device.system_storage_mb + file_mb, "active_w": device.active_w, "idle_w": device.idle_w,
        "price_usd": device.price_usd, "r_k_per_w": device.r_k_per_w, "tau_s": device.tau_s, "limit_c": LIMIT_C,
    }


CANDIDATES = [candidate(device, width, precision) for device in DEVICES for width, precision in RECORDED]
