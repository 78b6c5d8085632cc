"""Exercise 22.fused_traffic: bytes that are moved when operators run as one kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.cost import fusion

from ...exercise import Case, Exercise, Misconception

Op = tuple[str, str, list[str], int]


def _traffic(*, joins: Callable[..., bool] | None = None, once: bool = True, write_final: bool = True, elements: bool = False, write_all: bool = False,
             read_inside: bool = False, read_external: bool = True) -> Callable:
    """An answer from the rule that joins an operator to a group, and from what is counted; right by default."""

    def answer(ops: list[Op], sizes: dict[str, int], elem_bytes: int = 2) -> int:
        users: dict[str, list[str]] = {}
        for name, _, inputs, _ in ops:
            for t in dict.fromkeys(inputs):
                users.setdefault(t, []).append(name)
        group: dict[str, int] = {}
        for i, (name, kind, inputs, _) in enumerate(ops):
            first = inputs[0] if inputs else None
            right = kind == "elementwise" and first in group and users[first] == [name]
            ok = right if joins is None else joins(name=name, kind=kind, inputs=inputs, group=group, users=users, ops=ops)
            source = next((t for t in inputs if t in group), None) if joins is not None and first not in group else first
            group[name] = group[source] if ok and source in group else i
        count = {**sizes, **{name: n for name, _, _, n in ops}}
        total = 0
        for g in dict.fromkeys(group.values()):
            members = [op for op in ops if group[op[0]] == g]
            inside = {op[0] for op in members}
            reads = [t for op in members for t in dict.fromkeys(op[2]) if read_inside or t not in inside]
            if not read_external:
                reads = [t for t in reads if t not in sizes]
            total += sum(count[t] for t in (dict.fromkeys(reads) if once else reads))
            for name in inside:
                outside = any(u not in inside for u in users.get(name, []))
                if outside or write_all or (write_final and name not in users):
                    total += count[name]
        return total if elements else total * elem_bytes

    return answer


def _single(users: dict, t: str, name: str) -> bool:
    return users.get(t) == [name]


def _scan(ops: list[Op], sizes: dict[str, int], elem_bytes: int = 2) -> int:
    """Groups as sets, grown while scanning."""
    known, made_by = dict(sizes), {}
    groups: list[set[str]] = []
    for name, kind, inputs, n in ops:
        known[name] = n
        source = made_by.get(inputs[0]) if inputs else None
        alone = sum(inputs[0] in other[2] for other in ops) == 1 if inputs else False
        if kind == "elementwise" and source is not None and alone:
            source.add(name)
            made_by[name] = source
        else:
            made_by[name] = {name}
            groups.append(made_by[name])
    moved = 0
    for g in groups:
        needed = {t for o in ops if o[0] in g for t in o[2]} - g
        kept = {t for t in g if not any(t in o[2] for o in ops) or any(t in o[2] for o in ops if o[0] not in g)}
        moved += sum(known[t] for t in needed | kept)
    return moved * elem_bytes


def _union_find(ops: list[Op], sizes: dict[str, int], elem_bytes: int = 2) -> int:
    parent = {name: name for name, *_ in ops}

    def root(a: str) -> str:
        return a if parent[a] == a else root(parent[a])

    users = {t: {name for name, _, inputs, _ in ops if t in inputs} for t in {*sizes, *parent}}
    for name, kind, inputs, _ in ops:
        if kind == "elementwise" and inputs[0] in parent and users[inputs[0]] == {name}:
            parent[name] = inputs[0]
    count = {**sizes, **{name: n for name, _, _, n in ops}}
    crossing = {(root(name), t) for name, _, inputs, _ in ops for t in inputs if t not in parent or root(t) != root(name)}
    written = {name for name in parent if not users[name] or any(root(u) != root(name) for u in users[name])}
    return elem_bytes * (sum(count[t] for _, t in crossing) + sum(count[t] for t in written))


def _draw(rng: np.random.Generator) -> Case:
    ops: list[Op] = []
    for i in range(int(rng.integers(1, 9))):
        near = [f"t{j}" for j in range(max(0, i - 3), i)] + ["x", "y"]
        inputs = [str(v) for v in rng.choice(near, int(rng.choice([1, 1, 2])), replace=False)]
        if i and rng.random() < 0.6:
            inputs = [f"t{i - 1}", *(t for t in inputs[1:] if t != f"t{i - 1}")]
        ops.append((f"t{i}", str(rng.choice(["elementwise", "elementwise", "conv", "pool"])), inputs, int(rng.integers(1, 200))))
    return Case(ops, {"x": int(rng.integers(1, 200)), "y": int(rng.integers(1, 200))}, int(rng.choice([1, 2, 4])), label=f"a drawn graph of {len(ops)} operators")


_E = "elementwise"
_TEXT = [("c", "conv", ["x"], 1000), ("b", _E, ["c"], 1000), ("r", _E, ["b"], 1000), ("s", _E, ["r", "x"], 1000), ("y", _E, ["s"], 1000)]
_TWICE = [("c", "conv", ["x"], 100), ("r", _E, ["c"], 100), ("d", "conv", ["r"], 50), ("s", _E, ["d"], 50), ("p", "pool", ["r"], 25)]

fused_traffic = Exercise(
    id="22.fused_traffic", points=4, difficulty=2, minutes=20, idea="what stays inside a kernel is not moved",
    reference=fusion.fused_traffic,
    cases=[Case(_TEXT, {"x": 1000}, label="the chain of the text"), Case(_TWICE, {"x": 100}, label="the graph with a pool of the text")],
    hidden=[
        Case([], {"x": 5}, label="no operators"), Case([("a", "conv", ["x"], 3)], {"x": 5}, label="one convolution"), Case([("a", _E, ["x"], 5)], {"x": 5}, label="an element-wise operator on an input"), Case([("a", "conv", ["x"], 3), ("b", "conv", ["a"], 4)], {"x": 5}, label="two convolutions"),
        Case([("a", "conv", ["x"], 8), ("b", _E, ["a", "a"], 8)], {"x": 5}, label="a tensor read twice by one operator"), Case([("a", "conv", ["x"], 8), ("b", _E, ["a"], 8), ("c", _E, ["a"], 8), ("d", _E, ["b", "c"], 8)], {"x": 5}, label="two readers"),
        Case([("a", "conv", ["x"], 8), ("b", "conv", ["y"], 8), ("s", _E, ["a", "b"], 8)], {"x": 5, "y": 6}, label="an addition of two convolutions"), Case([("a", "conv", ["x"], 8), ("s", _E, ["x", "a"], 8)], {"x": 8}, label="the first input comes from outside"),
        Case([("a", "conv", ["x"], 8), ("m", _E, ["a", "y"], 8), ("n", _E, ["m", "y"], 8)], {"x": 5, "y": 6}, 4, label="an outside tensor read by two members"), Case([("a", "conv", ["x"], 8), ("b", _E, ["a"], 8), ("c", "conv", ["b"], 4), ("d", _E, ["c", "b"], 4)], {"x": 5}, label="an inner tensor used outside"),
        Case([("a", "conv", ["x"], 8), ("b", "pool", ["a"], 2), ("c", _E, ["b"], 2)], {"x": 5}, 1, label="a pool begins a group"), Case([("a", "conv", ["x"], 9), ("b", _E, ["a"], 3)], {"x": 5}, label="a shorter result"),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("unfused", _traffic(joins=lambda **k: False),
                      "You fuse nothing: every operator reads and writes. An element-wise one can run inside the kernel that makes its first input.", "Nothing is fused."),
        Misconception("two_readers", _traffic(joins=lambda name, kind, inputs, group, users, ops: kind == _E and inputs[0] in group),
                      "You fuse through a tensor that somebody else reads as well. It has to be written for them anyway, and the text does not let it be joined.", "A tensor with two readers breaks the group."),
        Misconception("fuses_all", _traffic(joins=lambda name, kind, inputs, group, users, ops: inputs[0] in group and _single(users, inputs[0], name)),
                      "You fuse convolutions and pools too. Only element-wise operators join; every other kind begins a group.", "Only element-wise operators join."),
        Misconception("any_input", _traffic(joins=lambda name, kind, inputs, group, users, ops: (kind == _E and any(t in group and _single(users, t, name) for t in inputs[:1] if t in group)) or (kind == _E and inputs[0] not in group and any(t in group and _single(users, t, name) for t in inputs))),
                      "An operator of yours joins by another input than its first. The rule looks at the first one.", "The first input decides."),
        Misconception("read_twice", _traffic(once=False),
                      "You count an outside tensor once for each operator of a group that reads it. Inside one kernel it is read once.", "A group reads a tensor once."),
        Misconception("no_final", _traffic(write_final=False),
                      "You write only what somebody reads. Results that nobody in the graph reads are its outputs: they are written.", "The final result is written."),
        Misconception("moves_inner", _traffic(write_all=True),
                      "You write or read tensors that are made and used inside the same group. They stay in registers and never leave the kernel.", "Inner tensors are not moved.",
                      also=(_traffic(read_inside=True), _traffic(read_inside=True, write_all=True))),
        Misconception("no_external", _traffic(read_external=False),
                      "The graph's inputs are not counted. They have to be read from memory.", "Inputs are read, too."),
        Misconception("elements", _traffic(elements=True),
                      "You return elements. Asked are bytes.", "Elements are not bytes."),
    ],
    alternatives=[_scan, _union_find],
    hints=(
        "First the groups: for each operator, does it join the group of its first input's maker, or begin one?",
        "For each group: the set of tensors that its members read and that none of them makes.",
        "Written is what has a reader outside of the group, and what has no reader at all.",
    ),
    worth_knowing="Fusion saves bytes, not arithmetic. It helps where memory is the limit, which is where element-wise operators always are.",
)
