"""A small detector as a graph, and what its nodes cost on a phone's CPU and on an accelerator (all modelled)."""

from __future__ import annotations

from collections.abc import Collection

from utils.engines.frameworks.convex import Node, Partition, partition
from utils.engines.frameworks.offloading import DeviceCosts, OffloadPlan, best_offload

ITEM_BYTES = 4  # float32
CPU_GMAC_S, ACCEL_GMAC_S = 20.0, 1000.0
CPU_GB_S, ACCEL_GB_S = 5.0, 50.0
SORT_MS = 0.5  # the suppression of boxes: a sort and loops, the same wherever it runs

# (operator, inputs, outputs); a graph of 12 nodes in which a wider path joins a narrower one
DETECTOR: list[Node] = [
    ("Conv", ["image"], ["c1"]), ("HardSwish", ["c1"], ["s1"]),
    ("Conv", ["s1"], ["c2"]), ("HardSwish", ["c2"], ["s2"]),
    ("Conv", ["s2"], ["c3"]), ("HardSwish", ["c3"], ["s3"]),
    ("Conv", ["s3"], ["c4"]), ("Resize", ["c4"], ["up"]),
    ("Conv", ["s2"], ["skip"]), ("Add", ["up", "skip"], ["sum"]),
    ("Conv", ["sum"], ["head"]), ("NonMaxSuppression", ["head"], ["boxes"]),
]
DETECTOR_OPS = tuple(dict.fromkeys(op for op, _, _ in DETECTOR))

# tensor -> (channels, height, width)
SHAPES = {
    "image": (3, 320, 320), "c1": (32, 160, 160), "s1": (32, 160, 160), "c2": (64, 80, 80), "s2": (64, 80, 80),
    "c3": (128, 40, 40), "s3": (128, 40, 40), "c4": (128, 40, 40), "up": (128, 80, 80), "skip": (128, 80, 80),
    "sum": (128, 80, 80), "head": (16, 80, 80), "boxes": (1, 100, 6),
}
_KERNEL = {"c1": 3, "c2": 3, "c3": 3, "c4": 3, "skip": 1, "head": 3}


def tensor_sizes() -> dict[str, int]:
    """Bytes of every tensor of `DETECTOR` in float32."""
    return {name: ITEM_BYTES * c * h * w for name, (c, h, w) in SHAPES.items()}


def node_macs(node: Node) -> int:
    """Multiply-accumulates of a node of `DETECTOR`; 0 for what is not a convolution."""
    op, inputs, (out,) = node
    if op != "Conv":
        return 0
    c, h, w = SHAPES[out]
    return c * h * w * SHAPES[inputs[0]][0] * _KERNEL[out] ** 2


def detector_costs(link_gb_s: float, launch_ms: float) -> DeviceCosts:
    """Modelled times: convolutions by their MACs, all others by the bytes that they read and write."""
    sizes = tensor_sizes()

    def cost_ms(node: Node, gmac_s: float, gb_s: float) -> float:
        if node[0] == "NonMaxSuppression":
            return SORT_MS
        if node[0] == "Conv":
            return node_macs(node) / gmac_s / 1e6
        return sum(sizes[name] for name in (*node[1], *node[2])) / gb_s / 1e6

    return DeviceCosts([cost_ms(n, CPU_GMAC_S, CPU_GB_S) for n in DETECTOR],
                       [cost_ms(n, ACCEL_GMAC_S, ACCEL_GB_S) for n in DETECTOR], link_gb_s, launch_ms)


def plan_detector(unsupported: Collection[str], link_gb_s: float, launch_ms: float) -> tuple[Partition, OffloadPlan]:
    """The detector's groups when an accelerator lacks some operators, and which groups to offload."""
    supported = set(DETECTOR_OPS) - set(unsupported)
    parts = partition(DETECTOR, supported, ["boxes"])
    return parts, best_offload(parts, detector_costs(link_gb_s, launch_ms), tensor_sizes())
