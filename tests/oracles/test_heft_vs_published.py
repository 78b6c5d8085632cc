"""HEFT against the schedule of its paper, and upward ranks against networkx's longest paths."""

import networkx as nx
import numpy as np
import pytest

from utils.hardware.heterogeneous import (
    brute_force_schedule,
    fastest_device,
    graph_from_lists,
    heft,
    heft_makespan,
    heft_ranks,
    single_device,
    upward_rank,
    validate_schedule,
)
from utils.hardware.heterogeneous.examples import PUBLISHED_COSTS, PUBLISHED_EDGES, published_graph

# Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002: upward ranks of Table 4, makespan 80 of Fig. 3.
RANKS = {1: 108.0, 2: 77.0, 3: 80.0, 4: 80.0, 5: 69.0, 6: 63.33, 7: 42.67, 8: 35.67, 9: 44.33, 10: 14.67}
# github.com/mackncheesiest/heft, heft/test/test_heft.py, expected_task_sched (its tasks and processors count from 0).
SCHEDULE = {1: ("P3", 0, 9), 2: ("P1", 27, 40), 3: ("P3", 9, 28), 4: ("P2", 18, 26), 5: ("P3", 28, 38), 6: ("P2", 26, 42),
            7: ("P3", 38, 49), 8: ("P1", 57, 62), 9: ("P2", 56, 68), 10: ("P2", 73, 80)}  # fmt: skip


def test_ranks_of_the_paper():
    for task, rank in upward_rank(published_graph()).items():
        assert rank == pytest.approx(RANKS[task], abs=0.005)  # printed with two decimals


def test_the_schedule_of_the_paper():
    schedule = heft(published_graph())
    assert {t: (p.device, p.start_ms, p.end_ms) for t, p in schedule.by_task.items()} == SCHEDULE
    assert schedule.makespan_ms == 80
    costs, edges = {t: list(row) for t, row in PUBLISHED_COSTS.items()}, dict(PUBLISHED_EDGES)
    assert heft_makespan(costs, edges, 3) == 80 and heft_ranks(costs, edges)[1] == pytest.approx(108)


def test_its_rivals_on_this_graph():
    graph = published_graph()
    assert [single_device(graph, d).makespan_ms for d in graph.devices] == [127, 130, 143]
    assert fastest_device(graph).makespan_ms == 82
    best = brute_force_schedule(graph)
    validate_schedule(graph, best)
    assert best.makespan_ms == 73


@pytest.mark.parametrize("seed", range(20))
def test_ranks_are_longest_paths(seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 15)), int(rng.integers(1, 5))
    costs = {i: rng.integers(1, 30, d).tolist() for i in range(n)}
    edges = {(i, j): int(rng.integers(0, 20)) for i in range(n) for j in range(i + 1, n) if rng.random() < 0.3}
    ranks = upward_rank(graph_from_lists(costs, edges))
    for task in costs:
        reach = nx.DiGraph(list(edges))
        reach.add_node(task)
        reach = reach.subgraph({task} | nx.descendants(reach, task)).copy()
        paths = nx.DiGraph()
        paths.add_node(("end", task))
        for u in reach.nodes:
            paths.add_edge(u, ("out", u), weight=float(np.mean(costs[u])))
        paths.add_weighted_edges_from([(("out", u), v, edges[u, v]) for u, v in reach.edges])
        longest = nx.dag_longest_path_length(paths)
        assert ranks[task] == pytest.approx(longest, rel=1e-12)
