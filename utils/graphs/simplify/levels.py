"""What simplifying is worth in ONNX Runtime: session creation and run time at its optimisation levels, in turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from onnx import ModelProto

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


@dataclass(frozen=True)
class LevelTime:
    """Medians of one model at one level: session creation (ms), one run (µs), and the nodes that are run."""

    level: str
    model: str
    create_ms: float
    run_us: float
    nodes: int

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def measure_levels(
    models: Mapping[str, ModelProto],
    runs: int = 200,
    creations: int = 10,
    levels: tuple[str, ...] = LEVELS,
    seed: int = 0,
) -> list[LevelTime]:
    """Time each model at each level of ONNX Runtime, one thread, inputs of symbolic size 1, all in turns.

    Interleaved, so that a machine that slows down slows all of them. Raises ValueError for an unknown level.
    """
    from utils.cost.latency import time_interleaved
    from utils.graphs.simplify.verification import draw_feeds

    if unknown := set(levels) - set(LEVELS):
        raise ValueError(f"levels must be among {', '.join(LEVELS)}, got {sorted(unknown)}")
    keys = [(level, name) for level in levels for name in models]
    data = {name: model.SerializeToString() for name, model in models.items()}
    feeds = draw_feeds(next(iter(models.values())), np.random.default_rng(seed))
    sessions = {key: open_session(data[key[1]], key[0]) for key in keys}
    created = time_interleaved({key: _creator(data[key[1]], key[0]) for key in keys}, creations)
    ran = time_interleaved({key: _runner(session, feeds) for key, session in sessions.items()}, runs, warmup=10)
    return [
        LevelTime(level, name, float(np.median(created[level, name])), 1e3 * float(np.median(ran[level, name])),
                  len(optimized_ops(data[name], level)))
        for level, name in keys
    ]  # fmt: skip


def open_session(model: bytes, level: str, path: str = "") -> Any:
    """A session of one thread at the named level; with `path` the graph that it runs is written there."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.log_severity_level = 3
    if path:
        options.optimized_model_filepath = path
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def optimized_ops(model: bytes, level: str) -> list[str]:
    """The operators that ONNX Runtime runs at the level, in order."""
    import os
    import tempfile

    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "optimized.onnx")
        open_session(model, level, path)
        return [node.op_type for node in onnx.load(path).graph.node]


def _creator(model: bytes, level: str):
    return lambda: open_session(model, level)


def _runner(session: Any, feeds: Mapping[str, np.ndarray]):
    return lambda: session.run(None, feeds)
