"""Edge chips as data with their sources, and what may be computed from it: dense TOPS, a roofline, a shortlist.

This module only gathers names; each lives in the file that its import line says.

>>> dense_tops(PLATFORMS["Jetson Orin Nano Super 8GB"])
33.5
"""

from utils.hardware.chips.bound import fps_on, owned_usd_per_million, roofline_ms, tops_per_watt, used_share
from utils.hardware.chips.datacenter import DATACENTER
from utils.hardware.chips.edge_table import PLATFORMS
from utils.hardware.chips.platform import AS_OF, Platform, dense_equiv, dense_tops, lpddr_gb_s
from utils.hardware.chips.points import Point, platform_points
from utils.hardware.chips.published import MEASURED, ORIN_64GB_MODES, WORKLOADS, MeasuredRate, PowerMode, Workload
from utils.hardware.chips.selection import Verdict, plain_row, platform_front, shortlist, verdicts

__all__ = [
    "AS_OF", "DATACENTER", "MEASURED", "ORIN_64GB_MODES", "PLATFORMS", "WORKLOADS", "MeasuredRate", "Platform",
    "Point", "PowerMode", "Verdict", "Workload", "dense_equiv", "dense_tops", "fps_on", "lpddr_gb_s",
    "owned_usd_per_million", "plain_row", "platform_front", "platform_points", "roofline_ms", "shortlist",
    "tops_per_watt", "used_share", "verdicts",
]
