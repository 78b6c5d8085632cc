"""A detector that needs no training: an ONNX model that averages tiles, and a threshold that finds the bright digit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from utils.delivery.streaming.tracking import Box

if TYPE_CHECKING:
    from onnx import ModelProto

TILE = 8  # pixels a side
BRIGHT = 110.0  # the background's tiles stay below 94, of 255

Detector = Callable[[Sequence[np.ndarray]], list[list[Box]]]


def tile_model(size: tuple[int, int]) -> ModelProto:
    """ONNX model: "frames" (N, 1, height, width) uint8 -> "tiles" (N, 1, height / 8, width / 8), mean brightness."""
    from onnx import TensorProto, helper

    from utils.graphs.onnx_tools import make_model

    width, height = size
    nodes = [
        helper.make_node("Cast", ["frames"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("AveragePool", ["x"], ["tiles"], kernel_shape=[TILE, TILE], strides=[TILE, TILE]),
    ]
    frames = {"frames": (np.uint8, ["N", 1, height, width])}
    return make_model(nodes, frames, {"tiles": ["N", 1, height // TILE, width // TILE]})


def digit_detector(size: tuple[int, int]) -> Detector:
    """A function from a batch of lumas (height, width) uint8 to the boxes of each: ONNX Runtime on one thread."""
    from utils.graphs.onnx_tools import make_session

    session = make_session(tile_model(size), threads=1, optimize=True)

    def detect(frames: Sequence[np.ndarray]) -> list[list[Box]]:
        (tiles,) = session.run(None, {"frames": np.stack(frames)[:, None]})
        return [bright_box(grid[0]) for grid in tiles]

    return detect


def bright_box(grid: np.ndarray) -> list[Box]:
    """The box in pixels around all bright tiles of a frame (rows, columns); an empty list where there is none."""
    rows, columns = np.nonzero(grid > BRIGHT)
    if not len(rows):
        return []
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return [(float(TILE * left), float(TILE * top), float(TILE * right), float(TILE * bottom))]
