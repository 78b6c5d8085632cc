"""Exercise 23.topo_sort: an order in which the nodes can run."""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.graphs import order

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Nodes = list[tuple[list[str], list[str]]]
REFUSALS = "ch23_onnx.one_word"  # a message that holds all the words says nothing
THREE: Nodes = [(["b"], ["y"]), (["x"], ["a"]), (["a", "x"], ["b"])]


def _checked(nodes: Nodes, available: list[str], twice: bool = True, undefined: bool = True,
             absent: str | None = "") -> dict[str, int]:
    """The maker of each tensor; refuses what the text says, as far as it is asked to."""
    makers: dict[str, int] = {}
    for i, (_, outputs) in enumerate(nodes):
        for name in outputs:
            if twice and (name in makers or name in available):
                raise ValueError("made twice")
            makers[name] = i
    known = {*makers, *available}
    if undefined and any(name not in known and name != absent for inputs, _ in nodes for name in inputs):
        raise ValueError("undefined")
    return makers


def _waits(nodes: Nodes, makers: dict[str, int], available: list[str], distinct: bool = True) -> list[list[int]]:
    """For each node the nodes that it waits for, once each or as often as they are read."""
    own = [[makers[n] for n in inputs if n in makers and n not in available] for inputs, _ in nodes]
    return [list(dict.fromkeys(w)) for w in own] if distinct else own


class _Lowest:
    """The ready nodes, of which the lowest index is next."""

    def __init__(self) -> None:
        self.heap: list[tuple] = []

    def push(self, i: int, nodes: Nodes) -> None:
        heapq.heappush(self.heap, (i,))

    def pop(self) -> int:
        return heapq.heappop(self.heap)[-1]

    def __len__(self) -> int:
        return len(self.heap)


class _ByName(_Lowest):
    def push(self, i: int, nodes: Nodes) -> None:
        heapq.heappush(self.heap, (nodes[i][1][0] if nodes[i][1] else "", i))


class _Queue(_Lowest):
    """First ready, first run."""

    def push(self, i: int, nodes: Nodes) -> None:
        self.heap.append((i,))

    def pop(self) -> int:
        return self.heap.pop(0)[-1]


class _Stack(_Queue):
    def pop(self) -> int:
        return self.heap.pop()[-1]


def _kahn(ready_type: type = _Lowest, distinct: bool = True, cycle: str = "cycle", **checks: Any) -> Callable:
    def answer(nodes: Nodes, available: list[str]) -> list[int]:
        makers = _checked(nodes, available, **checks)
        waits = _waits(nodes, makers, available, distinct)
        count, readers = [len(w) for w in waits], [[] for _ in nodes]
        for i, w in enumerate(waits):
            for maker in dict.fromkeys(w):
                readers[maker].append(i)
        ready, found = ready_type(), []
        for i, c in enumerate(count):
            if c == 0:
                ready.push(i, nodes)
        while len(ready):
            found.append(i := ready.pop())
            for reader in readers[i]:
                count[reader] -= 1
                if count[reader] == 0:
                    ready.push(reader, nodes)
        if len(found) < len(nodes) and cycle:
            raise ValueError(cycle)
        return found

    return answer


def _depth_first(nodes: Nodes, available: list[str]) -> list[int]:
    """Makers first, by an explicit stack; a cycle is walked into and comes out as some order."""
    makers = _checked(nodes, available)
    waits, seen, found = _waits(nodes, makers, available), set(), []
    for root in range(len(nodes)):
        stack = [(root, False)]
        while stack:
            i, done = stack.pop()
            if done:
                found.append(i)
            elif i not in seen:
                seen.add(i)
                stack.append((i, True))
                stack += [(w, False) for w in reversed(waits[i]) if w not in seen]
    return found


def _depth_first_recursive(nodes: Nodes, available: list[str]) -> list[int]:
    makers = _checked(nodes, available)
    waits, found = _waits(nodes, makers, available), []

    def visit(i: int) -> None:
        if i in found:
            return
        for w in waits[i]:
            visit(w)
        found.append(i)

    for i in range(len(nodes)):
        visit(i)
    return found


def _depth_first_safe(nodes: Nodes, available: list[str]) -> list[int]:
    """The order of a depth-first search, with every refusal."""
    _kahn()(nodes, available)
    return _depth_first(nodes, available)


def _by_levels(nodes: Nodes, available: list[str]) -> list[int]:
    """All that are ready form a round; the next round looks again."""
    _checked(nodes, available)
    exists, found, left = {*available, ""}, [], list(range(len(nodes)))
    while left:
        now = [i for i in left if set(nodes[i][0]) <= exists]
        if not now:
            raise ValueError("cycle")
        found += now
        left = [i for i in left if not exists.issuperset(nodes[i][0])]
        exists |= {name for i in now for name in nodes[i][1]}
    return found


def _sweeps(nodes: Nodes, available: list[str]) -> list[int]:
    """Runs through the list again and again, and takes what is ready on the way: never goes back to a lower one."""
    _checked(nodes, available)
    exists, found, left = {*available, ""}, [], list(range(len(nodes)))
    while left:
        before = len(left)
        for i in list(left):
            if set(nodes[i][0]) <= exists:
                found.append(i)
                left.remove(i)
                exists |= set(nodes[i][1])
        if len(left) == before:
            raise ValueError("cycle")
    return found


def _ranks(nodes: Nodes, available: list[str]) -> list[int]:
    """For each node its place: the inverse of what is asked."""
    found = _kahn()(nodes, available)
    return [found.index(i) for i in range(len(nodes))]


def _names(nodes: Nodes, available: list[str]) -> list[str]:
    return [nodes[i][1][0] for i in _kahn()(nodes, available)]


def _as_given(nodes: Nodes, available: list[str]) -> list[int]:
    _kahn()(nodes, available)
    return list(range(len(nodes)))


def _says_everything(nodes: Nodes, available: list[str]) -> list[int]:
    """One message for every fault."""
    try:
        return _kahn()(nodes, available)
    except ValueError as error:
        raise ValueError("undefined, twice or cycle") from error


# --- right answers ------------------------------------------------------------------------------


def _scan(nodes: Nodes, available: list[str]) -> list[int]:
    """From the front for a node whose inputs exist, again and again."""
    makers = Counter(name for _, outputs in nodes for name in outputs)
    if any(count > 1 for count in makers.values()) or set(makers) & set(available):
        raise ValueError("a tensor is made twice")
    if missing := {name for inputs, _ in nodes for name in inputs} - set(makers) - set(available) - {""}:
        raise ValueError(f"undefined: {missing}")
    exists, left, found = set(available) | {""}, list(range(len(nodes))), []
    while left:
        place = next((p for p, i in enumerate(left) if exists.issuperset(nodes[i][0])), None)
        if place is None:
            raise ValueError("there is a cycle")
        found.append(i := left.pop(place))
        exists.update(nodes[i][1])
    return found


def _with_graphlib(nodes: Nodes, available: list[str]) -> list[int]:
    from graphlib import CycleError, TopologicalSorter

    makers = _checked(nodes, available)
    sorter = TopologicalSorter(dict(enumerate(_waits(nodes, makers, available))))
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError("cycle") from error
    ready, found = [], []
    while sorter.is_active():
        for i in sorter.get_ready():
            heapq.heappush(ready, i)
        found.append(i := heapq.heappop(ready))
        sorter.done(i)
    return found


def _with_bisect(nodes: Nodes, available: list[str]) -> list[int]:
    makers = _checked(nodes, available)
    missing = [{n for n in inputs if n and n not in available} for inputs, _ in nodes]
    readers: dict[str, list[int]] = {name: [] for name in makers}
    for i, names in enumerate(missing):
        for name in names:
            readers[name].append(i)
    ready, found = deque(i for i, names in enumerate(missing) if not names), []
    while ready:
        found.append(i := ready.popleft())
        for name in nodes[i][1]:
            for reader in readers[name]:
                missing[reader].discard(name)
                if not missing[reader]:
                    bisect.insort(ready, reader)
    if len(found) != len(nodes):
        raise ValueError("cycle")
    return found


# --- graphs -------------------------------------------------------------------------------------


def _graph(rng: np.random.Generator) -> tuple[Nodes, list[str]]:
    """A random DAG in random order: inputs read twice, absent ones, several outputs, names in no order."""
    n = int(rng.integers(1, 12))
    names = [f"t{k}" for k in rng.permutation(40)[: 2 * n]]
    made: list[str] = []
    nodes: Nodes = []
    for k in range(n):
        pool = ["x", "w", "", *made]
        late = made[-2:] * 2  # chains are more interesting than bushes
        inputs = [str(name) for name in rng.choice([*pool, *late], int(rng.integers(0, 4)))]
        outputs = names[2 * k : 2 * k + 1 + int(rng.integers(2))]
        nodes.append((inputs, outputs))
        made += outputs
    return [nodes[i] for i in rng.permutation(n)], ["x", "w"]


def _draw(rng: np.random.Generator) -> Case:
    nodes, available = _graph(rng)
    return Case(nodes, available, label=f"{len(nodes)} nodes" if len(nodes) > 4 else "")


def _refused(word: str, nodes: Nodes, available: list[str]) -> Case:
    return Case(nodes, available, word=word, probe=REFUSALS, label=f"topo_sort({nodes}, {available})")


CHAIN: Nodes = [([f"t{k}"], [f"t{k + 1}"]) for k in range(1500)][::-1]
WIDE: Nodes = [(["m"], ["y"]), (["x"], ["l"]), (["x"], ["r"]), (["l", "r"], ["m"]), (["r"], ["z"]), ([], ["c"])]

topo_sort = Exercise(
    id="23.topo_sort", points=3, difficulty=2, minutes=10, idea="a node is ready when everything that it reads exists",
    reference=order.topological_order,
    cases=[Case(THREE, ["x"])],
    hidden=[Case([(["x", "x"], ["y"])], ["x"]), Case([(["a", "a"], ["y"]), (["x"], ["a"])], ["x"]),
            Case([(["x", "", "hi"], ["y"])], ["x", "hi"]), Case([], ["x"]), Case([([], ["c"])], []), Case(WIDE, ["x"]),
            Case([(["c"], ["y"]), (["x"], ["b"]), (["x"], ["c"]), (["b"], ["z"])], ["x"]),
            Case([(["x"], ["d"]), (["x"], ["b"]), (["x"], ["a"])], ["x"]),
            Case(CHAIN, ["t0"], label="a chain of 1,500 nodes, last one first")],
    draw=_draw, draws=40, compare=exact(), pure=True, time_limit_s=10,
    raises=[_refused("cycle", [(["b"], ["a"]), (["a"], ["b"])], ["x"]), _refused("cycle", [(["x", "y"], ["y"])], ["x"]),
            _refused("cycle", [(["x"], ["s"]), (["s", "c"], ["a"]), (["a"], ["b"]), (["b"], ["c"]), (["c"], ["y"])], ["x"]),
            _refused("undefined", [(["x"], ["y"]), (["z"], ["w"])], ["x"]), _refused("undefined", [(["x"], ["y"])], []),
            _refused("twice", [(["x"], ["y"]), (["x"], ["y"])], ["x"]), _refused("twice", [(["x"], ["w"])], ["x", "w"])],
    misconceptions=[
        Misconception(
            "depth_first", _depth_first,
            "You go from each node to its makers first. That gives an order that works, but another one than asked, and a cycle is walked "
            "into unnoticed. Asked: among the nodes that are ready, always the lowest index.",
            "Depth first is another order.", also=(_depth_first_recursive, _depth_first_safe)),
        Misconception(
            "counts_names", _kahn(distinct=False),
            "A node that reads one tensor twice, like Mul(a, a), never becomes ready: you count its inputs and take off its makers. It "
            "waits for one tensor. Count distinct ones.",
            "Mul(a, a) waits for one tensor."),
        Misconception(
            "absent_is_undefined", _kahn(absent=None),
            "You look for the maker of \"\". That is how ONNX marks an optional input which is absent; nobody has to make it.",
            "\"\" is no tensor."),
        Misconception(
            "sorted_by_name", _kahn(_ByName),
            "Among the ready nodes you take the one whose output comes first by name. Names carry no order: the lowest index goes first.",
            "Names are no order."),
        Misconception(
            "first_ready_first", _kahn(_Queue),
            "You run the nodes in the order in which they became ready. Asked is the lowest index among all that are ready now; a node that "
            "became ready just now may have it.",
            "A queue forgets the index.", also=(_by_levels,)),
        Misconception(
            "last_ready_first", _kahn(_Stack),
            "You run the node that became ready last. Asked is the lowest index among all that are ready.",
            "A stack forgets the index."),
        Misconception(
            "sweeps", _sweeps,
            "You go through the list and take what is ready on the way, then start over. When a node makes a lower one ready, that lower one "
            "comes next: go back at once.",
            "Back to the front at once."),
        Misconception(
            "ranks", _ranks,
            "You return for each node its place. Asked is the other way round: for each place the node that runs there.",
            "Places instead of nodes."),
        Misconception(
            "names_returned", _names,
            "You return names of tensors. Asked are the indices of the nodes in the list given.",
            "Indices, not names."),
        Misconception(
            "as_given", _as_given,
            "You keep the order of the list. A file should be sorted, but tools that add nodes at the end leave it otherwise.",
            "The list is not sorted."),
        Misconception(
            "cycle_unnoticed", _kahn(cycle=""),
            "When nothing is ready any more, you return what you have. If nodes are left over, they wait for each other: that is a cycle, "
            "and the caller must hear of it.",
            "Some nodes never run."),
        Misconception(
            "undefined_is_cycle", _kahn(undefined=False, cycle="cycle"),
            "A tensor that nobody makes is not noticed, or is reported as a cycle. These are two mistakes of two different people: a name that "
            "was mistyped, and a graph that feeds itself.",
            "Undefined is no cycle.", also=(_kahn(undefined=False, cycle=""),)),
        Misconception(
            "twice_unnoticed", _kahn(twice=False),
            "Two nodes may make the same tensor, or one that is available already, and you do not say so. ONNX is in single-assignment form: "
            "every name is written once.",
            "A name is written once."),
        Misconception(
            "every_word", _says_everything,
            "One message holds more than one of the three words. Whoever reads it still has to search. Say only what is wrong: \"undefined\", \"twice\" or "
            "\"cycle\".",
            "Which fault is it?"),
    ],
    alternatives=[_kahn(), _scan, _with_graphlib, _with_bisect],
    hints=(
        "First find who makes each tensor: a dict from name to node. Two makers, or a maker of an available tensor: \"twice\".",
        "For each node collect the *set* of names that it still waits for, without \"\" and without what is available. A name without a maker: "
        "\"undefined\".",
        "Keep the ready nodes in a heap (`heapq`). Take the lowest, strike its outputs from the sets of their readers, and push a reader whose "
        "set is empty now. Fewer than all at the end: \"cycle\".",
    ),
    worth_knowing="This is Kahn's algorithm of 1962. The heap makes the order unique, so two tools that use it write the same file.",
)
