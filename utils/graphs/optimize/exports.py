"""One small network, exported by several routes, and which batch sizes the files run at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto

from utils.graphs.onnx_tools import export_torch, graph_stats, make_session
from utils.optional import EngineUnavailable

if TYPE_CHECKING:
    import torch

INPUT_SHAPE = (3, 8, 8)
ROUTES = ("dynamo", "legacy", "legacy without folding", "legacy dynamic")


def example_cnn(seed: int = 0) -> torch.nn.Module:
    """An untrained CNN with what exporters stumble over: (N, 3, 8, 8) images to (N, 10) scores, evaluation mode.

    It normalises its input by two buffers, has a batch norm to fold, and flattens by `x.reshape(x.shape[0], -1)`.
    """
    import torch
    from torch import nn

    class ExampleCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3]))
            self.register_buffer("std", torch.tensor([0.2, 0.2, 0.25]))
            self.conv, self.bn = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
            self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(8 * 4 * 4, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = (x - self.mean[:, None, None]) / self.std[:, None, None]  # (N, 3, 8, 8)
            x = self.pool(torch.relu(self.bn(self.conv(x))))  # (N, 8, 4, 4)
            return self.fc(x.reshape(x.shape[0], -1))  # (N, 10)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ExampleCNN()
        model.bn.running_mean.normal_(0, 0.1)
        model.bn.running_var.uniform_(0.5, 1.5)
    return model.eval()


def export_route(route: str, opset: int = 18) -> ModelProto:
    """The example exported by one of `ROUTES`; the file is kept for the next call, so do not change it.

    Route "dynamo" has a symbolic batch as well, and takes some seconds the first time. Raises KeyError for an
    unknown route, EngineUnavailable when "dynamo" lacks onnxscript, and ValueError when another opset was written.
    """
    if route not in ROUTES:
        raise KeyError(f"route must be one of {ROUTES}, got {route!r}")
    model = _exported(route, opset)
    if isinstance(model, str):
        raise ValueError(model)
    return model


@lru_cache(maxsize=8)
def _exported(route: str, opset: int) -> ModelProto | str:
    """The model, or why the exporter's file was refused: an export of seconds is not repeated for its error."""
    import torch

    options = {
        "dynamo": {"route": "dynamo", "dynamic_batch": "N"},
        "legacy": {},
        "legacy without folding": {"fold": False},
        "legacy dynamic": {"dynamic_batch": "N"},
    }[route]
    try:
        return export_torch(example_cnn(), torch.zeros(1, *INPUT_SHAPE), opset=opset, **options)
    except ValueError as error:
        return str(error)


def available_exports() -> tuple[dict[str, ModelProto], dict[str, str]]:
    """(models by route, reasons by the routes that this machine lacks)."""
    models, missing = {}, {}
    for route in ROUTES:
        try:
            models[route] = export_route(route)
        except EngineUnavailable as error:
            missing[route] = str(error)
    return models, missing


def export_matrix(models: Mapping[str, ModelProto], batches: Sequence[int], seed: int = 0) -> dict[str, dict[str, Any]]:
    """Per model: opset, IR version, operators in order, bytes, input dims, and per batch size whether it runs.

    `runs` maps a batch size to "" or to the first line of what ONNX Runtime said. The sizes of the input's other
    axes must be known.
    """
    table = {}
    for name, model in models.items():
        stats = graph_stats(model)
        table[name] = {
            "opset": stats.opset,
            "ir_version": stats.ir_version,
            "nodes": stats.nodes,
            "ops": [node.op_type for node in model.graph.node],
            "bytes": model.ByteSize(),
            "input": list(next(iter(stats.inputs.values()))),
            "runs": _runs(model, batches, np.random.default_rng(seed)),
        }
    return table


def _runs(model: ModelProto, batches: Sequence[int], rng: np.random.Generator) -> dict[int, str]:
    import onnxruntime

    session = make_session(model)
    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = 4
    source = session.get_inputs()[0]
    told = {}
    for batch in batches:
        x = rng.standard_normal((batch, *source.shape[1:])).astype(np.float32)
        try:
            session.run(None, {source.name: x}, quiet)
            told[batch] = ""
        except Exception as error:  # ONNX Runtime's own classes
            told[batch] = str(error).strip().splitlines()[0]
    return told
