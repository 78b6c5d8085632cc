"""Exercise 35.remove_noops: no-ops go, their readers are rewired, the interface keeps its names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.graphs import simplify

from ...compare import prop
from ...exercise import Case, Exercise, Misconception

Node = tuple[str, tuple[str, ...], tuple[str, ...]]
NOOPS = ("Identity", "Dropout")


# --- judging by meaning -------------------------------------------------------------------------


def _canonical(case: Case, nodes: Sequence[Any], numbers: dict) -> dict:
    """What a graph means: its other nodes in order and its outputs, each as a number for the expression it computes.

    Names of tensors inside do not matter; a name that is read before it is made is an expression of its own.
    """
    original, inputs, outputs = case.args
    made_before = {name for _, _, outs in original for name in outs}
    values = {name: name for _, ins, _ in original for name in ins if name not in made_before}
    values |= {name: name for name in inputs}

    def value(name: str) -> Any:
        return values.get(name, f"undefined {name}")

    work, noops = [], []
    for op, ins, outs in nodes:
        arguments = tuple(value(name) for name in ins)
        for i, name in enumerate(outs):
            expression = (op, i, arguments, len(outs))
            passed_on = op in NOOPS and i == 0
            values[name] = arguments[0] if passed_on else numbers.setdefault(expression, len(numbers))
        if op in NOOPS:
            noops.append(op)
        else:
            work.append(numbers.setdefault((op, arguments, len(outs)), len(numbers)))
    made = {name for _, _, outs in nodes for name in outs} | set(inputs)
    return {"outputs": [value(name) if name in made else f"missing {name}" for name in outputs], "work": work,
            "noops": sorted(noops)}


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    numbers: dict = {}
    want, have = _canonical(case, expected, numbers), _canonical(case, got, numbers)
    for name, e, g in zip(case.args[2], want["outputs"], have["outputs"]):
        if e != g:
            return f"no node makes the output {name!r}" if str(g).startswith("missing") else (
                f"the output {name!r} computes something else")
    if want["work"] != have["work"]:
        return "the other nodes are not what they were, or read something else"
    if want["noops"] != have["noops"]:
        return f"{len(have['noops'])} Identity and Dropout nodes are left, expected {len(want['noops'])}"
    return None


def _same(one: Any, other: Any, case: Case) -> str | None:
    """Whether two answers mean the same; beside each may stand which arguments it changed."""
    one, other = (a["value"] if isinstance(a, dict) and "value" in a else a for a in (one, other))
    numbers: dict = {}
    return None if _canonical(case, one, numbers) == _canonical(case, other, numbers) else "they differ"


# --- answers ------------------------------------------------------------------------------------


def _mask_read(outs: Sequence[str], nodes: Sequence[Node], outputs: Sequence[str]) -> bool:
    read = {name for _, ins, _ in nodes for name in ins} | set(outputs)
    return any(name in read for name in outs[1:])


def _sweep(mask: Callable = _mask_read, at_output: str = "rename", chains: bool = True, inputs_too: bool = False,
           outputs_too: bool = False, everywhere: bool = True, resolved: bool = True) -> Callable:
    """One sweep with a table of names; with its defaults it is right.

    mask: whether a Dropout stays. at_output: "rename" the producer, "keep" the node or "drop" it without more ado.
    chains: names are looked up until they settle. resolved: that is done for the source of a no-op too. inputs_too, outputs_too: a no-op between the graph's input and its
    output goes too, and one between two outputs. everywhere: not only the producer but every use is renamed.
    """

    def answer(nodes: list[Node], inputs: Sequence[str], outputs: Sequence[str]) -> list[Node]:
        made = {name for _, _, outs in nodes for name in outs}
        table: dict[str, str] = {}
        producers: dict[str, str] = {}

        def name_of(name: str) -> str:
            if not chains:
                return table.get(name, name)
            while name in table:
                name = table[name]
            return name

        kept = []
        for op, ins, outs in nodes:
            if op == "Identity" or (op == "Dropout" and not mask(outs, nodes, outputs)):
                source, target = name_of(ins[0]) if resolved else ins[0], outs[0]
                if target not in outputs or at_output == "drop":
                    table[target] = source
                    continue
                if at_output == "rename" and (source in made or inputs_too) and (source not in outputs or outputs_too):
                    (table if everywhere else producers)[source] = target
                    continue
            kept.append((op, ins, outs))
        return [(op, tuple(map(name_of, ins)), tuple(name_of(producers.get(n, n)) for n in outs)) for op, ins, outs in kept]

    return answer


def _next_reader_only(nodes: list[Node], inputs: Sequence[str], outputs: Sequence[str]) -> list[Node]:
    """Rewires the first reader and no other."""
    def goes(node: Node) -> bool:
        op, _, outs = node
        return outs[0] not in outputs and (op == "Identity" or (op == "Dropout" and not _mask_read(outs, nodes, outputs)))

    work = list(nodes)
    while any(map(goes, work)):
        at = next(i for i, node in enumerate(work) if goes(node))
        _, (source, *_), (target, *_) = work.pop(at)
        for j, (op, ins, outs) in enumerate(work):
            if target in ins:
                work[j] = (op, tuple(source if n == target else n for n in ins), outs)
                break
    return _sweep()(work, inputs, outputs)


def _removes_while_iterating(nodes: list[Node], inputs: Sequence[str], outputs: Sequence[str]) -> list[Node]:
    """The list shrinks under the loop, which then skips the node behind each one that it takes out."""
    work, made = list(nodes), {n for _, _, outs in nodes for n in outs}
    for node in work:
        op, ins, outs = node
        if op == "Identity" or (op == "Dropout" and not _mask_read(outs, nodes, outputs)):
            source, target = ins[0], outs[0]
            old, new = (target, source) if target not in outputs else (source, target)
            if target in outputs and (source not in made or source in outputs):
                continue
            work.remove(node)
            for j, (o, i, u) in enumerate(work):
                work[j] = (o, tuple(new if n == old else n for n in i), tuple(new if n == old else n for n in u))
    return work


# --- right answers ------------------------------------------------------------------------------


def _one_at_a_time(nodes: list[Node], inputs: Sequence[str], outputs: Sequence[str]) -> list[Node]:
    """Single rewrites until none is possible."""
    work = [tuple(node) for node in nodes]
    while True:
        made = {n for _, _, outs in work for n in outs}
        for node in work:
            op, ins, outs = node
            if op not in NOOPS or (op == "Dropout" and _mask_read(outs, work, outputs)):
                continue
            if outs[0] not in outputs:
                old, new = outs[0], ins[0]
            elif ins[0] in made and ins[0] not in outputs and ins[0] not in inputs:
                old, new = ins[0], outs[0]
            else:
                continue
            work.remove(node)
            work = [(o, tuple(new if n == old else n for n in i), tuple(new if n == old else n for n in u)) for o, i, u in work]
            break
        else:
            return work


def _classes(nodes: list[Node], inputs: Sequence[str], outputs: Sequence[str]) -> list[Node]:
    """Names in classes of equals (union-find); each class is called after what may not be renamed in it."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    made = {n for _, _, outs in nodes for n in outs}
    names = {n for _, ins, outs in nodes for n in (*ins, *outs)}
    fixed = {n: n for n in names if n not in made or n in inputs or n in outputs}  # root -> name that stays
    kept = []
    for op, ins, outs in nodes:
        if op in NOOPS and not (op == "Dropout" and _mask_read(outs, nodes, outputs)):
            a, b = root(ins[0]), root(outs[0])
            if not (a in fixed and b in fixed):
                parent[b] = a
                if b in fixed:
                    fixed[a] = fixed[b]
                continue
        kept.append((op, ins, outs))

    def final(name: str) -> str:
        return fixed.get(root(name), root(name))

    return [(op, tuple(map(final, ins)), tuple(map(final, outs))) for op, ins, outs in kept]


# --- inputs -------------------------------------------------------------------------------------


def _n(text: str) -> Node:
    """"Add a,b -> c" as a tuple."""
    left, right = text.split(" -> ")
    op, _, ins = left.partition(" ")
    return op, tuple(ins.split(",")), tuple(right.split(","))


def _case(lines: str, outputs: str = "y", inputs: str = "x") -> Case:
    nodes = [_n(line.strip()) for line in lines.split(";")]
    return Case(nodes, tuple(inputs.split(",")), tuple(outputs.split(",")), label=f"{lines} (outputs {outputs})")


def _draw(rng: np.random.Generator) -> Case:
    tensors, masks, lines = ["x"], [], []
    for k in range(int(rng.integers(2, 10))):
        op = str(rng.choice(["Identity", "Identity", "Dropout", "Relu", "Add", "Neg"]))
        new, source = f"t{k}", str(tensors[-1] if rng.random() < 0.6 else rng.choice(tensors))
        if op == "Add":
            other = str(rng.choice(masks) if masks and rng.random() < 0.5 else rng.choice([*tensors, "w"]))
            lines.append(f"Add {source},{other} -> {new}")
        elif op == "Dropout" and rng.random() < 0.6:
            lines.append(f"Dropout {source} -> {new},mask{k}")
            masks.append(f"mask{k}")
        else:
            lines.append(f"{op} {source} -> {new}")
        tensors.append(new)
    outputs = dict.fromkeys([tensors[-1], *(str(rng.choice(tensors[1:])) for _ in range(int(rng.integers(0, 3))))])
    return _case("; ".join(lines), ",".join(outputs))


remove_noops = Exercise(
    id="35.remove_noops", points=4, difficulty=3, minutes=20, idea="rewire the readers, keep the interface",
    reference=simplify.remove_noops,
    cases=[
        _case("Relu x -> a; Identity a -> y"),
        _case("Identity x -> a; Dropout a -> b; Relu b -> c; Neg b -> d; Add c,d -> y"),
        _case("Identity x -> y"),
        _case("Relu x -> a; Neg a -> b; Identity a -> y", "y,b"),
    ],
    hidden=[
        _case("Relu x -> a; Identity a -> b; Identity b -> c; Identity c -> y"),
        _case("Identity x -> a; Identity a -> b; Identity b -> y"),
        _case("Relu x -> a; Identity a -> y; Identity a -> z", "y,z"),
        _case("Relu x -> y; Identity y -> z", "y,z"),
        _case("Identity w -> y"),
        _case("Relu x -> a; Dropout a -> y,m"),
        _case("Relu x -> a; Dropout a -> b,m; Neg b -> y", "y,m"),
        _case("Relu x -> a; Dropout a -> b,m; Mul b,m -> y"),
        _case("Relu x -> a; Dropout a -> b,m; Neg b -> y"),
        _case("Identity x -> a; Add a,a -> y"),
        _case("Relu x -> a; Identity a -> b; Neg b -> c; Abs b -> d; Add c,d -> e; Identity e -> y"),
        _case("Split x -> a,b; Identity a -> y; Identity b -> z", "y,z"),
        _case("Relu x -> a; Dropout a,ratio -> b; Neg b -> y"),
        _case("Relu x -> a; Identity a -> b; Neg b -> c; Identity a -> y", "y,c"),
        _case("Relu x -> a; Dropout a -> b; Dropout b -> c; Neg c -> d; Identity b -> y", "d,y"),
        _case("Relu x -> y"),
        _case("Relu x -> a; Identity a -> unread; Neg a -> y"),
    ],
    draw=_draw, draws=40, compare=prop(_judge, same=_same), pure=True,
    misconceptions=[
        Misconception(
            "interface_renamed", _sweep(at_output="drop"),
            "An output of the graph has lost its name. Callers ask for `y`, so the name has to stay: let the node before "
            "the no-op make `y` instead.",
            "The interface may not change."),
        Misconception(
            "next_reader_only", _next_reader_only,
            "A tensor may have several readers. After the no-op is gone, the others still read a name that nobody makes.",
            "Every reader must be rewired."),
        Misconception(
            "input_wired_to_output", _sweep(inputs_too=True),
            "A no-op between a graph input (or another tensor that no node makes) and a graph output can't go. There is no "
            "node that could make the output in its place, and both names belong to the interface.",
            "This no-op has to stay."),
        Misconception(
            "two_outputs", _sweep(outputs_too=True),
            "The source of this no-op is itself an output of the graph. If you rename it, the first output is gone.",
            "An output can't be renamed.", also=(_sweep(outputs_too=True, inputs_too=True),)),
        Misconception(
            "changed_while_iterating", _removes_while_iterating,
            "You take nodes out of the list over which the loop runs. The list moves up, and the loop skips the node "
            "behind. Build a new list instead.",
            "The loop skips nodes."),
        Misconception(
            "mask_ignored", _sweep(mask=lambda outs, nodes, outputs: False),
            "The second output of Dropout is its mask. Where somebody reads it, or asks for it, the node has to stay.",
            "The mask is read.",
            also=(_sweep(mask=lambda outs, nodes, outputs: any(n in i for _, i, _ in nodes for n in outs[1:])),
                  _sweep(mask=lambda outs, nodes, outputs: any(n in outputs for n in outs[1:])))),
        Misconception(
            "any_mask_stays", _sweep(mask=lambda outs, nodes, outputs: len(outs) > 1),
            "You keep each Dropout that has a mask. It may go when nobody reads the mask.",
            "An unread mask does not matter.", also=(_sweep(mask=lambda outs, nodes, outputs: True),)),
        Misconception(
            "outputs_keep_their_noop", _sweep(at_output="keep"),
            "You leave every no-op that makes an output of the graph. Often it can go: its producer takes over the name.",
            "The producer can make the output."),
        Misconception(
            "only_the_producer", _sweep(everywhere=False),
            "You rename what the producer makes, and forget who else reads it. Those nodes ask for a name that is gone.",
            "The old name is still read."),
        Misconception(
            "one_step_of_a_chain", _sweep(chains=False, resolved=False),
            "With two no-ops in a row the name that you put in is itself the result of a removed node. Look names up until "
            "nothing changes.",
            "Chains need more than one step.", also=(_sweep(chains=False),)),
    ],
    alternatives=[_sweep(), _one_at_a_time, _classes],
    hints=(
        "Keep a dictionary from names that are gone to the names that replace them, and apply it at the end to all inputs "
        "and outputs of the nodes that stay.",
        "A name that is gone may stand for one that is gone as well: look up in a loop.",
        "At a graph output the entry runs the other way: the source's name is replaced by the output's. First ask whether "
        "a node makes the source, and whether the source is an output itself.",
    ),
    worth_knowing="The same bookkeeping is in every graph optimiser; forgotten readers and renamed outputs are its classic bugs.",
)
