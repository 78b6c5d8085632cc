"""A real line of threads on this machine: frames from a pool, a scaler, a network in ONNX Runtime, post-processing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.hardware.soc.pipeline import PipelineTrace, simulate_pipeline
from utils.hardware.soc.ring import RingBuffer

WIDTH, HEIGHT, NN_SIZE = 1920, 1080, 320
STAGES = ("camera", "scaler", "network", "post-processing")
PATIENCE_S = 30.0


@dataclass(frozen=True)
class LiveRun:
    """What happened: frames in the order in which they came out, and milliseconds of each stage for each frame.

    wall_ms: first start to last end. most_lent: frames of the pool in use at once. model: the same stage times in
    `simulate_pipeline`. classes: the network's result for each frame.
    """

    frames: tuple[int, ...]
    stage_ms: tuple[tuple[float, ...], ...]
    wall_ms: float
    most_lent: int
    pool: int
    model: PipelineTrace
    classes: tuple[int, ...]

    @property
    def fps(self) -> float:
        return 1000 * len(self.frames) / self.wall_ms

    @property
    def model_fps(self) -> float:
        return 1000 * len(self.frames) / self.model.finish[-1]

    @property
    def one_by_one_fps(self) -> float:
        """The rate without overlap: every frame through all stages before the next."""
        return 1000 * len(self.frames) / sum(map(sum, self.stage_ms))


def run_live(n_frames: int = 60, buffers: int = 1, pool: int = 8) -> LiveRun:
    """Send synthetic NV12 frames through four threads with at most `buffers` frames between two of them.

    Raises ValueError for n_frames < 1 or buffers < 1, and RuntimeError with the cause when a stage fails.
    """
    if n_frames < 1 or buffers < 1:
        raise ValueError(f"n_frames and buffers must be at least 1, got {n_frames} and {buffers}")
    ring = RingBuffer(pool, (HEIGHT * 3 // 2, WIDTH))
    classes: list[int] = []
    stages, out = _stages(ring, classes), []
    queues = [queue.Queue(buffers) for _ in stages[1:]]
    times: list[list[float]] = [[] for _ in stages]
    failures: list[BaseException] = []

    def work(i: int) -> None:
        try:
            for k in range(n_frames):
                item = k if i == 0 else queues[i - 1].get(timeout=PATIENCE_S)
                begin = time.perf_counter()
                item = stages[i](item)
                times[i].append(1e3 * (time.perf_counter() - begin))
                if i + 1 < len(stages):
                    queues[i].put(item, timeout=PATIENCE_S)  # a full buffer stops this stage
                else:
                    out.append(item)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,), name=STAGES[i]) for i in range(len(stages))]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_ms = 1e3 * (time.perf_counter() - begin)
    if failures:
        raise RuntimeError(f"a stage of the pipeline failed: {failures[0]!r}") from failures[0]
    return LiveRun(tuple(out), tuple(map(tuple, times)), wall_ms, ring.most_lent, pool,
                   simulate_pipeline(times, n_frames, buffers), tuple(classes))


def _stages(ring: RingBuffer, classes: list[int]) -> list[Callable[[Any], Any]]:
    session = _session()
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8)

    def camera(k: int) -> tuple[int, int]:
        frame = ring.borrow(PATIENCE_S)
        np.add(picture, np.uint8(k % 256), out=ring.view(frame))  # what an ISP would write
        return k, frame

    rows, columns = np.arange(NN_SIZE) * HEIGHT // NN_SIZE, np.arange(NN_SIZE) * WIDTH // NN_SIZE

    def scaler(item: tuple[int, int]) -> tuple[int, np.ndarray]:
        k, frame = item
        nv12 = ring.view(frame)
        tensor = _to_rgb(nv12[:HEIGHT], nv12[HEIGHT:].reshape(HEIGHT // 2, WIDTH // 2, 2), rows, columns)
        ring.give_back(frame)
        return k, tensor

    def network(item: tuple[int, np.ndarray]) -> tuple[int, np.ndarray]:
        k, tensor = item
        return k, session.run(None, {"x": tensor})[0]

    def post(item: tuple[int, np.ndarray]) -> int:
        k, scores = item
        best = np.argsort(scores.reshape(len(scores[0]), -1), axis=1)[:, -10:]  # ten candidates of each class
        classes.append(int(np.take_along_axis(scores.reshape(len(scores[0]), -1), best, 1).mean(1).argmax()))
        return k

    return [camera, scaler, network, post]


def _to_rgb(y: np.ndarray, uv: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sampled pixels of Y (H, W) and UV (H/2, W/2, 2) as RGB in [0, 1], shape (1, 3, rows, columns); BT.601."""
    luma = y[np.ix_(rows, columns)].astype(np.float32) - 16
    u, v = np.moveaxis(uv[np.ix_(rows // 2, columns // 2)].astype(np.float32) - 128, -1, 0)
    rgb = np.stack([1.164 * luma + 1.596 * v, 1.164 * luma - 0.392 * u - 0.813 * v, 1.164 * luma + 2.017 * u])
    return np.clip(rgb / 255, 0, 1)[None]


def _session() -> Any:
    """Three convolutions, on one thread: (1, 3, NN_SIZE, NN_SIZE) to scores (1, 8, NN_SIZE / 4, NN_SIZE / 4)."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model, make_session

    rng = np.random.default_rng(0)
    shapes = {"w1": (16, 3, 3, 3), "w2": (32, 16, 3, 3), "w3": (8, 32, 3, 3)}
    weights = {name: (0.1 * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
    nodes = [helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1] * 4, strides=[2, 2]),
             helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1] * 4, strides=[2, 2]),
             helper.make_node("Relu", ["c"], ["d"]), helper.make_node("Conv", ["d", "w3"], ["y"], pads=[1] * 4)]
    ends = {"x": (1, 3, NN_SIZE, NN_SIZE)}, {"y": (1, 8, NN_SIZE // 4, NN_SIZE // 4)}
    return make_session(make_model(nodes, *ends, weights), threads=1)
