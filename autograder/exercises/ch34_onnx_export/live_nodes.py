"""Exercise 34.live_nodes: which nodes does the result depend on?"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from utils.graphs import optimize

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Nodes = list[tuple[list[str], list[str]]]


def _refuse(nodes: Nodes, outputs: list[str]) -> None:
    known = {name for inputs, made in nodes for name in [*inputs, *made]} - {""}
    for name in outputs:
        if name not in known:
            raise ValueError(f"nobody makes {name}")


def _walk(nodes: Nodes, outputs: list[str], *, empty: str = "", first_only: bool = False) -> list[int]:
    """Indices in the order in which they are found. `empty`: the name that counts as absent."""
    maker = {}
    for index, (_, made) in enumerate(nodes):
        for name in made[:1] if first_only else made:
            if name != empty:
                maker[name] = index
    found: dict[int, None] = {}
    queue = deque(maker[name] for name in outputs if name in maker)
    while queue:
        index = queue.popleft()
        if index in found:
            continue
        found[index] = None
        queue.extend(maker[name] for name in nodes[index][0] if name in maker)
    return list(found)


def _answer(walk: Callable, *, check: bool = True) -> Callable:
    def answer(nodes: Nodes, outputs: list[str]) -> list[int]:
        if check:
            _refuse(nodes, outputs)
        return walk(nodes, outputs)

    return answer


def _both(walk: Callable) -> dict:
    return {"answer": _answer(walk), "also": (_answer(walk, check=False),)}


def _forward(nodes: Nodes, outputs: list[str]) -> list[int]:
    """What the graph's inputs reach; everything that no node makes is an input."""
    made = {name for _, out in nodes for name in out}
    readers: dict[str, list[int]] = {}
    for i, (inputs, _) in enumerate(nodes):
        for name in inputs:
            readers.setdefault(name, []).append(i)
    live = {i for i, (inputs, _) in enumerate(nodes) if not inputs or any(name not in made for name in inputs)}
    queue = list(live)
    for i in queue:
        new = {r for name in nodes[i][1] for r in readers.get(name, ())} - live
        live |= new
        queue += new
    return sorted(live)


def _one_sweep(nodes: Nodes, outputs: list[str]) -> list[int]:
    needed, live = set(outputs) - {""}, []
    for index in range(len(nodes) - 1, -1, -1):
        inputs, made = nodes[index]
        if needed.intersection(made):
            live.append(index)
            needed |= set(inputs) - {""}
    return sorted(live)


def _one_sweep_forward(nodes: Nodes, outputs: list[str]) -> list[int]:
    needed, live = set(outputs) - {""}, []
    for index, (inputs, made) in enumerate(nodes):
        if needed.intersection(made):
            live.append(index)
            needed |= set(inputs) - {""}
    return live


def _recursive(nodes: Nodes, outputs: list[str]) -> list[int]:
    maker = {name: i for i, (_, made) in enumerate(nodes) for name in made if name}
    live: set[int] = set()

    def visit(name: str) -> None:
        index = maker.get(name)
        if index is not None and index not in live:
            live.add(index)
            for source in nodes[index][0]:
                visit(source)

    for name in outputs:
        visit(name)
    return sorted(live)


def _makers_only(nodes: Nodes, outputs: list[str]) -> list[int]:
    return [i for i, (_, made) in enumerate(nodes) if set(made) & (set(outputs) - {""})]


def _read_by_somebody(nodes: Nodes, outputs: list[str]) -> list[int]:
    """Nodes whose result is read by any node, or is an output."""
    read = ({name for inputs, _ in nodes for name in inputs} | set(outputs)) - {""}
    return [i for i, (_, made) in enumerate(nodes) if read & set(made)]


def _with_duplicates(nodes: Nodes, outputs: list[str]) -> list[int]:
    maker = {name: i for i, (_, made) in enumerate(nodes) for name in made if name}
    found = [maker[name] for name in outputs if name in maker]
    for index in found:
        if len(found) > 100_000:
            break
        found += [maker[name] for name in nodes[index][0] if name in maker]
    return sorted(found)


def _only_makers_count(nodes: Nodes, outputs: list[str]) -> list[int]:
    made = {name for _, out in nodes for name in out if name}
    if any(name not in made for name in outputs):
        raise ValueError("an output that no node makes")
    return sorted(_walk(nodes, outputs))


def _to_a_fixed_point(nodes: Nodes, outputs: list[str]) -> list[int]:
    """Sweeps, backwards and forwards in turn, until one adds nothing."""
    _refuse(nodes, outputs)
    live: set[int] = set()
    needed, order, before = {name for name in outputs if name}, list(range(len(nodes)))[::-1], -1
    while len(live) > before:
        before = len(live)
        for i in order:
            if i not in live and not needed.isdisjoint(nodes[i][1]):
                live.add(i)
                needed.update(name for name in nodes[i][0] if name)
        order.reverse()
    return sorted(live)


def _with_a_stack(nodes: Nodes, outputs: list[str]) -> list[int]:
    _refuse(nodes, outputs)
    maker = {name: i for i, (_, made) in enumerate(nodes) for name in made if name}
    marked, stack = [False] * len(nodes), [maker[name] for name in outputs if name in maker]
    while stack:
        index = stack.pop()
        if marked[index]:
            continue
        marked[index] = True
        stack.extend(maker[name] for name in nodes[index][0] if name in maker)
    return [i for i, mark in enumerate(marked) if mark]


# --- cases ---------------------------------------------------------------------------------------


def _chain(n: int) -> Nodes:
    """n nodes in a row, the last one first."""
    return [([f"t{i}"], [f"t{i + 1}"]) for i in range(n)][::-1]


def _draw(rng: np.random.Generator) -> tuple[Nodes, list[str]]:
    nodes: Nodes = []
    tensors = ["x", "w"]
    for i in range(int(rng.integers(2, 12))):
        inputs = [str(t) for t in rng.choice(tensors, rng.integers(1, 4))]
        made = [f"t{i}"] if rng.random() < 0.7 else [f"t{i}", f"u{i}"]
        if rng.random() < 0.2:
            inputs.insert(int(rng.integers(0, len(inputs) + 1)), "")
        if rng.random() < 0.15:
            made.insert(0, "")
        tensors += [t for t in made if t]
        nodes.append((inputs, made))
    outputs = [str(t) for t in rng.choice(tensors[2:], rng.integers(1, 3), replace=False)]
    order = rng.permutation(len(nodes)) if rng.random() < 0.7 else range(len(nodes))
    return [nodes[i] for i in order], outputs


live_nodes = Exercise(
    id="34.live_nodes", points=3, difficulty=2, minutes=8, idea="dead code is found from the outputs, backwards",
    reference=optimize.live_nodes,
    cases=[Case([(["x"], ["a"]), (["x"], ["b"]), (["a"], ["y"])], ["y"])],
    hidden=[
        Case([(["a"], ["y"]), (["x"], ["a"]), (["b"], ["c"]), (["x"], ["b"])], ["y"]),
        Case([(["x"], ["a"]), (["a"], ["b"]), (["b"], ["c"]), (["a"], ["y"])], ["y"]),
        Case([(["x"], ["a"]), (["a"], ["b"]), (["a"], ["c"]), (["b", "c"], ["d"]), (["d", "d"], ["y"])], ["y"]),
        Case([(["x"], ["v", "mask"]), (["mask"], ["y"])], ["y"]),
        Case([(["x"], ["v", "mask"]), (["v"], ["y"]), (["mask"], ["z"])], ["y"]),
        Case([(["x"], ["", "mask"]), (["w", "", "mask"], ["y"]), (["w"], ["a", ""])], ["y"]),
        Case([(["x", ""], ["y"]), (["x"], ["", "b"])], ["y"]),
        Case([(["x"], ["a"]), (["a"], ["y"])], ["y", "x"]),
        Case([(["x"], ["a"]), (["a"], ["y"])], ["x"]),
        Case([(["x"], ["a"]), (["a"], ["y"])], ["y", "a"]),
        Case([([], ["k"]), ([], ["unused"]), (["x", "k"], ["y"])], ["y"]),
        Case([(["x"], ["a"])], []),
        Case(_chain(4000), ["t4000"], label="4,000 nodes in a row, the last one first"),
    ],
    raises=[Case([(["x"], ["y"])], ["z"]), Case([(["x"], ["y"])], ["y", "z"]), Case([], ["y"]), Case([(["", "x"], ["y", ""])], [""])],
    draw=_draw, draws=40, compare=exact(), pure=True, time_limit_s=10,
    misconceptions=[
        Misconception(
            "forward", **_both(_forward),
            message="You follow the graph from its inputs. A dead branch is reachable from the input as well: what matters is whether an "
                    "output can be reached from a node.",
            title="Followed in the wrong direction."),
        Misconception(
            "one_sweep", **_both(_one_sweep),
            message="You sweep over the list once, from its end. That needs nodes in an order in which they can run; here they may stand in "
                    "any order.",
            title="The order is not given."),
        Misconception(
            "one_sweep_forward", **_both(_one_sweep_forward),
            message="You sweep over the list once, from its beginning. A node that stands before its reader is needed only after you have "
                    "passed it.",
            title="One sweep is too few."),
        Misconception(
            "recursion", **_both(_recursive),
            message="You call the function again for each input. A network with thousands of nodes in a row then goes beyond Python's limit of "
                    "nested calls. A list of what is still to be visited has no such limit.",
            title="Too deep for recursion."),
        Misconception(
            "empty_name", **_both(lambda nodes, outputs: sorted(_walk(nodes, outputs, empty="\0"))),
            message="You treat \"\" as the name of a tensor. It marks an absent one: a node that leaves an output out doesn't feed a node that "
                    "leaves an input out.",
            title="An absent tensor has no maker."),
        Misconception(
            "makers_only", **_both(_makers_only),
            message="You keep the nodes that make the outputs. They read what other nodes make: those are needed too, and so on.",
            title="Only the last step."),
        Misconception(
            "read_by_somebody", **_both(_read_by_somebody),
            message="You keep every node whose result is read. Its reader may be dead itself: a whole chain can lead nowhere.",
            title="Read by the dead."),
        Misconception(
            "first_output_only", **_both(lambda nodes, outputs: sorted(_walk(nodes, outputs, first_only=True))),
            message="You look at the first output of each node. A node is needed if any of its outputs is.",
            title="Nodes have several outputs."),
        Misconception(
            "duplicates", **_both(_with_duplicates),
            message="An index appears more than once: where branches meet again a node is found by each of them. Remember what was visited. "
                    "In a deep network the number of ways doubles with every such diamond.",
            title="Visited more than once."),
        Misconception(
            "as_found", **_both(_walk),
            message="The right nodes, in the order in which you found them. Ascending indices were asked.",
            title="Not in ascending order."),
        Misconception(
            "inputs_refused", _only_makers_count,
            "You refuse an output that no node makes. If a node reads it, it is an input of the graph: it may be handed out as it is, and "
            "needs no node.",
            "An input may be an output."),
        Misconception(
            "unchecked", _answer(lambda nodes, outputs: sorted(_walk(nodes, outputs)), check=False),
            "An output that occurs nowhere is passed over in silence. It is a wrong name, and everything would be called dead: raise ValueError.",
            "A wrong name goes unnoticed."),
    ],
    alternatives=[_to_a_fixed_point, _with_a_stack, _answer(lambda nodes, outputs: sorted(_walk(nodes, outputs)))],
    hints=(
        "Make a dict first: for each tensor the index of the node that makes it.",
        "Keep a list of nodes still to be looked at, beginning with the makers of the outputs. Take one out, and add the makers of its "
        "inputs, unless they were there before.",
    ),
    worth_knowing="This is `cleanup()` of onnx_graphsurgeon: liveness by a backward walk, as in a compiler.",
)
