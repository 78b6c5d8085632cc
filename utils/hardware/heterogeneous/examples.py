"""Graphs to schedule: the published one, one where a gap must be used, a camera pipeline and a MobileNet chain.

The times of the last two are made up, of a size that edge chips show; the operation counts are real.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

from utils.cost.flops import conv2d_ops
from utils.hardware.heterogeneous.offload import copy_ms
from utils.hardware.heterogeneous.task_graph import Task, TaskGraph

# Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002, Fig. 2: costs on P1, P2, P3 and edge costs. Read again in the data
# of github.com/mackncheesiest/heft, test/canonicalgraph_*.csv; its test states the schedule that ends at 80.
PUBLISHED_COSTS: Mapping[int, tuple[int, ...]] = MappingProxyType({
    1: (14, 16, 9), 2: (13, 19, 18), 3: (11, 13, 19), 4: (13, 8, 17), 5: (12, 13, 10), 6: (13, 16, 9), 7: (7, 15, 11),
    8: (5, 11, 14), 9: (18, 12, 20), 10: (21, 7, 16)})
PUBLISHED_EDGES: Mapping[tuple[int, int], int] = MappingProxyType({
    (1, 2): 18, (1, 3): 12, (1, 4): 9, (1, 5): 11, (1, 6): 14, (2, 8): 19, (2, 9): 16, (3, 7): 23, (4, 8): 27,
    (4, 9): 23, (5, 9): 13, (6, 8): 15, (7, 10): 17, (8, 10): 11, (9, 10): 13})

# Two devices: 59 with insertion into idle gaps, 63 without.
GAP_COSTS: Mapping[int, tuple[int, ...]] = MappingProxyType({
    0: (15, 3), 1: (14, 20), 2: (15, 3), 3: (7, 16), 4: (4, 10), 5: (7, 16), 6: (18, 17)})
GAP_EDGES: Mapping[tuple[int, int], int] = MappingProxyType({
    (0, 3): 2, (0, 5): 15, (0, 6): 14, (1, 2): 3, (1, 4): 1, (2, 3): 7, (2, 4): 1, (3, 5): 20, (4, 6): 6, (5, 6): 13})

LINK_GB_S, HANDOVER_MS = 4.0, 0.1  # of the made-up graphs: copies between engines, and one synchronisation
FRAME_BYTES = 1920 * 1080 * 3 // 2  # NV12: a byte of brightness a pixel, half a byte of colour
INPUT_BYTES = 640 * 640 * 3
MASK_BYTES = 640 * 640
BOXES_BYTES = 8_000


def published_graph() -> TaskGraph:
    """The ten tasks on three processors of the HEFT paper."""
    return _named(PUBLISHED_COSTS, PUBLISHED_EDGES, ("P1", "P2", "P3"))


def gap_graph() -> TaskGraph:
    """Seven tasks on two processors, where a task fits into a gap that was left before."""
    return _named(GAP_COSTS, GAP_EDGES, ("P1", "P2"))


def _named(costs: Mapping[int, tuple[int, ...]], edges: Mapping[tuple[int, int], int],
           names: tuple[str, ...]) -> TaskGraph:
    return TaskGraph({task: Task(dict(zip(names, row))) for task, row in costs.items()}, dict(edges))


def camera_graph() -> TaskGraph:
    """One 1080p frame: decode, resize, find objects and lanes, track, draw, encode. Made-up times.

    "video" is an engine that decodes, encodes and scales.
    """
    costs = {
        "decode": {"CPU": 12.0, "video": 4.0}, "resize": {"CPU": 3.0, "GPU": 1.0, "video": 1.5},
        "objects": {"CPU": 60.0, "GPU": 16.0, "NPU": 9.0}, "lanes": {"CPU": 48.0, "GPU": 12.0, "NPU": 8.0},
        "track": {"CPU": 3.0}, "draw": {"CPU": 2.5, "GPU": 2.0}, "encode": {"CPU": 18.0, "video": 5.0}}
    moved = {
        ("decode", "resize"): FRAME_BYTES, ("resize", "objects"): INPUT_BYTES, ("resize", "lanes"): INPUT_BYTES,
        ("objects", "track"): BOXES_BYTES, ("lanes", "track"): MASK_BYTES, ("track", "draw"): BOXES_BYTES,
        ("decode", "draw"): FRAME_BYTES, ("draw", "encode"): FRAME_BYTES}
    return TaskGraph({name: Task(row) for name, row in costs.items()},
                     {edge: _crossing_ms(n_bytes) for edge, n_bytes in moved.items()})


def _crossing_ms(n_bytes: int) -> float:
    return HANDOVER_MS + copy_ms(n_bytes, LINK_GB_S)


# MobileNetV1's thirteen blocks (Howard et al., 2017, Table 1): channels in and out, stride of the depthwise layer.
BLOCKS = ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2),
          *((512, 512, 1),) * 5, (512, 1024, 2), (1024, 1024, 1))
CPU_GMAC_S, NPU_GMAC_S, NPU_DEPTHWISE_GMAC_S, NPU_LAUNCH_MS = 25.0, 400.0, 40.0, 0.08


def mobilenet_chain() -> TaskGraph:
    """MobileNetV1 as a chain between a CPU that brings the image and a CPU that sorts the classes.

    Operations are counted; the rates are made up: a CPU of 25 GMAC/s, an NPU of 400, and 40 in depthwise layers,
    whose launch takes 0.08 ms a block. INT8 activations: a byte an element.
    """
    tasks, outputs, size = {"image": Task({"CPU": 0.5})}, [3 * 224 * 224], 112
    first = conv2d_ops(224, 224, 3, 32, 3, stride=2, padding=1, bias=False).macs
    tasks["conv"] = _layer(first, 0)
    outputs.append(32 * size * size)
    for number, (c_in, c_out, stride) in enumerate(BLOCKS, 1):
        depthwise = conv2d_ops(size, size, c_in, c_in, 3, stride=stride, padding=1, groups=c_in, bias=False).macs
        size //= stride
        tasks[f"b{number}"] = _layer(conv2d_ops(size, size, c_in, c_out, 1, bias=False).macs, depthwise)
        outputs.append(c_out * size * size)
    tasks["fc"] = _layer(1024 * 1000, 0)
    outputs.append(1000)
    tasks["top-5"] = Task({"CPU": 0.2})
    names = list(tasks)
    edges = {edge: 4 * HANDOVER_MS + copy_ms(n_bytes, LINK_GB_S / 2)
             for edge, n_bytes in zip(pairwise(names), outputs)}
    return TaskGraph(tasks, edges)


def _layer(macs: int, depthwise_macs: int) -> Task:
    """Costs in ms of a layer with `macs` in dense and `depthwise_macs` in depthwise convolutions."""
    on_npu = NPU_LAUNCH_MS + macs / NPU_GMAC_S / 1e6 + depthwise_macs / NPU_DEPTHWISE_GMAC_S / 1e6
    return Task({"CPU": (macs + depthwise_macs) / CPU_GMAC_S / 1e6, "NPU": on_npu})


GRAPHS: Mapping[str, Callable[[], TaskGraph]] = MappingProxyType({
    "published": published_graph, "camera": camera_graph, "MobileNet": mobilenet_chain})
ACCELERATOR: Mapping[str, str] = MappingProxyType({"published": "P3", "camera": "NPU", "MobileNet": "NPU"})


def scaled(graph: TaskGraph, *, link: float = 1.0, device: str = "", speed: float = 1.0) -> TaskGraph:
    """The graph with copies `link` times faster and `device` `speed` times faster.

    Raises ValueError unless both factors are positive, "device" for a device that no task names.

    >>> scaled(published_graph(), link=2).edges[1, 2]
    9.0
    """
    if not (link > 0 and speed > 0):
        raise ValueError(f"link and speed must be positive, got {link} and {speed}")
    if device and device not in graph.devices:
        raise ValueError(f"device must be one of {', '.join(graph.devices)}, got device {device!r}")
    tasks = {name: Task({d: cost / speed if d == device else cost for d, cost in task.costs.items()})
             for name, task in graph.tasks.items()}
    return TaskGraph(tasks, {edge: cost / link for edge, cost in graph.edges.items()})
