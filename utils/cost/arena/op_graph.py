"""A graph of operators and its orders: what an order costs at its peak, and which one costs least."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from utils.cost.arena.tensor_use import TensorUse
from utils.cost.checks import non_negative

MOST_OPS = 18  # of the exact search: 2**18 sets


@dataclass(frozen=True)
class GraphOp:
    """An operator, named like the one tensor that it makes.

    With `inplace_ok` it may write over its first input, if no other operator still needs that and it is neither an
    input nor an output of the graph.
    """

    name: str
    inputs: tuple[str, ...]
    out_bytes: int
    inplace_ok: bool = False


@dataclass(frozen=True)
class TensorGraph:
    """Operators in any order, the bytes of the graph's inputs, and the names of its outputs.

    Raises ValueError for a name made "twice", an "undefined" one, a negative size, or a "cycle".
    """

    ops: tuple[GraphOp, ...]
    inputs: Mapping[str, int]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        if len({*self.inputs, *(op.name for op in self.ops)}) < len(self.inputs) + len(self.ops):
            raise ValueError("ops must make each tensor once, got a name made twice")
        for name in (*self.outputs, *(name for op in self.ops for name in op.inputs)):
            if name not in self.size:
                raise ValueError(f"ops must read tensors that exist, got undefined {name!r}")
        non_negative(size=min(self.size.values(), default=0))
        ready_order(self)

    @classmethod
    def of(cls, inputs: Mapping[str, Sequence[str]], size: Mapping[str, int], outputs: Iterable[str]) -> TensorGraph:
        """From plain data: what each operator reads, and all sizes; the other names in `size` are graph inputs."""
        return cls(tuple(GraphOp(name, tuple(read), size[name]) for name, read in inputs.items()),
                   {name: n for name, n in size.items() if name not in inputs}, tuple(outputs))

    @cached_property
    def size(self) -> dict[str, int]:
        """Bytes of every tensor."""
        return {**self.inputs, **{op.name: op.out_bytes for op in self.ops}}

    @cached_property
    def readers(self) -> dict[str, frozenset[str]]:
        """For every tensor the operators that read it."""
        found: dict[str, set[str]] = {name: set() for name in self.size}
        for op in self.ops:
            for name in op.inputs:
                found[name].add(op.name)
        return {name: frozenset(ops) for name, ops in found.items()}

    @cached_property
    def by_name(self) -> dict[str, GraphOp]:
        """The operators by their names."""
        return {op.name: op for op in self.ops}

    def stays(self, name: str) -> bool:
        """Whether nobody ever frees this tensor: an output of the graph, or an input that no operator reads."""
        return name in self.outputs or (name in self.inputs and not self.readers[name])

    def overwrites(self, op: GraphOp, done: set[str] | frozenset[str]) -> bool:
        """Whether `op`, run after the operators `done`, writes over its first input."""
        if not op.inplace_ok or not op.inputs or op.inputs[0] in self.inputs or self.stays(op.inputs[0]):
            return False
        return self.readers[op.inputs[0]] <= {*done, op.name}


def ready_order(graph: TensorGraph) -> list[str]:
    """The operators in their own order, each moved back until its inputs exist; ValueError "cycle" if there is none."""
    exists, waiting, order = set(graph.inputs), list(graph.ops), []
    while waiting:
        at = next((i for i, op in enumerate(waiting) if exists.issuperset(op.inputs)), None)
        if at is None:
            raise ValueError(f"ops must not form a cycle, got one among {sorted(op.name for op in waiting)}")
        op = waiting.pop(at)
        order.append(op.name)
        exists.add(op.name)
    return order


def order_uses(order: Sequence[str], graph: TensorGraph) -> dict[str, TensorUse]:
    """For every tensor its bytes and the steps in which it lives; step i runs order[i].

    Graph inputs live from step 0, outputs to the last step. Tensors that follow each other in place are one buffer,
    as large as the largest of them, under the name of the last. Raises ValueError as `order_peak` does.
    """
    _check_order(order, graph)
    step = {name: i for i, name in enumerate(order)}
    end = max(0, len(order) - 1)
    uses: dict[str, TensorUse] = {}
    for name, size in graph.size.items():
        if name in graph.inputs:
            uses[name] = TensorUse(size, 0, _last(name, graph, step, end))
    for i, name in enumerate(order):
        op, first, size = graph.by_name[name], i, graph.size[name]
        if graph.overwrites(op, frozenset(order[:i])):
            buffer = uses.pop(op.inputs[0])
            first, size = buffer.first, max(size, buffer.size)
        uses[name] = TensorUse(size, first, _last(name, graph, step, end))
    return uses


def _last(name: str, graph: TensorGraph, step: Mapping[str, int], end: int) -> int:
    if graph.stays(name):
        return end
    return max((step[reader] for reader in graph.readers[name]), default=step.get(name, 0))


def order_peak(order: Sequence[str], graph: TensorGraph) -> int:
    """Largest number of live bytes while the operators run in this order.

    An output is allocated while the operator's inputs are live (in place: the larger of the two counts). A tensor
    dies after its last reader, one that nobody reads right after it was made. Graph inputs live from the start;
    graph outputs, and graph inputs that nobody reads, never die.
    Raises ValueError unless every operator is there once and "after" what it reads.

    >>> graph = TensorGraph.of({"a": "x", "b": "x", "c": "a", "d": "b", "y": "cd"},
    ...                        {"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}, ["y"])
    >>> order_peak("abcdy", graph), order_peak("acbdy", graph)
    (24, 15)
    """
    return max(sum(graph.inputs.values()), *order_bytes(order, graph), 0)


def order_bytes(order: Sequence[str], graph: TensorGraph) -> list[int]:
    """Live bytes while each operator of the order runs; ValueError as in `order_peak`."""
    _check_order(order, graph)
    done: set[str] = set()
    steps = []
    for name in order:
        steps.append(_live(done, graph) + _added(graph.by_name[name], done, graph))
        done.add(name)
    return steps


def _check_order(order: Sequence[str], graph: TensorGraph) -> None:
    if len(order) != len(graph.ops) or set(order) != graph.by_name.keys():
        raise ValueError(f"order must list each of {len(graph.ops)} operators once, got {list(order)}")
    exists = set(graph.inputs)
    for name in order:
        if not exists.issuperset(graph.by_name[name].inputs):
            raise ValueError(f"order must run {name!r} after what it reads, got {list(order)}")
        exists.add(name)


def _live(done: set[str] | frozenset[str], graph: TensorGraph) -> int:
    """Bytes that live between two operators, when `done` have run."""
    made = (*graph.inputs, *done)
    return sum(graph.size[name] for name in made if graph.stays(name) or not graph.readers[name] <= done)


def _added(op: GraphOp, done: set[str] | frozenset[str], graph: TensorGraph) -> int:
    """Bytes that come on top of the live ones while `op` runs."""
    return max(0, op.out_bytes - graph.size[op.inputs[0]]) if graph.overwrites(op, done) else op.out_bytes


def _ready(done: frozenset[str], graph: TensorGraph) -> list[GraphOp]:
    return [op for op in graph.ops if op.name not in done
            and all(name in graph.inputs or name in done for name in op.inputs)]


def best_order(graph: TensorGraph) -> tuple[list[str], int]:
    """An order with the smallest peak, and that peak, for at most 18 operators.

    What lives between two operators depends on the *set* of those that have run, not on their order. So the search
    walks over sets: always on from the set that can be reached with the smallest peak, until all have run.
    Raises ValueError for a larger graph.
    """
    if len(graph.ops) > MOST_OPS:
        raise ValueError(f"graph must have at most {MOST_OPS} operators for an exact search, got {len(graph.ops)}")
    number = {op.name: i for i, op in enumerate(graph.ops)}
    queue: list[tuple[int, int, tuple[int, ...]]] = [(sum(graph.inputs.values()), 0, ())]
    seen: set[int] = set()
    while True:
        peak, missing, ran = heapq.heappop(queue)  # among equal peaks the set that is nearest to the end
        if len(ran) == len(graph.ops):
            return [graph.ops[i].name for i in ran], peak
        key = sum(1 << i for i in ran)
        if key in seen:
            continue
        seen.add(key)
        done = frozenset(graph.ops[i].name for i in ran)
        live = _live(done, graph)
        for op in _ready(done, graph):
            heapq.heappush(queue, (max(peak, live + _added(op, done, graph)), missing - 1, (*ran, number[op.name])))


def greedy_order(graph: TensorGraph) -> list[str]:
    """Always the ready operator that leaves the fewest live bytes behind; quick, and not always best."""
    done: frozenset[str] = frozenset()
    order: list[str] = []
    while len(order) < len(graph.ops):
        op = min(_ready(done, graph), key=lambda op: (_live(done | {op.name}, graph), _added(op, done, graph)))
        order.append(op.name)
        done |= {op.name}
    return order
