"""Three real stages of a small camera pipeline, for `threads.RealPipeline`: shrink, a network, pick boxes.

The network's weights are random: what it finds means nothing, what it computes takes as long as if it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from onnx import ModelProto, helper

from utils.graphs.onnx_tools import make_model, make_session

BLOCK = 4  # pixels of a frame that become one pixel, in each direction
FRAME_SHAPE = (720, 1280, 3)
BOX = 12.0  # half the side of a box, in cells
STAGE_NAMES = ("shrink", "network", "pick boxes")


def make_frames(count: int, seed: int = 0, shape: tuple[int, int, int] = FRAME_SHAPE) -> list[np.ndarray]:
    """Random frames, uint8 of shape (height, width, 3)."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)]


def shrink(frame: np.ndarray) -> np.ndarray:
    """Mean of each 4 x 4 block: (H, W, 3) uint8 to (1, 3, H/4, W/4) float32 in [0, 1]."""
    rows = sum(frame[i::BLOCK].astype(np.float32) for i in range(BLOCK))  # (H/4, W, 3)
    small = sum(rows[:, j::BLOCK] for j in range(BLOCK))  # (H/4, W/4, 3)
    return np.ascontiguousarray(small.transpose(2, 0, 1)[None] / np.float32(255 * BLOCK * BLOCK))


def detector(seed: int = 0, channels: int = 12) -> ModelProto:
    """Two 3 x 3 convolutions with ReLU and one that scores each cell: (1, 3, H, W) to (1, 1, H, W)."""
    rng = np.random.default_rng(seed)
    sizes, names = (3, channels, channels, 1), ("x", "a", "b", "scores")
    weights = {f"w{i}": rng.normal(0, (2 / (9 * sizes[i])) ** 0.5, (sizes[i + 1], sizes[i], 3, 3)).astype(np.float32)
               for i in range(3)}
    nodes = []
    for i, (source, target) in enumerate(pairwise(names)):
        made = target if i == 2 else f"c{i}"
        nodes.append(helper.make_node("Conv", [source, f"w{i}"], [made], pads=[1, 1, 1, 1]))
        if made != target:
            nodes.append(helper.make_node("Relu", [made], [target]))
    shape = (1, 3, "H", "W")
    return make_model(nodes, {"x": shape}, {"scores": (1, 1, "H", "W")}, weights)


def network_stage(model: ModelProto | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """A stage that runs the detector in ONNX Runtime on one thread; its result is (H, W)."""
    runtime = make_session(model or detector(), threads=1, optimize=True)
    return lambda x: runtime.run(None, {"x": x})[0][0, 0]


def pick_boxes(scores: np.ndarray, candidates: int = 40) -> np.ndarray:
    """Non-maximum suppression: the cells, best first, whose boxes overlap no better one by half (IoU); int64 (k, 2).

    IoU is the area that two boxes share over the area that they cover together. All cells are sorted, the best
    `candidates` are looked at.
    """
    order = np.argsort(-scores, axis=None, kind="stable")[:candidates]
    cells = np.stack(np.unravel_index(order, scores.shape), axis=1)  # (candidates, 2)
    kept: list[int] = []
    for i, cell in enumerate(cells):
        if not kept or iou(cells[kept], cell).max() < 0.5:
            kept.append(i)
    return cells[kept]


def iou(cells: np.ndarray, cell: np.ndarray, half: float = BOX) -> np.ndarray:
    """IoU of equal squares of side 2 · half around `cells` (k, 2) with the one around `cell` (2,); (k,)."""
    side = 2 * half
    shared = np.clip(side - np.abs(cells - cell), 0, None).prod(axis=1)
    return shared / (2 * side * side - shared)


def stages() -> list[Callable[[Any], Any]]:
    """The three stages, ready to run."""
    return [shrink, network_stage(), pick_boxes]


# --- the same middle stage on a GPU ---------------------------------------------------------------


@dataclass(frozen=True)
class CopyTimes:
    """Milliseconds that one input takes to the GPU from ordinary and from page-locked ("pinned") memory."""

    pageable_ms: float
    pinned_ms: float


def cuda_session(model: ModelProto | None = None) -> Any:
    """The detector on ONNX Runtime's CUDA provider, or None where that is not there or does not start."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return None
    source = (model or detector()).SerializeToString()
    runtime = onnxruntime.InferenceSession(source, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    return runtime if "CUDAExecutionProvider" in runtime.get_providers() else None


def copy_times(torch: Any, x: np.ndarray, repeats: int = 20) -> CopyTimes:
    """Time copies of `x` to the GPU by CUDA events; `torch` is the module, with a GPU. The least of `repeats`."""
    pageable = torch.from_numpy(x)
    pinned = pageable.pin_memory()

    def least(source: Any, non_blocking: bool) -> float:
        taken = []
        for _ in range(repeats + 1):  # the first one also prepares the device
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            source.to("cuda", non_blocking=non_blocking)
            end.record()
            torch.cuda.synchronize()
            taken.append(begin.elapsed_time(end))
        return min(taken[1:])

    return CopyTimes(least(pageable, False), least(pinned, True))
