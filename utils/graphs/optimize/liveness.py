"""Which nodes does a graph's result depend on?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def live_nodes(nodes: Sequence[Any], outputs: Sequence[str]) -> list[int]:
    """Ascending indices of the nodes that contribute to `outputs`.

    A node is an ONNX node (anything with `input` and `output`) or a pair (inputs, outputs) of tensor names; ""
    marks an absent one. The nodes may stand in any order.
    Raises ValueError for an output that no node makes and that no node reads (so it is no input either).

    >>> live_nodes([(["x"], ["a"]), (["x"], ["b"]), (["a"], ["y"])], ["y"])
    [0, 2]
    """
    pairs = [(node.input, node.output) if hasattr(node, "output") else node for node in nodes]
    producer = {name: index for index, (_, made) in enumerate(pairs) for name in made if name}
    known = producer.keys() | {name for inputs, _ in pairs for name in inputs if name}
    for name in outputs:
        if name not in known:
            raise ValueError(f"outputs must be tensors of the graph, got {name!r}")
    live: set[int] = set()
    waiting = [producer[name] for name in outputs if name in producer]
    while waiting:
        index = waiting.pop()
        if index not in live:
            live.add(index)
            waiting += [producer[name] for name in pairs[index][0] if name in producer]
    return sorted(live)
