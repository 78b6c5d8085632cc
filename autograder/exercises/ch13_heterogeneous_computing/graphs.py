"""Graphs that the HEFT exercises ask about, and random ones without ties that rounding would decide."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from utils.hardware.heterogeneous import heft_ranks
from utils.hardware.heterogeneous.examples import GAP_COSTS, GAP_EDGES, PUBLISHED_COSTS, PUBLISHED_EDGES

Costs = dict[int, list[int]]
Edges = dict[tuple[int, int], int]

PUBLISHED: tuple[Costs, Edges] = {t: list(c) for t, c in PUBLISHED_COSTS.items()}, dict(PUBLISHED_EDGES)
GAP: tuple[Costs, Edges] = {t: list(c) for t, c in GAP_COSTS.items()}, dict(GAP_EDGES)
PUBLISHED_LABEL = "the published graph: 10 tasks on 3 devices"
GAP_LABEL = "the second graph: 7 tasks on 2 devices"


def rounding_decides(costs: Mapping[int, list[int]], edges: Mapping[tuple[int, int], int]) -> bool:
    """Whether two ranks are so near that a sum in another order could swap them. Means over 1, 2 or 4 are exact."""
    if len(next(iter(costs.values()))) in (1, 2, 4):
        return False
    ranks = sorted(heft_ranks(dict(costs), dict(edges)).values())
    return any(b - a < 1e-6 for a, b in itertools.pairwise(ranks))


def draw_graph(rng: np.random.Generator, devices: tuple[int, ...] = (2, 3), most_tasks: int = 8) -> tuple[Costs, Edges]:
    """A random graph with whole numbers; ids don't follow the arrows."""
    while True:
        n, d = int(rng.integers(2, most_tasks + 1)), int(rng.choice(devices))
        ids = [int(i) for i in rng.permutation(rng.choice(30, n, replace=False))]
        high = int(rng.choice([4, 20]))
        costs = {i: rng.integers(1, high + 1, d).tolist() for i in ids}
        density, most = rng.choice([0.25, 0.5]), int(rng.choice([4, 12, 30]))
        edges = {(ids[i], ids[j]): int(rng.integers(0, most)) for i in range(n) for j in range(i + 1, n) if rng.random() < density}
        if not rounding_decides(costs, edges):
            order = rng.permutation(ids)
            shuffled = [list(edges)[i] for i in rng.permutation(len(edges))]
            return {int(i): costs[int(i)] for i in order}, {edge: edges[edge] for edge in shuffled}


def label(costs: Mapping[int, list[int]], edges: Mapping[tuple[int, int], int]) -> str:
    """The graph as it can be pasted."""
    return f"costs = {dict(costs)}, edges = {dict(edges)}"
