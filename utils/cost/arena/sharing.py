"""One arena for several models: activations may share bytes when the models never run at the same time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from utils.cost.arena.op_graph import TensorGraph, best_order


def shared_arena_bytes(arenas: Mapping[str, int], concurrent: Sequence[Collection[str]]) -> int:
    """Bytes of an arena that serves all models; each group of names runs at the same time, and every model alone.

    Raises ValueError for an unknown name.
    """
    for name in sorted(set().union(*concurrent)):
        if name not in arenas:
            raise ValueError(f"concurrent must name models of {', '.join(sorted(arenas))}, got unknown {name!r}")
    together = [sum(arenas[name] for name in group) for group in concurrent]
    return max([*together, *arenas.values()], default=0)


def shared_arena(weights: Mapping[str, int], arenas: Mapping[str, int], concurrent: Sequence[Collection[str]]) -> int:
    """Bytes of all weights, which stay resident, and of one shared arena.

    >>> shared_arena({"A": 20, "B": 10, "C": 5}, {"A": 40, "B": 25, "C": 30}, [["A", "B"]])
    100
    """
    return sum(weights.values()) + shared_arena_bytes(arenas, concurrent)


def best_order_peak(graph: Mapping[str, tuple[int, Sequence[str]]]) -> int:
    """The lowest peak over all orders of a graph given as node -> (output bytes, inputs); at most 18 nodes.

    An output lives until its last reader has run; outputs that nobody reads live to the end. Raises ValueError
    "cycle".

    >>> best_order_peak({"in": (2, []), "a1": (8, ["in"]), "a2": (1, ["a1"]), "b1": (8, ["in"]), "b2": (1, ["b1"]),
    ...                  "cat": (2, ["a2", "b2"])})
    11
    """
    read = {name for _, inputs in graph.values() for name in inputs}
    outputs = [name for name in graph if name not in read]
    whole = TensorGraph.of({name: inputs for name, (_, inputs) in graph.items()},
                           {name: size for name, (size, _) in graph.items()}, outputs)
    return best_order(whole)[1] if graph else 0
