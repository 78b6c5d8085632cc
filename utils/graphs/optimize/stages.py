"""The stages of an optimiser for ONNX graphs, and what each of them changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import onnx
from onnx import ModelProto


@dataclass(frozen=True)
class StageRow:
    """A graph after one stage. `tensors` counts all names: inputs, constants and what nodes make; `n_bytes` is the
    serialised size; `shaped` is the number of intermediate tensors whose shape is recorded."""

    stage: str
    nodes: int
    tensors: int
    initializers: int
    n_bytes: int
    shaped: int

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def optimize_stages(model: ModelProto) -> list[tuple[str, ModelProto]]:
    """The model after each stage: original, cleanup, fold constants, shape inference, finished (a second cleanup).

    Cleanup takes out what no output needs. Nothing is fused; chapter 35's `simplify` goes further. `model` is not
    changed.
    """
    from utils.graphs.simplify import eliminate_dead, fold_constants  # its equivalence check imports this package

    clean = eliminate_dead(model).model
    folded = fold_constants(clean).model
    shaped = onnx.shape_inference.infer_shapes(folded, data_prop=True)
    finished = eliminate_dead(shaped).model
    names = ("original", "cleanup", "fold constants", "shape inference", "finished")
    return list(zip(names, (model, clean, folded, shaped, finished)))


def optimizer_report(model: ModelProto) -> list[StageRow]:
    """A row a stage of `optimize_stages`."""
    return [_row(stage, graph) for stage, graph in optimize_stages(model)]


def _row(stage: str, model: ModelProto) -> StageRow:
    graph = model.graph
    made = {name for node in graph.node for name in node.output if name}
    constants = {tensor.name for tensor in graph.initializer}
    names = made | constants | {value.name for value in graph.input}
    return StageRow(stage, len(graph.node), len(names), len(constants), model.ByteSize(), len(graph.value_info))
