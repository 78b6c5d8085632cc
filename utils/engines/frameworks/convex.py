"""Splitting a graph over two devices into convex groups, as an engine does with what its accelerator supports.

A group runs as a whole: it starts when all of its inputs exist, and only then are its outputs there. So no path may
leave a group and come back. ONNX Runtime asks an execution provider for such groups (GetCapability).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Node = tuple[str, Sequence[str], Sequence[str]]  # (operator, inputs, outputs)
ACCEL, CPU = "accel", "cpu"


def partition_graph(nodes: list[Node], supported: set[str]) -> list[tuple[str, list[int]]]:
    """Groups ("accel" or "cpu", node indices) in an order in which they can run, by levels.

    `nodes` are (operator, inputs, outputs), sorted topologically; a tensor that no earlier node makes comes from
    outside. Accelerated nodes get even levels and the others odd ones, each as low as its predecessors allow; one
    level is one group.
    """
    maker: dict[str, int] = {}
    levels: list[int] = []
    for index, (op, inputs, outputs) in enumerate(nodes):
        parity = 0 if op in supported else 1
        level = max((levels[maker[name]] for name in inputs if name in maker), default=parity)
        levels.append(level + (level % 2 != parity))
        maker.update(dict.fromkeys(outputs, index))
    groups = [(CPU if level % 2 else ACCEL, [i for i, at in enumerate(levels) if at == level])
              for level in range(max(levels, default=-1) + 1)]
    return [group for group in groups if group[1]]


def run_until_stuck(nodes: list[Node], supported: set[str], first: str) -> list[tuple[str, list[int]]]:
    """Groups of the schedule "run all that is ready on one device, then switch", beginning on `first`.

    The better of the two beginnings has the fewest groups that any valid split can have.
    """
    makers = _makers(nodes)
    waiting = {i: set(makers[i]) for i in range(len(nodes))}
    device, groups, done = first, [], set()
    while waiting:
        group = []
        while ready := [i for i, needs in waiting.items() if needs <= done and _device(nodes[i], supported) == device]:
            group += ready
            done.update(ready)
            for i in ready:
                del waiting[i]
        if group:
            groups.append((device, sorted(group)))
        device = CPU if device == ACCEL else ACCEL
    return groups


def validate_groups(nodes: list[Node], supported: set[str], groups: Sequence[tuple[str, Sequence[int]]]) -> None:
    """Raise ValueError unless the groups hold each node once, on its device, and can run in their order."""
    if sorted(i for _, members in groups for i in members) != list(range(len(nodes))):
        raise ValueError("groups must hold every node once")
    makers, done = _makers(nodes), set()
    for device, members in groups:
        for i in members:
            if _device(nodes[i], supported) != device:
                raise ValueError(f"groups must respect the devices, got node {i} on {device}")
            if not set(makers[i]) <= done | set(members):
                raise ValueError(f"groups must run in their order, got node {i} before what it reads")
        done |= set(members)


def _makers(nodes: Sequence[Node]) -> list[set[int]]:
    """For each node the nodes whose outputs it reads."""
    maker, found = {}, []
    for index, (_, inputs, outputs) in enumerate(nodes):
        found.append({maker[name] for name in inputs if name in maker})
        maker.update(dict.fromkeys(outputs, index))
    return found


def _device(node: Node, supported: set[str]) -> str:
    return ACCEL if node[0] in supported else CPU


# --- what crosses the borders -------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """One group: its device, its nodes, and the tensors that cross between this device and the other one."""

    device: str
    nodes: tuple[int, ...]
    reads: tuple[str, ...]  # from outside the group, the graph's inputs included
    writes: tuple[str, ...]  # read by another group, or an output of the graph


@dataclass(frozen=True)
class Partition:
    """A graph split into groups, in an order in which they can run."""

    groups: tuple[Group, ...]
    operators: tuple[str, ...] = field(default=())

    @property
    def boundary_tensors(self) -> tuple[str, ...]:
        """Tensors that enter or leave an accelerated group, each once."""
        crossing = [name for g in self.groups if g.device == ACCEL for name in (*g.reads, *g.writes)]
        return tuple(dict.fromkeys(crossing))

    def transfer_bytes(self, sizes: Mapping[str, int]) -> list[tuple[int, int]]:
        """(bytes in, bytes out) of every group by the tensors' sizes in bytes; (0, 0) for groups on the CPU.

        Raises KeyError for a tensor without a size.
        """
        return [(sum(sizes[n] for n in g.reads), sum(sizes[n] for n in g.writes)) if g.device == ACCEL else (0, 0)
                for g in self.groups]

    def as_groups(self) -> list[tuple[str, list[int]]]:
        """The groups as `partition_graph` returns them."""
        return [(g.device, list(g.nodes)) for g in self.groups]


def partition(nodes: list[Node], supported: set[str], outputs: Sequence[str], weights: Sequence[str] = ()) -> Partition:
    """`partition_graph` with the tensors that each group reads and writes.

    `outputs` are the graph's outputs. Tensors in `weights` do not count: they are copied to the device once, when
    the model is loaded.
    """
    groups = []
    for device, members in partition_graph(nodes, supported):
        made = {name for i in members for name in nodes[i][2] if name}
        others = {name for i, node in enumerate(nodes) if i not in members for name in node[1]} | set(outputs)
        reads = dict.fromkeys(n for i in members for n in nodes[i][1] if n and n not in made and n not in weights)
        writes = tuple(n for i in members for n in nodes[i][2] if n in others)
        groups.append(Group(device, tuple(members), tuple(reads), writes))
    return Partition(tuple(groups), tuple(op for op, _, _ in nodes))
