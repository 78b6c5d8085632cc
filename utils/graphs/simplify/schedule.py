"""Passes, round after round, until a round changes nothing; and the report about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import onnx
from onnx import ModelProto

from utils.graphs.simplify.batchnorm import fuse_conv_bn
from utils.graphs.simplify.dead import eliminate_common_subexpressions, eliminate_dead
from utils.graphs.simplify.folding import fold_constants
from utils.graphs.simplify.noops import eliminate_noops
from utils.graphs.simplify.reshapes import open_reshape, rewrite_dynamic_reshape
from utils.graphs.simplify.rewriting import Pass, PassResult, copy_of, is_standard
from utils.graphs.simplify.scales import fuse_scales
from utils.graphs.simplify.shapes import with_input_shapes
from utils.graphs.simplify.transposes import cancel_transposes

Graph = TypeVar("Graph")

PASSES: dict[str, Pass] = {
    "noops": eliminate_noops,
    "fold": fold_constants,
    "conv_bn": fuse_conv_bn,
    "scales": fuse_scales,
    "transposes": cancel_transposes,
    "open_reshape": open_reshape,
    "cse": eliminate_common_subexpressions,
    "dynamic_reshape": rewrite_dynamic_reshape,
    "dead": eliminate_dead,
}
DEFAULT_PASSES: tuple[Pass, ...] = tuple(p for name, p in PASSES.items() if name != "dynamic_reshape")
OLDEST_OPSET = 7  # before it broadcasting was an attribute, and Dropout trained unless told otherwise


class NotConverged(RuntimeError):
    """Every round that was allowed still changed something."""


def fixed_point(
    graph: Graph, passes: Sequence[Callable[[Graph], tuple[Graph, int]]], max_rounds: int = 15
) -> tuple[Graph, list[int]]:
    """Apply the passes in order, round after round, until a round changes nothing.

    A pass maps a graph to (new graph, number of changes). Returns the last graph and the changes of each round, summed
    over the passes; the last entry is 0. Raises a RuntimeError "did not converge" when `max_rounds` rounds all changed
    something, ValueError when max_rounds is below 1.
    """
    if max_rounds < 1:
        raise ValueError(f"max_rounds must be at least 1, got {max_rounds}")
    per_round: list[int] = []
    for _ in range(max_rounds):
        total = 0
        for apply in passes:
            graph, changes = apply(graph)
            total += changes
        per_round.append(total)
        if total == 0:
            return graph, per_round
    raise NotConverged(f"the passes did not converge in {max_rounds} rounds")


@dataclass(frozen=True)
class Step:
    """One pass of one round: how many rewrites it made, and the nodes and bytes that the model had after it."""

    round: int
    name: str
    changes: int
    nodes: int
    size_bytes: int


@dataclass(frozen=True)
class SimplifyReport:
    """The simplified model and how it came about; sizes are those of the serialized models."""

    model: ModelProto
    log: tuple[Step, ...]
    converged: bool
    nodes_before: int
    nodes_after: int
    bytes_before: int
    bytes_after: int
    notes: tuple[str, ...]

    @property
    def grew_bytes(self) -> int:
        """By how many bytes the file grew; 0 if it did not."""
        return max(self.bytes_after - self.bytes_before, 0)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the model as plain data."""
        steps = [{"round": s.round, "pass": s.name, "changes": s.changes, "nodes": s.nodes, "bytes": s.size_bytes}
                 for s in self.log]
        fields = ("converged", "nodes_before", "nodes_after", "bytes_before", "bytes_after", "grew_bytes")
        return {name: getattr(self, name) for name in fields} | {"notes": list(self.notes), "log": steps}


def simplify(
    model: ModelProto,
    passes: Sequence[Pass] = DEFAULT_PASSES,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    max_rounds: int = 15,
) -> SimplifyReport:
    """Simplify an ONNX model; the argument is not changed, the names of inputs and outputs stay.

    `input_shapes` fixes symbolic input dimensions first, which lets shape arithmetic fold. The result passes ONNX's
    full check. `notes` says what was left alone for its size, and by how much the file grew if it did.
    When `max_rounds` rounds all changed something, the last model is returned with `converged` False.
    Raises ValueError for an invalid model, for one of an opset below 7, and for shapes that do not fit.
    """
    _check(model)
    start = with_input_shapes(model, input_shapes) if input_shapes else copy_of(model)
    notes: dict[str, None] = {}
    _free_weights(start, notes)
    _drop_annotations(start)
    log: list[Step] = []
    latest, size = [start], [start.ByteSize()]

    def logged(apply: Pass, graph: ModelProto) -> tuple[ModelProto, int]:
        result = apply(graph)
        notes.update(dict.fromkeys(result.notes))
        if not result.changes:
            result = PassResult(graph, 0)  # spares measuring the model again, which takes time when it is large
        else:
            size[0] = result.model.ByteSize()
        latest[0] = result.model
        number = 1 + len(log) // len(passes)
        log.append(Step(number, pass_name(apply), result.changes, len(result.model.graph.node), size[0]))
        return result.model, result.changes

    try:
        fixed_point(start, [partial(logged, apply) for apply in passes], max_rounds)
        converged = True
    except NotConverged:
        converged = False
    return _report(model, latest[0], log, converged, notes)


def pass_name(apply: Pass) -> str:
    """The short name of a pass ("fold"), or the name of its function."""
    function = getattr(apply, "func", apply)  # behind functools.partial
    return next((name for name, known in PASSES.items() if known is function), getattr(function, "__name__", "pass"))


def _check(model: ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"model must be valid ONNX, got: {str(error).strip()}") from error
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OLDEST_OPSET)
    if opset < OLDEST_OPSET:
        raise ValueError(f"model must have opset {OLDEST_OPSET} or later, got {opset}: use onnx.version_converter")


def _free_weights(model: ModelProto, notes: dict[str, None]) -> None:
    """Before IR version 4 initializers had to be listed as inputs; since then that says they may be overridden."""
    if model.ir_version >= 4:
        return
    weights = {tensor.name for tensor in model.graph.initializer}
    for i in range(len(model.graph.input) - 1, -1, -1):
        if model.graph.input[i].name in weights:
            del model.graph.input[i]
    notes[f"IR version {model.ir_version} lists weights as inputs; they are constants now, in IR version 4"] = None
    model.ir_version = 4


def _drop_annotations(model: ModelProto) -> None:
    """Forget the shapes that the file claims for results of ONNX's own operators: a stale one would be folded in.

    What an operator of another domain makes can't be inferred: there the file is believed.
    """
    foreign = {name for node in model.graph.node if not is_standard(node) for name in node.output}
    for i in range(len(model.graph.value_info) - 1, -1, -1):
        if model.graph.value_info[i].name not in foreign:
            del model.graph.value_info[i]


def _report(
    original: ModelProto, model: ModelProto, log: list[Step], converged: bool, notes: dict[str, None]
) -> SimplifyReport:
    onnx.checker.check_model(model, full_check=True)
    before, after = original.ByteSize(), model.ByteSize()
    told = list(notes)
    if after > before:
        told.append(f"the file grew from {before:,} to {after:,} bytes")
    if not converged:
        told.append("the passes did not converge: some still changed the graph in the last round")
    return SimplifyReport(model, tuple(log), converged, len(original.graph.node), len(model.graph.node), before, after,
                          tuple(told))
