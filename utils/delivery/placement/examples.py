"""Example networks, forms and workloads. Prices, rates and times are invented, and stand for no product."""

from __future__ import annotations

from utils.delivery.placement.costs import Tariff
from utils.delivery.placement.forms import Form, Link, Workload

# Five layers: ms on a slow device, ms on a server, and the bytes that enter each layer. The input is a 224 x 224 RGB
# photograph of one byte a value, the next two activations are float32.
EDGE_MS, CLOUD_MS = [20.0, 30.0, 40.0, 60.0, 5.0], [1.0, 2.0, 2.0, 3.0, 0.5]
CROSSING_BYTES = [150_528.0, 802_816.0, 200_704.0, 50_176.0, 4_096.0]

# Two branches that join: a sensor, two small networks, a large one, a head.
DAG = {"edge_ms": [0, 8, 10, 40, 5], "cloud_ms": [0, 1, 1, 3, 0.5], "out_bytes": [150_000, 20_000, 5_000, 10_000, 40],
       "edges": [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)], "uplink_mbps": 10}

# A radio: 0.1 s at 1.2 W for a request, and then 11.6 s at 1.06 W.
RADIO = {"tx_s": 0.1, "p_tx_w": 1.2, "tail_s": 11.6, "p_tail_w": 1.06}

# A fleet of small delivery vehicles, each with a camera; costs in USD a month for the whole fleet.
TARIFFS = {
    "cloud": Tariff(per_1k=0.80),  # billed by the request
    "edge server": Tariff(240, 400_000, 0.05),  # a box in the depot, with electricity
    "device": Tariff(900, None, 0.0),  # a chip that is in each vehicle anyway: the port and its upkeep cost
    "vehicle": Tariff(38, 50_000, 0.02),  # an extra computer on board for each 50,000 requests
}

# `time_onnx_prefixes` of `digits_onnx(batch=8)` on 27 November 2026: shortest of 50 rounds, ONNX Runtime without its
# optimisations, one thread of an AMD EPYC. For each piece: operator, ms, and the bytes that enter it.
RECORDED_PIECES = [("Conv", 0.01046, 2048), ("Relu", 0.00048, 16384), ("Conv", 0.03124, 16384),
                   ("Relu", 0.00104, 32768), ("MaxPool", 0.00593, 32768), ("Flatten", 0.00025, 8192),
                   ("Gemm", 0.00178, 8192), ("Relu", 0.00014, 1024), ("Gemm", 0.00073, 1024)]


def example_forms(uplink_mbps: float = 20, rtt_p99_ms: float = 120, rtt_p50_ms: float = 40) -> list[Form]:
    """Five forms of one model; the link leads to the cloud, the edge server is one hop away and ours.

    The split sends an activation of a third of the input's bytes, so the photograph itself stays.
    """
    wan, lan = Link(uplink_mbps, rtt_p50_ms, rtt_p99_ms), Link(200, 3, 12)
    return [
        Form("device", 90, TARIFFS["device"], energy_j=0.3),
        Form("vehicle", 15, TARIFFS["vehicle"], energy_j=0.6),
        Form("edge server", 25, TARIFFS["edge server"], lan, energy_j=0.4),
        Form("cloud", 20, TARIFFS["cloud"], wan, raw_data_leaves=True, energy_j=1.2),
        Form("split", 45, Tariff(300, None, 0.30), wan, payload_share=1 / 3, energy_j=0.8),
    ]


def example_workload(deadline_ms: float = 150, monthly_requests: int = 220_000, offline: bool = False,
                     raw_data_may_leave: bool = True) -> Workload:
    """A photograph of 150 kB, and 95 % of the answers within the deadline."""
    return Workload(150_000, deadline_ms, 0.95, monthly_requests, offline, raw_data_may_leave)
