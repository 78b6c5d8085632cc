"""The rewiring rule on plain tuples: a node is (operator, names of inputs, names of outputs)."""

from __future__ import annotations

from collections.abc import Sequence

TupleNode = tuple[str, tuple[str, ...], tuple[str, ...]]


def remove_noops(nodes: list[TupleNode], inputs: Sequence[str], outputs: Sequence[str]) -> list[TupleNode]:
    """Drop Identity and Dropout nodes and rewire their readers; inputs and outputs of the graph keep their names.

    nodes: (op, inputs, outputs), in topological order. A no-op returns its first input. A Dropout stays if its second
    output is read or is an output of the graph. A no-op that makes an output of the graph hands that name to the
    producer of its source; it stays if the source is made by no node or is an output of the graph itself.
    """
    made = {name for _, _, outs in nodes for name in outs} - set(inputs)
    read = {name for _, ins, _ in nodes for name in ins} | set(outputs)
    alias: dict[str, str] = {}

    def resolve(name: str) -> str:
        while name in alias:
            name = alias[name]
        return name

    kept = []
    for op, ins, outs in nodes:
        if op == "Identity" or (op == "Dropout" and not read.intersection(outs[1:])):
            source, target = resolve(ins[0]), outs[0]
            if target not in outputs:
                alias[target] = source
                continue
            if source in made and source not in outputs:
                alias[source] = target
                continue
        kept.append((op, ins, outs))
    return [(op, tuple(map(resolve, ins)), tuple(map(resolve, outs))) for op, ins, outs in kept]
