"""Exercise 24.fuse_chain: greedy grouping of layers by patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines.tensorrt_optimizer import fuse_chain as reference

from ...compare import brief
from ...exercise import Case, Exercise, Misconception

Layers = list[tuple[str, str, list[str], str]]


def _readers(layers: Layers) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, (_, _, inputs, _) in enumerate(layers):
        for tensor in dict.fromkeys(inputs):
            found.setdefault(tensor, []).append(i)
    return found


def _next_reader(i: int, layers: Layers, outputs: list[str]) -> int | None:
    """The one layer that reads what layer i makes; None if there are more, or none, or the tensor leaves the graph."""
    tensor = layers[i][3]
    reading = _readers(layers).get(tensor, [])
    return reading[0] if len(reading) == 1 and tensor not in outputs else None


def _no_fanout(i: int, layers: Layers, outputs: list[str]) -> int | None:
    reading = _readers(layers).get(layers[i][3], [])
    return reading[0] if reading and layers[i][3] not in outputs else None


def _no_outputs(i: int, layers: Layers, outputs: list[str]) -> int | None:
    reading = _readers(layers).get(layers[i][3], [])
    return reading[0] if len(reading) == 1 else None


def _neighbour(i: int, layers: Layers, outputs: list[str]) -> int | None:
    return i + 1 if i + 1 < len(layers) else None


def _counts_reads(i: int, layers: Layers, outputs: list[str]) -> int | None:
    reads = [j for j, layer in enumerate(layers) for tensor in layer[2] if tensor == layers[i][3]]
    return reads[0] if len(reads) == 1 and layers[i][3] not in outputs else None


def _first_input(i: int, layers: Layers, outputs: list[str]) -> int | None:
    j = _next_reader(i, layers, outputs)
    return j if j is not None and layers[j][2][0] == layers[i][3] else None


def _fuser(follow: Callable = _next_reader, order: Callable = lambda patterns: sorted(patterns, key=len, reverse=True),
           once: bool = True, only: Callable = lambda groups: groups) -> Callable:
    """An answer with one rule replaced; with its defaults it is right."""

    def answer(layers: Layers, outputs: list[str], patterns: list[tuple[str, ...]]) -> list[list[str]]:
        taken: set[int] = set()
        groups = []
        for i in range(len(layers)):
            if i in taken:
                continue
            group = [i]
            for pattern in order(list(patterns)):
                chain = _chain(i, pattern, layers, outputs, follow, taken if once else set())
                if chain:
                    group = chain
                    break
            taken.update(group)
            groups.append([layers[j][0] for j in group])
        return only(groups)

    return answer


def _chain(i: int, pattern: tuple, layers: Layers, outputs: list[str], follow: Callable, taken: set[int]) -> list[int]:
    chain = []
    at: int | None = i
    for op in pattern:
        if at is None or at in taken or layers[at][1] != op:
            return []
        chain.append(at)
        at = follow(at, layers, outputs)
    return chain


def _recursive(layers: Layers, outputs: list[str], patterns: list[tuple[str, ...]]) -> list[list[str]]:
    """By names: each free layer asks for the longest tail that its patterns allow."""
    made_by = {layer[3]: layer for layer in layers}
    readers = {tensor: [layer for layer in layers if tensor in layer[2]] for tensor in made_by}
    free = {layer[0] for layer in layers}

    def tail(layer: tuple, ops: tuple) -> list[str] | None:
        if layer[0] not in free or layer[1] != ops[0]:
            return None
        if len(ops) == 1:
            return [layer[0]]
        if layer[3] in outputs or len(readers[layer[3]]) != 1:
            return None
        rest = tail(readers[layer[3]][0], ops[1:])
        return None if rest is None else [layer[0], *rest]

    groups = []
    for layer in layers:
        if layer[0] in free:
            found = [t for t in (tail(layer, tuple(p)) for p in patterns) if t]
            groups.append(max(found, key=len, default=[layer[0]]))
            free.difference_update(groups[-1])
    return groups


def _walks_then_cuts(layers: Layers, outputs: list[str], patterns: list[tuple[str, ...]]) -> list[list[str]]:
    """Follows single readers as far as they go, then takes the longest beginning that is a pattern."""
    index, groups, used = {layer[0]: i for i, layer in enumerate(layers)}, [], set()
    allowed = {tuple(p) for p in patterns}
    for layer in layers:
        if layer[0] in used:
            continue
        walk = [layer]
        while True:
            reading = [other for other in layers if walk[-1][3] in other[2]]
            if walk[-1][3] in outputs or len(reading) != 1 or reading[0][0] in used:
                break
            walk.append(reading[0])
        size = max((n for n in range(1, len(walk) + 1) if tuple(step[1] for step in walk[:n]) in allowed), default=1)
        groups.append([step[0] for step in walk[:size]])
        used.update(groups[-1])
    return sorted(groups, key=lambda group: index[group[0]])


BLOCK = [("conv1", "Conv", ["x"], "a"), ("bn1", "BN", ["a"], "b"), ("relu1", "Relu", ["b"], "c"),
         ("conv2", "Conv", ["c"], "d"), ("add", "Add", ["d", "x"], "y")]
THREE = [("Conv", "BN", "Relu"), ("Conv", "BN"), ("Conv", "Add")]
CBR = [("conv", "Conv", ["x"], "a"), ("bn", "BN", ["a"], "b"), ("relu", "Relu", ["b"], "c")]
POOL = [("Conv", "BN", "Relu"), ("Conv", "BN"), ("Conv", "Relu"), ("Conv", "Add"), ("Conv", "Add", "Relu"), ("BN", "Relu"),
        ("Conv", "BN", "Add", "Relu"), ("Add", "Relu"), ("Mul", "Relu"), ("Conv", "Mul"), ("Relu", "Mul"), ("Add", "Mul")]
OPS = ("Conv", "BN", "Relu", "Add", "Mul")


def _draw(rng: np.random.Generator) -> Case:
    """Six to fourteen layers, most of which read the one before; patterns in any order."""
    tensors, layers, read = ["x"], [], set()
    for i in range(int(rng.integers(6, 15))):
        op = str(rng.choice(OPS, p=[0.3, 0.2, 0.25, 0.15, 0.1]))
        first = tensors[-1] if rng.random() < 0.75 else str(rng.choice(tensors))
        inputs = [first]
        if op in ("Add", "Mul"):
            other = first if rng.random() < 0.2 else str(rng.choice(tensors[-5:]))
            inputs = [first, other] if rng.random() < 0.5 else [other, first]
        read.update(inputs)
        tensors.append(f"t{i}")
        layers.append((f"{op.lower()}{i}", op, inputs, f"t{i}"))
    outputs = [t for t in tensors[1:] if t not in read]
    outputs += [t for t in tensors[1:] if t in read and rng.random() < 0.12]
    chosen = rng.permutation(len(POOL))[: int(rng.integers(3, 8))]
    patterns = [POOL[i] for i in chosen]
    return Case(layers, outputs, patterns, label=f"{len(layers)} layers, patterns {', '.join('-'.join(p) for p in patterns)}")


def _show(value: Any) -> str:
    if isinstance(value, (list, tuple)) and value and all(isinstance(g, (list, tuple)) for g in value):
        if all(len(g) == 4 and isinstance(g[2], (list, tuple)) for g in value):
            return "[" + ", ".join(f"{g[0]}: {'+'.join(map(str, g[2]))}→{g[3]}" for g in value) + "]"
        return " | ".join(" + ".join(map(str, g)) for g in value)
    return brief(value)


fuse_chain = Exercise(
    id="24.fuse_chain", points=4, difficulty=2, minutes=15, idea="a tensor that nobody else reads need never be stored",
    reference=reference, show=_show,
    cases=[Case(BLOCK, ["y"], THREE),
           Case([*CBR, ("pool", "Pool", ["b"], "y")], ["c", "y"], THREE)],
    hidden=[
        Case(CBR, ["b", "c"], THREE, label="the BN's output is also a graph output"),
        Case(CBR, ["c", "a"], THREE, label="the Conv's output is also a graph output"),
        Case(CBR, ["c"], [("Conv", "BN"), ("Conv", "BN", "Relu")], label="the longer pattern is listed last"),
        Case([("conv", "Conv", ["x"], "a"), ("mul", "Mul", ["a", "a"], "y")], ["y"], [("Conv", "Mul")],
             label="one layer reads the tensor twice"),
        Case([("c1", "Conv", ["x"], "a"), ("c2", "Conv", ["z"], "b"), ("r1", "Relu", ["a"], "p"), ("r2", "Relu", ["b"], "q")],
             ["p", "q"], [("Conv", "Relu")], label="two chains, layers alternating"),
        Case([("c1", "Conv", ["x"], "a"), ("c2", "Conv", ["z"], "b"), ("add", "Add", ["a", "b"], "y")], ["y"], [("Conv", "Add")],
             label="two convolutions want the same Add"),
        Case([("c1", "Conv", ["x"], "a"), ("s", "Sigmoid", ["a"], "b"), ("mul", "Mul", ["a", "b"], "y")], ["y"],
             [("Conv", "Mul"), ("Conv", "Sigmoid"), ("Sigmoid", "Mul")], label="x times sigmoid of x"),
        Case([("c", "Conv", ["x"], "a"), ("relu", "Relu", ["x"], "y")], ["a", "y"], [("Conv", "Relu")],
             label="neighbours in the list that are not connected"),
        Case([("c1", "Conv", ["x"], "a"), ("c2", "Conv", ["a"], "b"), ("c3", "Conv", ["b"], "c"), ("r", "Relu", ["c"], "y")], ["y"],
             [("Conv", "Conv"), ("Conv", "Relu")], label="four layers, Conv-Conv and Conv-Relu"),
        Case([("c", "Conv", ["x"], "a"), ("add", "Add", ["x", "a"], "b"), ("r", "Relu", ["b"], "y")], ["y"],
             [("Conv", "Add", "Relu")], label="the Add reads the convolution second"),
        Case([("c", "Conv", ["x"], "a"), ("bn", "BN", ["a"], "b"), ("r", "Relu", ["b"], "c"), ("add", "Add", ["c", "b"], "y")],
             ["y"], [("Conv", "BN", "Relu"), ("Conv", "BN")], label="the BN's output is read by two layers"),
        Case([], [], THREE, label="no layers"),
        Case(CBR, ["c"], [], label="no patterns"),
        Case([("r", "Relu", ["x"], "y")], ["y"], THREE, label="one layer"),
    ],
    draw=_draw, draws=50,
    misconceptions=[
        Misconception(
            "ignores_fanout", _fuser(_no_fanout),
            "You fuse across a tensor that another layer reads too. Inside a fused kernel it is never stored, so the second "
            "consumer would find nothing. Count its consumers first.", "Someone else needs that tensor."),
        Misconception(
            "list_neighbours", _fuser(_neighbour),
            "You group layers because they stand next to each other in the list. What counts is who reads whose output.",
            "Neighbours in the list are not connected."),
        Misconception(
            "shortest_first", _fuser(order=lambda patterns: sorted(patterns, key=len)),
            "You take the shortest pattern that fits, and leave a layer behind that a longer one would have taken along.",
            "Longest first."),
        Misconception(
            "given_order", _fuser(order=lambda patterns: patterns),
            "You try the patterns in the order in which they are given. The longest one that fits wins, wherever it is listed.",
            "The order of the list decides."),
        Misconception(
            "forgets_outputs", _fuser(_no_outputs),
            "You fuse across a tensor that is an output of the graph. Whoever runs the network asks for it, so it has to be stored.",
            "An output must be stored."),
        Misconception(
            "counts_reads", _fuser(_counts_reads),
            "A layer that reads a tensor twice, like Mul(a, a), counts as two consumers for you. It is one layer, and it is inside "
            "the group.", "One layer, one consumer."),
        Misconception(
            "takes_twice", _fuser(once=False),
            "A layer of yours stands in two groups. A group may only take layers that have none yet.", "Taken twice."),
        Misconception(
            "first_input_only", _fuser(_first_input),
            "You follow a tensor only to a layer that reads it as its first input. An Add may read it second.",
            "Any input counts."),
        Misconception(
            "fuses_nothing", _fuser(order=lambda patterns: []),
            "Every layer of yours is a group of its own. Where a pattern fits, its layers belong into one group.",
            "Nothing was fused."),
        Misconception(
            "no_singletons", _fuser(only=lambda groups: [g for g in groups if len(g) > 1]),
            "Layers that found no partner are missing. Each is a group of its own.", "Single layers are missing."),
    ],
    alternatives=[_fuser(), _recursive, _walks_then_cuts],
    hints=(
        "Build a dict first: for every tensor the layers that read it, each layer once.",
        "Write a helper that starts at one layer and follows one pattern; it fails at the first tensor with another number of "
        "consumers than one.",
        "Go through the layers in order, skip those with a group, and try the patterns sorted by length, longest first.",
    ),
    worth_knowing="Nothing here knows what the operators compute. That a Conv can take a Relu along is the pattern's promise.",
)
