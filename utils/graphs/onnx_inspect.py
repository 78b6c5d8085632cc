"""Looking into an ONNX graph: what it holds, and an order in which its nodes can run."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto, numpy_helper


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


def topological_order(
    nodes: Sequence[NodeProto | tuple[Sequence[str], Sequence[str]]], available: Iterable[str]
) -> list[int]:
    """Indices of `nodes` in an order in which every input exists before it is read (Kahn 1962).

    A node is an ONNX node or a pair (inputs, outputs) of tensor names; "" marks an absent optional
    input. `available` names the graph's inputs and constants. Among the nodes that are ready the
    lowest index goes first, so a list already in order stays as it is.
    Raises ValueError "cycle", "undefined" (a tensor that nobody makes) or "twice" (made by two nodes, or
    by a node although it is available).

    >>> topological_order([(["b"], ["y"]), (["x"], ["a"]), (["a", "x"], ["b"])], ["x"])
    [1, 2, 0]
    """
    pairs = [(n.input, n.output) if isinstance(n, NodeProto) else n for n in nodes]
    exists = set(available)
    producer = _producers(pairs, exists)
    readers: dict[str, list[int]] = {}  # tensor -> nodes that wait for it
    waiting = [0] * len(pairs)  # per node: distinct inputs not made yet
    for index, (inputs, _) in enumerate(pairs):
        for name in set(inputs) - {""} - exists:
            if name not in producer:
                raise ValueError(f"nodes must read existing tensors, got undefined {name!r} at node {index}")
            readers.setdefault(name, []).append(index)
            waiting[index] += 1
    ready = [index for index, count in enumerate(waiting) if count == 0]  # sorted, hence a heap
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for name in pairs[index][1]:
            for reader in readers.get(name, ()):
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    heapq.heappush(ready, reader)
    if len(order) < len(pairs):
        stuck = [index for index, count in enumerate(waiting) if count]
        raise ValueError(f"nodes must not form a cycle, got one among nodes {stuck}")
    return order


def _producers(pairs: Sequence[tuple[Sequence[str], Sequence[str]]], exists: set[str]) -> dict[str, int]:
    producer: dict[str, int] = {}
    for index, (_, outputs) in enumerate(pairs):
        for name in outputs:
            if name and (name in producer or name in exists):
                raise ValueError(f"nodes must make each tensor once, got {name!r} made twice")
            if name:
                producer[name] = index
    return producer
