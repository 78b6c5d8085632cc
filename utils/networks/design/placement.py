"""Where a convolution stands under a device's roofline."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from utils.cost.checks import positive
from utils.cost.roofline import Device, attainable_gflop_s, ridge
from utils.networks.design.access import access_elements, output_macs

DTYPES = {4: "fp32", 2: "fp16", 1: "int8"}


@dataclass(frozen=True)
class LayerPoint:
    """A layer under a roofline: FLOPs, bytes, FLOP per byte, the GFLOP/s it can reach at most, and its bound."""

    name: str
    flops: int
    nbytes: int
    intensity: float
    gflop_s: float
    bound: str

    @property
    def us(self) -> float:
        """Time in us at that rate."""
        return self.flops / self.gflop_s / 1e3

    def as_dict(self) -> dict[str, object]:
        """The fields as plain data."""
        return asdict(self)


def place_convolutions(size: int, channels: int, k: int, groups: int, item_bytes: int,
                       device: Device) -> list[LayerPoint]:
    """A k x k convolution with `groups`, its depthwise form and a 1x1, all from `channels` to `channels`.

    item_bytes 4, 2, 1 stand for fp32, fp16, int8. Raises ValueError for other sizes of an element, when groups does
    not divide channels, and "no peak for dtype" where the device has none.
    """
    positive(size=size, channels=channels, k=k, groups=groups)
    if item_bytes not in DTYPES:
        raise ValueError(f"item_bytes must be 4, 2 or 1, got {item_bytes}")
    peak = device.peak(DTYPES[item_bytes])
    dense = f"{k}x{k} dense" if groups == 1 else f"{k}x{k} in {groups} groups"
    points = []
    for name, kernel, parts in ((dense, k, groups), (f"{k}x{k} depthwise", k, channels), ("1x1 pointwise", 1, 1)):
        flops = 2 * output_macs(size, size, channels, channels, kernel, parts)
        nbytes = item_bytes * access_elements(size, size, size, size, channels, channels, kernel, parts)
        ratio = flops / nbytes
        bound = "compute" if ratio >= ridge(peak, device.mem_gb_s) else "memory"
        points.append(LayerPoint(name, flops, nbytes, ratio, attainable_gflop_s(ratio, peak, device.mem_gb_s), bound))
    return points
