"""Looking into an ONNX graph: what it holds."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, ValueInfoProto, numpy_helper


@dataclass(frozen=True)
class GraphStats:
    """What an ONNX file holds: versions, node counts, bytes of weights, shapes of inputs and outputs."""

    opset: int
    ir_version: int
    nodes: int
    op_counts: dict[str, int]
    initializer_bytes: int
    inputs: dict[str, tuple[int | str | None, ...]]
    outputs: dict[str, tuple[int | str | None, ...]]

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def graph_stats(model: ModelProto | str | Path) -> GraphStats:
    """Counts, versions and shapes of a model or of an .onnx file.

    `opset` is the version of the default domain (0 if the model imports none); `initializer_bytes`
    counts the weights' own bytes, not the file's; inputs that are initializers are left out.
    """
    if not isinstance(model, ModelProto):
        model = onnx.load(os.fspath(model))
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    return GraphStats(
        opset=next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0),
        ir_version=model.ir_version,
        nodes=len(graph.node),
        op_counts=dict(sorted(Counter(node.op_type for node in graph.node).items())),
        initializer_bytes=sum(numpy_helper.to_array(tensor).nbytes for tensor in graph.initializer),
        inputs={value.name: _dims(value) for value in graph.input if value.name not in weights},
        outputs={value.name: _dims(value) for value in graph.output},
    )


def _dims(value: ValueInfoProto) -> tuple[int | str | None, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in dims)
