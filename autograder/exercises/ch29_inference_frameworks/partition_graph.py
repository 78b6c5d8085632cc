"""Exercise 29.partition_graph: convex groups for two devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from utils.engines import frameworks

from ...compare import close, prop
from ...exercise import Case, Exercise, Misconception

Node = tuple[str, list[str], list[str]]
Groups = list[tuple[str, list[int]]]


def _predecessors(nodes: list[Node]) -> list[list[int]]:
    maker = {name: i for i, (_, _, outputs) in enumerate(nodes) for name in outputs}
    return [[maker[name] for name in inputs if name in maker] for _, inputs, _ in nodes]


def _devices(nodes: list[Node], supported: set[str]) -> list[str]:
    return ["accel" if op in supported else "cpu" for op, _, _ in nodes]


# --- right in other ways ---------------------------------------------------------------------------


def _until_stuck(nodes: list[Node], supported: set[str]) -> Groups:
    before, device, done, groups, now = _predecessors(nodes), _devices(nodes, supported), set(), [], "accel"
    while len(done) < len(nodes):
        group = []
        for i in range(len(nodes)):  # one pass is enough: the nodes are sorted
            if i not in done and device[i] == now and all(p in done for p in before[i]):
                group.append(i)
                done.add(i)
        if group:
            groups.append((now, group))
        now = "cpu" if now == "accel" else "accel"
    return groups


def _better_of_two(nodes: list[Node], supported: set[str]) -> Groups:
    return min((frameworks.run_until_stuck(nodes, supported, first) for first in ("cpu", "accel")), key=len)


def _by_recursion(nodes: list[Node], supported: set[str]) -> Groups:
    before, device = _predecessors(nodes), _devices(nodes, supported)

    def level(i: int) -> int:
        lowest = max((level(p) + (device[p] != device[i]) for p in before[i]), default=0)
        return lowest + ((lowest % 2 == 0) != (device[i] == "accel"))

    by_level: dict[int, list[int]] = {}
    for i in range(len(nodes)):
        by_level.setdefault(level(i), []).append(i)
    return [(device[by_level[k][0]], by_level[k]) for k in sorted(by_level)]


# --- mistakes --------------------------------------------------------------------------------------


def _consecutive(nodes: list[Node], supported: set[str]) -> Groups:
    groups: Groups = []
    for i, device in enumerate(_devices(nodes, supported)):
        if groups and groups[-1][0] == device:
            groups[-1][1].append(i)
        else:
            groups.append((device, [i]))
    return groups


def _one_of_each(nodes: list[Node], supported: set[str]) -> Groups:
    device = _devices(nodes, supported)
    groups = [(d, [i for i, other in enumerate(device) if other == d]) for d in ("accel", "cpu")]
    return [group for group in groups if group[1]]


def _first_seen(nodes: list[Node], supported: set[str]) -> Groups:
    return sorted(_one_of_each(nodes, supported), key=lambda group: group[1][0])


def _singles(nodes: list[Node], supported: set[str]) -> Groups:
    return [(device, [i]) for i, device in enumerate(_devices(nodes, supported))]


def _components(nodes: list[Node], supported: set[str]) -> Groups:
    """Neighbours on one device, joined whatever lies between."""
    before, device, name = _predecessors(nodes), _devices(nodes, supported), list(range(len(nodes)))

    def root(i: int) -> int:
        return i if name[i] == i else root(name[i])

    for i, found in enumerate(before):
        for p in found:
            if device[p] == device[i]:
                name[max(root(p), root(i))] = min(root(p), root(i))
    members: dict[int, list[int]] = {}
    for i in range(len(nodes)):
        members.setdefault(root(i), []).append(i)
    return [(device[group[0]], group) for group in sorted(members.values(), key=lambda g: g[0])]


def _by_depth(nodes: list[Node], supported: set[str]) -> Groups:
    before, device, depth = _predecessors(nodes), _devices(nodes, supported), []
    for found in before:
        depth.append(max((depth[p] + 1 for p in found), default=0))
    return _by_key([(k, d) for k, d in zip(depth, device)])


def _no_parity(nodes: list[Node], supported: set[str]) -> Groups:
    before, device, level = _predecessors(nodes), _devices(nodes, supported), []
    for i, found in enumerate(before):
        level.append(max((level[p] + (device[p] != device[i]) for p in found), default=0))
    return _by_key([(k, d) for k, d in zip(level, device)])


def _by_key(keys: list[tuple[int, str]]) -> Groups:
    return [(key[1], [i for i, other in enumerate(keys) if other == key]) for key in sorted(set(keys))]


def _last_input_only(nodes: list[Node], supported: set[str]) -> Groups:
    return frameworks.partition_graph([(op, list(inputs[:1]), outputs) for op, inputs, outputs in nodes], supported)


def _accel_first(nodes: list[Node], supported: set[str]) -> Groups:
    return sorted(frameworks.partition_graph(nodes, supported), key=lambda group: group[0])


def _by_first_node(nodes: list[Node], supported: set[str]) -> Groups:
    return sorted(frameworks.partition_graph(nodes, supported), key=lambda group: group[1][0])


def _descending(nodes: list[Node], supported: set[str]) -> Groups:
    return [(device, members[::-1]) for device, members in frameworks.partition_graph(nodes, supported)]


def _swapped(nodes: list[Node], supported: set[str]) -> Groups:
    return [("cpu" if device == "accel" else "accel", members) for device, members in frameworks.partition_graph(nodes, supported)]


# --- judging ---------------------------------------------------------------------------------------


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    nodes, supported = case.args
    if not isinstance(got, (list, tuple)):
        return f"a {type(got).__name__}, expected a list of groups"
    groups = [(device, list(members)) for device, members in got]
    found = [i for _, members in groups for i in members]
    if sorted(found) != list(range(len(nodes))):
        return f"nodes {sorted(found)}, expected each of 0 to {len(nodes) - 1} once"
    before, device, done = _predecessors(nodes), _devices(nodes, supported), set()
    for name, members in groups:
        if not members:
            return "an empty group"
        if members != sorted(members):
            return f"group {members} is not ascending"
        for i in members:
            if device[i] != name:
                return f'node {i} ({nodes[i][0]}) in a group "{name}"'
            late = [p for p in before[i] if p not in done and p not in members]
            if late:
                return f"node {i} runs before node {late[0]}, whose output it reads"
        done.update(members)
    return None if len(groups) <= len(expected) else f"{len(groups)} groups, {len(expected)} are enough"


_VALID = prop(_judge, same=close(dtype="any"))
_NMS = [("conv", ["x"], ["a"]), ("relu", ["a"], ["b"]), ("nms", ["b"], ["c"]), ("conv", ["b"], ["d"]), ("conv", ["c"], ["e"]), ("add", ["d", "e"], ["y"])]
_BRANCHES = [("conv", ["x"], ["a"]), ("sort", ["x"], ["b"]), ("conv", ["a"], ["c"]), ("sort", ["b"], ["d"]), ("add", ["c", "d"], ["y"])]
_ALL = ["conv", "relu", "add"]


def _chain(ops: str) -> list[Node]:
    """A chain of accelerated (A) and other (C) nodes."""
    return [(op, [f"t{i}"], [f"t{i + 1}"]) for i, op in enumerate(ops)]


_DIAMOND = [("A", ["x"], ["a"]), ("C", ["a"], ["b"]), ("A", ["a"], ["c"]), ("A", ["b", "c"], ["d"]), ("C", ["c"], ["e"]), ("A", ["d", "e"], ["y"])]
_TWO_OUT = [("A", ["x", "w"], ["a", "b"]), ("C", ["b"], ["c"]), ("A", ["", "a"], ["d"]), ("A", ["d", "c"], ["y", "z"]), ("C", ["z", "x"], ["u"])]
_APART = [("C", ["x"], ["a"]), ("A", ["v"], ["b"]), ("C", ["u"], ["c"]), ("A", ["w"], ["d"])]
_LATE = [("C", ["x"], ["a"]), ("A", ["a"], ["b"]), ("A", ["x"], ["c"]), ("C", ["c"], ["d"]), ("A", ["b", "d"], ["y"])]


def _graph(rng: np.random.Generator, size: int) -> list[Node]:
    """A random graph: each node reads some of the tensors before it."""
    share, ops, nodes = rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.8), []
    for i in range(size):
        inputs = [f"t{j}" for j in range(i) if rng.random() < share] or ["x"]
        nodes.append((str(rng.choice(["A", "B"])) if rng.random() < ops else "C", inputs, [f"t{i}"]))
    return nodes


def _draw(rng: np.random.Generator) -> Case:
    size = int(rng.integers(1, 15))
    return Case(_graph(rng, size), ["A", "B"] if rng.random() < 0.7 else ["A"], label=f"a drawn graph of {size} nodes")


partition_graph = Exercise(
    id="29.partition_graph", points=6, difficulty=3, minutes=25, idea="a group must not wait for itself",
    reference=frameworks.partition_graph, probe="ch29_inference_frameworks.partition", compare=_VALID,
    cases=[Case(_NMS, _ALL, label="the graph with nms of the text"), Case(_BRANCHES, ["conv", "add"], label="the graph with sort of the text")],
    hidden=[
        Case([], ["A"], label="no nodes"), Case(_chain("AAAA"), ["A"], label="a chain, all supported"), Case(_chain("CCC"), ["A"], label="a chain, none supported"),
        Case(_chain("ACACAC"), ["A"], label="a chain that alternates"), Case(_chain("CAAC"), ["A"], label="a chain C A A C"),
        Case(_DIAMOND, ["A"], label="a diamond of six nodes"), Case(_TWO_OUT, ["A"], label="nodes with two outputs, and an absent input"),
        Case(_APART, ["A"], label="four nodes without a path between them"), Case(_LATE, ["A"], label="a node that waits for the CPU twice"),
        Case(_NMS, ["conv", "relu", "add", "nms"], label="the graph of the text, all supported"), Case(_NMS, [], label="the graph of the text, an empty set"),
        Case(_NMS, ["nms"], label="the graph of the text, only nms supported"),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception(
            "consecutive", _consecutive,
            "You group neighbours in the list. A later node that is ready early could join an earlier group, and each group less saves a copy each way. "
            "Look at what a node reads, not at its place in the list.",
            "The order of the list is not the graph."),
        Misconception(
            "all_together", _one_of_each,
            "You put all supported nodes into one group. In the first graph `add` then waits for `nms`, which waits for `relu`, which is in the group of `add`: "
            "a cycle, nothing can start.",
            "One group waits for itself.", also=(_first_seen,)),
        Misconception(
            "singles", _singles,
            "Every node is a group of its own. That runs, but each border costs a copy and a start: join what can run together.",
            "Every node is alone."),
        Misconception(
            "components", _components,
            "You join all supported nodes that are connected. Two of them may be connected directly and also by a path through the CPU; the group would have "
            "to run before and after that path.",
            "Connected is not enough."),
        Misconception(
            "depth", _by_depth,
            "Your level grows with every node. It has to grow only where the device changes: a chain of supported nodes is one group.",
            "Not every node begins a new level."),
        Misconception(
            "no_parity", _no_parity,
            "Nodes of both devices share a level in your answer, so a level becomes two groups. Start a CPU node at 1: then accelerated nodes get the even levels and CPU nodes the odd ones.",
            "Both devices share a level."),
        Misconception(
            "one_input", _last_input_only,
            "You look at the first input of a node alone. It has to wait for all of them.",
            "A node waits for all its inputs."),
        Misconception(
            "order", _accel_first,
            "The groups are right, but cannot run in this order: a group reads what a later one makes.",
            "The groups are out of order.", also=(_by_first_node,)),
        Misconception(
            "descending", _descending,
            "The groups are right. Within a group the indices are asked in ascending order.",
            "The indices are not ascending."),
        Misconception(
            "swapped", _swapped,
            "The two devices have changed places. Operators in `supported` run on \"accel\".",
            "The devices are swapped."),
    ],
    alternatives=[_until_stuck, _better_of_two, _by_recursion],
    hints=(
        "Keep a dict from each tensor to the node that makes it. One pass is enough, as the nodes are sorted.",
        "Start at 0 on the accelerator and at 1 on the CPU. The level is at least that of each predecessor, and one more where the device differs.",
        "Nodes of equal level form a group; the levels in ascending order are an order in which the groups can run. Levels without nodes are no groups.",
    ),
    worth_knowing="ONNX Runtime asks its providers for such groups (GetCapability), LiteRT calls them delegate partitions, ExecuTorch lets a partitioner mark them.",
)
