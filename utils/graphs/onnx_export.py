"""From a torch module to an ONNX model, with a check of what was really written."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import onnx
from onnx import ModelProto

from utils.graphs.onnx_inspect import graph_stats
from utils.optional import require

if TYPE_CHECKING:
    import torch


def export_torch(
    module: torch.nn.Module,
    example: torch.Tensor | tuple[torch.Tensor, ...],
    path: str | Path | None = None,
    *,
    dynamic_batch: str | None = None,
    opset: int = 18,
    route: Literal["legacy", "dynamo"] = "legacy",
    fold: bool = True,
) -> ModelProto:
    """Export a torch module in evaluation mode, check what was written, and return the model.

    The tensors are called "input" and "output", or "input_0", "input_1", ... when there are several.
    `dynamic_batch` is the symbol of axis 0 ("N"). Route "legacy" traces (0.1 s), "dynamo" goes through
    torch.export (3-15 s) and drops the recorded intermediate shapes, on which ONNX Runtime's quantizer
    stumbles. `fold=False` keeps what "legacy" would compute at export: constant arithmetic, batch norm. With `path`
    the file is written too, whole or not at all.
    Raises ValueError for an unknown route, for `fold=False` with "dynamo", and when the file's opset is not the
    one asked for: the dynamo exporter writes 18 where 13 was asked, with no more than a log message. Raises
    EngineUnavailable when route "dynamo" lacks its package.
    """
    examples = example if isinstance(example, tuple) else (example,)
    if route not in ("legacy", "dynamo"):
        raise ValueError(f"route must be 'legacy' or 'dynamo', got {route!r}")
    if route == "dynamo" and not fold:
        raise ValueError("fold must be True with route 'dynamo', got False")
    was_training = module.training
    module.eval()
    try:
        if route == "legacy":
            model = _export_legacy(module, examples, dynamic_batch, opset, fold)
        else:
            model = _export_dynamo(module, examples, dynamic_batch, opset)
    finally:
        module.train(was_training)
    onnx.checker.check_model(model)
    written = graph_stats(model).opset
    if written != opset:
        raise ValueError(f"opset must be one the exporter can write: asked for opset {opset}, file has {written}")
    if path is not None:
        write_atomically(path, model.SerializeToString())
    return model


def _export_legacy(module: Any, examples: tuple, dynamic_batch: str | None, opset: int, fold: bool) -> ModelProto:
    import torch

    inputs, outputs = _tensor_names(module, examples)
    axes = {name: {0: dynamic_batch} for name in inputs + outputs} if dynamic_batch else None
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation of the route, and the tracer's remarks
        torch.onnx.export(
            module,
            examples,
            buffer,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=opset,
            do_constant_folding=fold,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def _export_dynamo(module: Any, examples: tuple, dynamic_batch: str | None, opset: int) -> ModelProto:
    import torch

    require("onnxscript", "the dynamo exporter needs `pip install onnxscript`; route='legacy' does not")
    inputs, outputs = _tensor_names(module, examples)
    shapes = None
    if dynamic_batch:
        batch = torch.export.Dim(dynamic_batch)
        shapes = tuple({0: batch} for _ in examples)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _without_log_messages():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            examples,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    del model.graph.value_info[:]
    return model


@contextlib.contextmanager
def _without_log_messages() -> Iterator[None]:
    """The exporter reports every optional package that it misses; what it wrote is checked afterwards instead."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _tensor_names(module: Any, examples: tuple) -> tuple[list[str], list[str]]:
    import torch

    with torch.no_grad():
        result = module(*examples)
    n_outputs = len(result) if isinstance(result, list | tuple) else 1

    def names(stem: str, n: int) -> list[str]:
        return [stem] if n == 1 else [f"{stem}_{i}" for i in range(n)]

    return names("input", len(examples)), names("output", n_outputs)


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all: to a neighbouring file first, which is then renamed."""
    path = Path(path)
    neighbour = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        neighbour.write_bytes(data)
        os.replace(neighbour, path)
    finally:
        neighbour.unlink(missing_ok=True)
