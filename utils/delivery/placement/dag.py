"""A network with branches between device and cloud: the best cut is a minimum s-t cut."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence

from utils.delivery.placement.deadline import upload_ms

Edge = tuple[int, int]


class FlowNetwork:
    """Capacities between numbered vertices; `min_cut` by augmenting along shortest paths (Edmonds and Karp, 1972)."""

    def __init__(self, vertices: int) -> None:
        self.left = [dict[int, float]() for _ in range(vertices)]  # left[u][v]: capacity that is still free

    def add(self, u: int, v: int, capacity: float) -> None:
        """Adds capacity from u to v; parallel arrows add up."""
        self.left[u][v] = self.left[u].get(v, 0.0) + capacity
        self.left[v].setdefault(u, 0.0)

    def min_cut(self, source: int, sink: int) -> tuple[float, set[int]]:
        """(capacity of a smallest cut, the vertices on the source's side). The free capacities are used up."""
        flow = 0.0
        while (before := self._reachable(source)).get(sink) is not None:
            path = [sink]
            while path[-1] != source:
                path.append(before[path[-1]])
            arrows = list(zip(path[1:], path))
            pushed = min(self.left[u][v] for u, v in arrows)
            for u, v in arrows:
                self.left[u][v] -= pushed
                self.left[v][u] += pushed
            flow += pushed
        return flow, set(self._reachable(source))

    def _reachable(self, source: int) -> dict[int, int]:
        """Each vertex that free capacity leads to, with the vertex before it on a shortest path."""
        before, queue = {source: source}, deque([source])
        while queue:
            u = queue.popleft()
            for v, free in self.left[u].items():
                if free > 0 and v not in before:
                    before[v] = u
                    queue.append(v)
        return before


def assignment_ms(edge_ms: Sequence[float], cloud_ms: Sequence[float], out_bytes: Sequence[float],
                  edges: Iterable[Edge], uplink_mbps: float, on_edge: Sequence[bool]) -> float:
    """Time in ms when the nodes flagged in `on_edge` run on the device: compute on both sides and transfers, added up.

    Each output is sent at most once, however many consumers it has in the cloud. math.inf for an assignment that needs
    something back from the cloud, or moves node 0, the sensor.
    """
    if not on_edge[0] or any(on_edge[v] and not on_edge[u] for u, v in edges):
        return math.inf
    sent = {u for u, v in edges if on_edge[u] and not on_edge[v]}
    compute = sum(e if here else c for e, c, here in zip(edge_ms, cloud_ms, on_edge))
    return compute + sum(upload_ms(out_bytes[u], uplink_mbps) for u in sent)


def partition_dag(edge_ms: Sequence[float], cloud_ms: Sequence[float], out_bytes: Sequence[float],
                  edges: Iterable[Edge], uplink_mbps: float) -> tuple[float, list[bool]]:
    """(ms, on_edge): which nodes of a graph run on the device so that compute and transfers together take least.

    Node 0 is the sensor's input: on the device, at no cost. `edges` are arrows (u, v) from a node to one that reads its
    output, with u < v. Everything adds up, nothing overlaps, and nothing comes back from the cloud. An output that
    crosses is sent once. Raises ValueError for lists of different lengths, or an arrow that is not (u, v) with u < v.

    The graph of the cut: the source's side is the device. A node in the cloud cuts source -> node (its cloud time), one
    on the device cuts node -> sink (its device time). An output that crosses cuts node -> its auxiliary vertex (the
    upload), from which infinite arrows lead to the consumers. Infinite arrows back forbid cloud -> device. After
    C. Hu et al., Dynamic Adaptive DNN Surgery for Inference Acceleration on the Edge, INFOCOM 2019.

    >>> partition_dag([0, 8, 10, 40, 5], [0, 1, 1, 3, .5], [150000, 20000, 5000, 10000, 40],
    ...               [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)], 10)
    (41.5, [True, True, True, False, False])
    """
    n, edges = len(edge_ms), sorted(set(edges))
    if not n == len(cloud_ms) == len(out_bytes):
        raise ValueError(f"edge_ms, cloud_ms and out_bytes must have one length, got {n}, {len(cloud_ms)} and "
                         f"{len(out_bytes)}")
    if any(not 0 <= u < v < n for u, v in edges):
        raise ValueError(f"edges must be pairs u < v of nodes below {n}, got {edges}")
    source, sink = 2 * n, 2 * n + 1  # node v has the vertex v, and n + v for its output
    network = FlowNetwork(2 * n + 2)
    for v in range(n):
        network.add(source, v, cloud_ms[v] if v else math.inf)
        network.add(v, sink, edge_ms[v] if v else 0.0)
    for u in {u for u, _ in edges}:
        network.add(u, n + u, upload_ms(out_bytes[u], uplink_mbps))
    for u, v in edges:
        network.add(n + u, v, math.inf)
        network.add(v, u, math.inf)
    side = network.min_cut(source, sink)[1]
    on_edge = [v in side for v in range(n)]
    return assignment_ms(edge_ms, cloud_ms, out_bytes, edges, uplink_mbps, on_edge), on_edge
