"""The networks of the experiments, with a fixed batch and with a free one, as ONNX models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.checks import positive

if TYPE_CHECKING:
    import onnxruntime
    import torch
    from onnx import ModelProto

    from utils.serving.batching.fixed import Run

SYMBOL = "N"  # name of the free dimension
INPUT = "input"


def small_cnn(seed: int = 0) -> torch.nn.Module:
    """Convolutions 3 -> 16 -> 32 on (n, 3, 48, 48), a mean over the picture, 10 classes. Random weights."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
                  nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
        return nn.Sequential(*layers).eval()


def export_pair(model: torch.nn.Module, sample_shape: tuple[int, ...], static_batch: int,
                folder: str | Path) -> tuple[Path, Path]:
    """Write a model twice, with batch `static_batch` and with a free batch "N"; the two paths, static first.

    `sample_shape` is that of one input, without the batch.
    """
    import torch

    from utils.graphs.onnx_tools import export_torch

    positive(static_batch=static_batch)
    static, dynamic = Path(folder) / f"static{static_batch}.onnx", Path(folder) / "dynamic.onnx"
    example = torch.zeros(static_batch, *sample_shape)
    export_torch(model, example, static)
    export_torch(model, example, dynamic, dynamic_batch=SYMBOL)
    return static, dynamic


def fix_batch(dynamic_path: str | Path, static_path: str | Path, batch: int) -> ModelProto:
    """Give the free dimension "N" of a model file a value, and write the result.

    This is what `python -m onnxruntime.tools.make_dynamic_shape_fixed` does for back ends that take fixed shapes only.
    Raises ValueError for a batch below 1, and for a model without that dimension.
    """
    import onnx
    from onnxruntime.tools.onnx_model_utils import make_dim_param_fixed

    from utils.graphs.onnx_tools import write_atomically

    positive(batch=batch)
    model = onnx.load(str(dynamic_path))
    if not any(d.dim_param == SYMBOL for v in model.graph.input for d in v.type.tensor_type.shape.dim):
        raise ValueError(f"dynamic_path must be a model with a free dimension {SYMBOL!r}, got {dynamic_path}")
    make_dim_param_fixed(model.graph, SYMBOL, batch)
    write_atomically(static_path, model.SerializeToString())
    return model


def wide_mlp(width: int = 1024, layers: int = 8, seed: int = 0) -> ModelProto:
    """`layers` fully connected layers, `width` x `width`, with ReLU: (N, width) -> (N, width). Random weights.

    With one row a pass reads each weight for one multiplication: the time is that of reading the weights, and more rows
    share it.
    """
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    rng = np.random.default_rng(seed)
    nodes, weights, value = [], {}, INPUT
    for k in range(layers):
        # the factor sqrt(2) keeps the size of the activations through ReLU (He et al., 2015)
        weights[f"w{k}"] = rng.standard_normal((width, width), np.float32) * np.float32((2 / width) ** 0.5)
        made = f"h{k}" if k < layers - 1 else "output"
        nodes += [helper.make_node("MatMul", [value, f"w{k}"], [f"m{k}"]), helper.make_node("Relu", [f"m{k}"], [made])]
        value = made
    return make_model(nodes, {INPUT: (SYMBOL, width)}, {"output": (SYMBOL, width)}, weights)


def make_run(model: ModelProto | bytes | str | Path, threads: int = 1) -> Run:
    """A function from an input array to the first output, on ONNX Runtime with all its optimisations."""
    from utils.graphs.onnx_tools import make_session

    return run_onnx(make_session(model, threads=threads, optimize=True))


def run_onnx(session: onnxruntime.InferenceSession, options: Any = None) -> Run:
    """The same for a session with one input; `options` are onnxruntime.RunOptions."""
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x}, options)[0]


def shrink_after_run() -> Any:
    """onnxruntime.RunOptions that give the CPU arena's unused memory back after a run; by default it is kept."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options
