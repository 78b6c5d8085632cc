"""An order in which the nodes of a graph can run; knows nothing of ONNX but names."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Any

Pair = tuple[Sequence[str], Sequence[str]]


def topological_order(nodes: Sequence[Any], available: Iterable[str]) -> list[int]:
    """Indices of `nodes` in an order in which every input exists before it is read (Kahn 1962).

    A node is an ONNX node (anything with `input` and `output`) or a pair (inputs, outputs) of tensor names; ""
    marks an absent optional input. `available` names the graph's inputs and constants. Among the nodes that are
    ready the lowest index goes first, so a list already in order stays as it is.
    Raises ValueError "cycle", "undefined" (a tensor that nobody makes) or "twice" (made by two nodes, or
    by a node although it is available).

    >>> topological_order([(["b"], ["y"]), (["x"], ["a"]), (["a", "x"], ["b"])], ["x"])
    [1, 2, 0]
    """
    pairs: list[Pair] = [(n.input, n.output) if hasattr(n, "output") else n for n in nodes]
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


def _producers(pairs: Sequence[Pair], exists: set[str]) -> dict[str, int]:
    producer: dict[str, int] = {}
    for index, (_, outputs) in enumerate(pairs):
        for name in outputs:
            if name and (name in producer or name in exists):
                raise ValueError(f"nodes must make each tensor once, got {name!r} made twice")
            if name:
                producer[name] = index
    return producer
