"""Whole networks on the roofline: every operator a point, and the time split by what bounds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from utils.cost.params.decoder_config import LLAMA3_8B
from utils.cost.roofline import Device, OpCost, intensity, op_time_us, ridge
from utils.cost.roofline.op_costs import decoder_step_ops, fuse_elementwise, linear_op
from utils.hardware.roofline_devices import roofline_devices

ITEM_BYTES = {"fp32": 4, "fp16": 2, "int8": 1}
MLP, DECODE = "MLP, 8 × (4096 × 4096)", "Llama-3-8B, one decode step"
NETWORKS = ("ResNet-50", "ResNet-18", "MobileNetV2", MLP, DECODE)
CONTEXT = 1024  # tokens in the cache of each sequence
BOUNDS = ("compute", "memory", "launch")


@lru_cache(maxsize=32)
def network_ops(network: str, batch: int, item_bytes: int = 4) -> tuple[OpCost, ...]:
    """A network's operators in order. Raises KeyError for an unknown network.

    The classifiers are traced in FP32 on 224 x 224 images; other formats scale all their tensors.
    """
    if network == DECODE:
        return tuple(decoder_step_ops(LLAMA3_8B, batch, CONTEXT, item_bytes))
    if network == MLP:
        return tuple(linear_op(batch, 4096, 4096, item_bytes, f"linear {i}") for i in range(8))
    scale = item_bytes / 4
    return tuple(replace(op, bytes_read=op.bytes_read * scale, bytes_written=op.bytes_written * scale)
                 for op in _traced(network, batch))


@lru_cache(maxsize=32)
def _traced(network: str, batch: int) -> tuple[OpCost, ...]:
    import torch

    from utils.cost.flops.trace_ops import trace_ops
    from utils.networks.classic import CLASSIFIERS

    with torch.device("meta"):
        return tuple(trace_ops(CLASSIFIERS[network](), torch.empty(batch, 3, 224, 224)))


def roofline_points(network: str, device: str | Device, dtype: str, batch: int, fused: bool,
                    graph: bool = False) -> dict[str, Any]:
    """Where the operators of `network` lie under the roof of `device`, and where the time goes.

    Keys: names, kinds, intensity (FLOP/B), gflop_s, share (of the total time), bounds; total_us, us_by_bound,
    ridge, peak_gflop_s, mem_gb_s. With `graph` the launch is paid once for the whole network.
    Raises ValueError "no peak for dtype", KeyError for an unknown network, device or dtype.
    """
    target = roofline_devices()[device] if isinstance(device, str) else device
    peak = target.peak(dtype)
    ops: Sequence[OpCost] = network_ops(network, batch, ITEM_BYTES[dtype])
    if fused:
        ops = fuse_elementwise(ops)
    queued = replace(target, launch_us=0.0) if graph else target
    times = [op_time_us(op, queued, dtype) for op in ops]
    us_by_bound = {bound: sum(t.total_us for t in times if t.bound == bound) for bound in BOUNDS}
    if graph:
        us_by_bound["launch"] += target.launch_us
    total_us = sum(us_by_bound.values())
    return {
        "names": [op.name for op in ops], "kinds": [op.kind for op in ops], "intensity": [intensity(op) for op in ops],
        "gflop_s": [op.flops / t.total_us / 1e3 for op, t in zip(ops, times)],
        "share": [t.total_us / total_us for t in times], "bounds": [t.bound for t in times], "total_us": total_us,
        "us_by_bound": us_by_bound, "ridge": ridge(peak, target.mem_gb_s), "peak_gflop_s": peak,
        "mem_gb_s": target.mem_gb_s,
    }
