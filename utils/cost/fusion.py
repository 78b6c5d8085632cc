"""Groups of operators that run as one kernel, and the bytes they move through memory.

An element-wise operator joins the group of the operator that made its first input, if nobody else reads that. Within
a group intermediate results stay in registers: only what comes from outside is read, and only what is used outside is
written. Nothing is kept in a cache between groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utils.cost.checks import positive

Op = tuple[str, str, Sequence[str], int]  # name (of the operator and of its output), kind, inputs, elements it makes
ELEMENTWISE = "elementwise"


def fused_groups(ops: Sequence[Op]) -> list[list[str]]:
    """Names of the operators that run together, in the order of their first members; ops in topological order.

    >>> chain = [("c", "conv", ["x"], 9), ("b", "elementwise", ["c"], 9), ("r", "elementwise", ["b"], 9)]
    >>> fused_groups(chain), fused_groups([*chain, ("d", "conv", ["b"], 9)])
    ([['c', 'b', 'r']], [['c', 'b'], ['r'], ['d']])
    """
    group_of: dict[str, list[str]] = {}
    for name, kind, inputs, _ in ops:
        first = inputs[0] if inputs else None
        if kind == ELEMENTWISE and first in group_of and readers(ops, first) == 1:
            group_of[name] = group_of[first]
            group_of[name].append(name)
        else:
            group_of[name] = [name]
    return list({id(group): group for group in group_of.values()}.values())


def readers(ops: Sequence[Op], tensor: str) -> int:
    """How many operators read a tensor."""
    return sum(tensor in inputs for _, _, inputs, _ in ops)


def traffic_bytes(ops: Sequence[Op], sizes: Mapping[str, int], elem_bytes: int = 2, *, fused: bool = True) -> int:
    """Bytes that all groups read and write; `sizes` has the elements of the tensors that no operator makes.

    Without `fused` every operator is a group of its own. Raises KeyError for a tensor of unknown size.
    """
    positive(elem_bytes=elem_bytes)
    made = {name: count for name, _, _, count in ops}
    elements = {**sizes, **made}
    reads = {name: inputs for name, _, inputs, _ in ops}
    total = 0
    for group in fused_groups(ops) if fused else [[name] for name in made]:
        inside = set(group)
        total += sum(elements[t] for t in {t for name in group for t in reads[name]} - inside)
        for name in group:
            outside = any(name in inputs for other, inputs in reads.items() if other not in inside)
            if outside or not readers(ops, name):
                total += elements[name]
    return total * elem_bytes


def fused_traffic(ops: Sequence[Op], sizes: Mapping[str, int], elem_bytes: int = 2) -> int:
    """Bytes that are moved after fusion.

    >>> ops = [("c", "conv", ["x"], 1000), ("b", "elementwise", ["c"], 1000), ("r", "elementwise", ["b"], 1000),
    ...        ("s", "elementwise", ["r", "x"], 1000), ("y", "elementwise", ["s"], 1000)]
    >>> fused_traffic(ops, {"x": 1000}), traffic_bytes(ops, {"x": 1000}, fused=False)
    (4000, 22000)
    """
    return traffic_bytes(ops, sizes, elem_bytes)
