"""How long a network takes on a target: a bound for each node, a fixed price for each start, copies at each border."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto

from utils.networks.deploy.nodes import NodeInfo, Segment, onnx_op_sequence, segments
from utils.networks.deploy.targets import BackendTarget

WHERE = ("device", "copy", "host")


@dataclass(frozen=True)
class Bar:
    """Something that takes time: a segment on "device" or "host", or a "copy"; start and length in us."""

    where: str
    label: str
    start_us: float
    us: float


@dataclass(frozen=True)
class LatencyReport:
    """A network on a target: bars in the order of time, one after another."""

    target: str
    int8: bool
    bars: tuple[Bar, ...]

    @property
    def total_us(self) -> float:
        """Time of one input in us."""
        return sum(bar.us for bar in self.bars)

    @property
    def us_by_place(self) -> dict[str, float]:
        """us on "device", in "copy", on "host"."""
        return {where: sum(b.us for b in self.bars if b.where == where) for where in WHERE}

    @property
    def islands(self) -> int:
        """Segments that fall back to the host."""
        return sum(bar.where == "host" for bar in self.bars)


def predict_latency_us(network: ModelProto | Sequence[NodeInfo], target: BackendTarget,
                       int8: bool = False) -> LatencyReport:
    """A first-order prediction: every node takes max(arithmetic, memory) plus its dispatch, one after another.

    An activation behind a convolution is fused into it and costs nothing. A segment that falls back runs on the host,
    and its tensors are copied there and back. Nothing overlaps. It is for comparing networks on a target.
    """
    nodes = onnx_op_sequence(network) if isinstance(network, ModelProto) else list(network)
    bars: list[Bar] = []

    def add(where: str, label: str, us: float) -> None:
        bars.append(Bar(where, label, bars[-1].start_us + bars[-1].us if bars else 0.0, us))

    for segment in segments(nodes, target.supported_ops):
        label = segment.nodes[0].op if len(segment.nodes) == 1 else f"{len(segment.nodes)} nodes"
        if segment.on_device:
            add("device", label, sum(_node_us(node, target, int8) for node in segment.nodes))
        else:
            add("copy", "to the host", _copy_us(segment.values_entering, target, int8))
            add("host", label, _host_us(segment, target, int8))
            add("copy", "to the device", _copy_us(segment.values_leaving, target, int8))
    return LatencyReport(target.name, int8, tuple(bars))


def _value_bytes(target: BackendTarget, int8: bool) -> int:
    return 1 if int8 else target.float_bytes


def _node_us(node: NodeInfo, target: BackendTarget, int8: bool) -> float:
    if node.fused:
        return 0.0
    peak = target.peak_gmac_s[node.kind] * (target.int8_gain if int8 else 1)
    work = node.macs * _padding(node, target.channel_granule) if node.macs else node.values_out
    moved = (node.values_in + node.weights + node.values_out) * _value_bytes(target, int8)
    return max(work / peak, moved / target.mem_gb_s) / 1e3 + target.dispatch_us


def _padding(node: NodeInfo, granule: int) -> float:
    """By which factor channels that are no multiple of the granule raise the arithmetic."""
    if 0 in node.channels:
        return 1.0
    c_in, c_out = (granule * math.ceil(c / granule) / c for c in node.channels)
    return c_out if node.kind == "depthwise" else c_in * c_out


def _copy_us(values: int, target: BackendTarget, int8: bool) -> float:
    return values * _value_bytes(target, int8) / (1e3 * target.copy_gb_s) + target.dispatch_us


def _host_us(segment: Segment, target: BackendTarget, int8: bool) -> float:
    work = sum(node.macs or node.values_out for node in segment.nodes)
    return work / (1e3 * target.fallback_gmac_s)


def predict_us(layers: list[tuple[str, int, int]], peak_gmacs: Mapping[str, float], bw_gb_s: float,
               dispatch_us: float) -> float:
    """Time in us of layers (kind, MACs, bytes) that run one after another: max(arithmetic, memory) + dispatch each.

    `peak_gmacs`: 1e9 multiply-accumulates a second by kind; `bw_gb_s`: 1e9 bytes a second. Raises ValueError for a
    kind that has no peak.

    >>> round(predict_us([("dense", 231_211_008, 1_900_000)], {"dense": 400}, 10, 5), 3)
    583.028
    """
    total = 0.0
    for kind, macs, moved in layers:
        if kind not in peak_gmacs:
            raise ValueError(f"kind must be one of {', '.join(peak_gmacs)}, got {kind!r}")
        total += max(macs / peak_gmacs[kind], moved / bw_gb_s) / 1e3 + dispatch_us
    return total
