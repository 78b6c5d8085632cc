"""A simplification as a film: the graph before each pass that changes it, every node at the place that it had first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from onnx import ModelProto, NodeProto

from utils.graphs.simplify.rewriting import Pass, copy_of, producers
from utils.graphs.simplify.schedule import DEFAULT_PASSES, pass_name, simplify

State = Literal["stays", "goes", "changes"]


@dataclass(frozen=True)
class FrameNode:
    """A node of a frame: its name, operator, place (column and lane) and what the next pass does to it."""

    name: str
    op: str
    column: int
    lane: int
    state: State


@dataclass(frozen=True)
class GraphFrame:
    """The graph before one pass: nodes, edges (names of two nodes), and the size of the model."""

    round: int
    next_pass: str
    nodes: tuple[FrameNode, ...]
    edges: tuple[tuple[str, str], ...]
    n_nodes: int
    size_bytes: int

    def count(self, state: State) -> int:
        """How many nodes are in that state."""
        return sum(node.state == state for node in self.nodes)


def graph_frames(model: ModelProto, passes: Sequence[Pass] = DEFAULT_PASSES) -> list[GraphFrame]:
    """The graph before each pass that changes its nodes, and at the end; passes without effect on nodes are left out.

    In a frame the nodes that the next pass takes out are "goes", those that it gives other inputs, outputs or
    attributes are "changes". Columns and lanes are those of the first graph. Sizes leave out the names of nodes.
    """
    start = _named(model)
    stages: list[tuple[int, str, ModelProto]] = []

    def watched(apply: Pass) -> Pass:
        def run(graph: ModelProto):
            result = apply(graph)
            stages.append((1 + len(stages) // len(passes), pass_name(apply), result.model))
            return result

        return run

    simplify(start, [watched(apply) for apply in passes])
    places = _places(start)
    frames, current = [], start
    for number, name, after in stages:
        states = _states(current, after)
        if any(state == "goes" for state in states.values()) or _rewired(states):
            frames.append(_frame(current, number, name, places, states))
        current = after
    frames.append(_frame(current, stages[-1][0] if stages else 1, "", places, {}))
    return frames


def _named(model: ModelProto) -> ModelProto:
    """Names tell nodes apart over all passes: no pass makes a node or renames one."""
    named = copy_of(model)
    for i, node in enumerate(named.graph.node):
        node.name = f"node{i}"
    return named


def _rewired(states: dict[str, State]) -> bool:
    return any(state == "changes" for state in states.values())


def _states(before: ModelProto, after: ModelProto) -> dict[str, State]:
    left = {node.name: node for node in after.graph.node}
    states: dict[str, State] = {}
    for node in before.graph.node:
        other = left.get(node.name)
        if other is None:
            states[node.name] = "goes"
        elif _content(node) != _content(other):
            states[node.name] = "changes"
    return _only_own_changes(before, states)


def _content(node: NodeProto) -> tuple:
    return node.op_type, tuple(node.input), tuple(node.output), tuple(a.SerializeToString() for a in node.attribute)


def _only_own_changes(before: ModelProto, states: dict[str, State]) -> dict[str, State]:
    """A node whose input is called otherwise only because its producer went has not changed itself."""
    made_by = producers(before.graph)
    gone = {name for name, state in states.items() if state == "goes"}
    told = dict(states)
    for node in before.graph.node:
        if states.get(node.name) == "changes" and any(
            made_by[name].name in gone for name in node.input if name in made_by
        ):
            del told[node.name]
    return told


def _edges(nodes: Iterable[NodeProto]) -> list[tuple[str, str]]:
    nodes = list(nodes)
    made_by = {name: node.name for node in nodes for name in node.output if name}
    found = [(made_by[name], node.name) for node in nodes for name in node.input if name in made_by]
    return list(dict.fromkeys(found))


def _frame(
    model: ModelProto, number: int, name: str, places: dict[str, tuple[int, int]], states: dict[str, State]
) -> GraphFrame:
    nodes = [FrameNode(n.name, n.op_type, *places[n.name], states.get(n.name, "stays")) for n in model.graph.node]
    edges = _edges(model.graph.node)
    return GraphFrame(number, name, tuple(nodes), tuple(edges), len(nodes), _size_bytes(model))


def _size_bytes(model: ModelProto) -> int:
    """Bytes of the model without the names that the nodes were given here."""
    plain = copy_of(model)
    for node in plain.graph.node:
        node.ClearField("name")
    return plain.ByteSize()


def _places(model: ModelProto) -> dict[str, tuple[int, int]]:
    """Column: the longest way from an input, or just before the first reader where no input is behind it."""
    edges = _edges(model.graph.node)
    column: dict[str, int] = {}
    for node in model.graph.node:  # in topological order
        column[node.name] = max((column[a] + 1 for a, b in edges if b == node.name), default=0)
    inputs = {value.name for value in model.graph.input}
    for node in reversed(model.graph.node):
        readers = [column[b] for a, b in edges if a == node.name]
        if readers and not inputs.intersection(node.input) and not _fed(node.name, edges, model):
            column[node.name] = min(readers) - 1
    taken: set[tuple[int, int]] = set()
    places = {}
    for node in model.graph.node:
        lane = next(k for k in range(len(column)) if (column[node.name], k) not in taken)
        taken.add((column[node.name], lane))
        places[node.name] = (column[node.name], lane)
    return places


def _fed(name: str, edges: list[tuple[str, str]], model: ModelProto) -> bool:
    """Whether the node depends on an input of the graph."""
    inputs = {value.name for value in model.graph.input}
    by_name = {node.name: node for node in model.graph.node}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if inputs.intersection(by_name[current].input):
            return True
        waiting += [a for a, b in edges if b == current]
    return False
