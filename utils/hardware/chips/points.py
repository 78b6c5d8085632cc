"""The table as points of a picture: for a workload and limits, each platform's numbers and why it is out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from utils.hardware.chips.bound import fps_on
from utils.hardware.chips.edge_table import PLATFORMS
from utils.hardware.chips.platform import Platform, dense_tops
from utils.hardware.chips.published import Workload


@dataclass(frozen=True)
class Point:
    """A platform with a headline: dense TOPS, GB/s and top watts (None if unknown), predicted rate, reasons against it.

    `per_s` is a bound by arithmetic alone where the memory is on the chip, or where its bandwidth is unknown: then
    `memory_known` is False.
    """

    name: str
    kind: str
    confidence: str
    headline_tops: float
    tops: float
    gb_s: float | None
    watts: float | None
    per_s: float
    memory_known: bool
    reasons: tuple[str, ...]


def platform_points(workload: Workload, bits: int = 8, utilization: float = 0.3, *, min_per_s: float = 0,
                    max_watts: float | None = None, platforms: Iterable[Platform] | None = None) -> list[Point]:
    """A point for each platform that has a dense figure at `bits` (8 or more), in table order.

    The workload's bytes are those of its own format and stay as they are. Raises ValueError "fewer bits" or "util".
    """
    points = []
    for p in PLATFORMS.values() if platforms is None else platforms:
        tops = dense_tops(p, bits)
        if tops is None:
            continue
        watts = p.watts[1] if p.watts else None
        per_s = fps_on(workload.macs, workload.nbytes, tops, p.mem_gb_s, utilization)
        reasons = tuple(_reasons(p, workload, watts, per_s, min_per_s, max_watts))
        points.append(Point(p.name, p.kind, p.confidence, p.headline_tops, tops, p.mem_gb_s, watts, per_s,
                            p.on_chip or p.mem_gb_s is not None, reasons))
    return points


def _reasons(p: Platform, workload: Workload, watts: float | None, per_s: float, min_per_s: float,
             max_watts: float | None) -> Iterable[str]:
    if p.on_chip and not workload.on_chip_ok:
        yield f"no DRAM for {workload.nbytes / 1e6:,.0f} MB a run"
    if per_s < min_per_s:
        yield f"{per_s:.3g}/s is below {min_per_s:g}/s"
    if max_watts is not None and watts is None:
        yield "power unknown"
    elif max_watts is not None and watts > max_watts:
        yield f"{watts:g} W is above {max_watts:g} W"
