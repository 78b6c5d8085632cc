"""Cuts of chains and of graphs: against all assignments, and against each other."""

import itertools

import numpy as np
import pytest

from utils.delivery.placement import (
    FlowNetwork,
    assignment_ms,
    best_cut,
    best_split,
    chain_cuts,
    crossover_mbps,
    partition_dag,
    upload_ms,
)
from utils.delivery.placement.examples import CLOUD_MS, CROSSING_BYTES, DAG, EDGE_MS


def random_dag(rng, n):
    edges = {(int(rng.integers(v)), v) for v in range(1, n)} | {(u, v) for v in range(1, n) for u in range(v) if rng.random() < 0.3}
    edge, cloud = ([0.0, *rng.uniform(0, top, n - 1).tolist()] for top in (50, 6))
    return edge, cloud, rng.uniform(0, 60_000, n).tolist(), sorted(edges), float(rng.choice([2, 10, 50]))


def by_hand(edge, cloud, sizes, rate, rtt, k):
    compute = sum(edge[:k]) + sum(cloud[k:])
    return compute if k == len(edge) else compute + sizes[k] * 8e3 / (rate * 1e6) + rtt


def test_best_split_against_all_cuts():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n = int(rng.integers(0, 9))
        edge, cloud = rng.uniform(0, 50, n).tolist(), rng.uniform(0, 5, n).tolist()
        sizes, rate, rtt = rng.uniform(0, 9e5, n).tolist(), float(rng.choice([1, 8, 50])), float(rng.uniform(0, 30))
        totals = [by_hand(edge, cloud, sizes, rate, rtt, k) for k in range(n + 1)]
        k, total = best_split(edge, cloud, sizes, rate, rtt)
        assert total == pytest.approx(min(totals)) and totals[k] == pytest.approx(total)
        for cut in chain_cuts(edge, cloud, sizes, rate, rtt):
            assert cut.total_ms == pytest.approx(totals[cut.k]) and cut.as_dict()["total_ms"] == cut.total_ms


def test_best_split_of_the_chapter():
    found = [best_split(EDGE_MS, CLOUD_MS, CROSSING_BYTES, rate, 10) for rate in (1, 8, 50)]
    assert found == [(5, 155.0), (3, pytest.approx(153.676)), (0, pytest.approx(42.58448))]
    assert best_split([2.0, 2.0], [2.0, 2.0], [1000, 1000], 8, 0) == (2, 4.0)  # k = 2 alone sends nothing
    assert best_split([1.0, 9.0], [1.0, 1.0], [1000, 1000], 8, 0) == (1, 3.0)  # k = 0 takes 3 ms too
    assert best_split([], [], [], 1, 1) == (0, 0.0) and best_cut(chain_cuts([3], [0], [0], 8, 3)).k == 1
    for bad in (([1], [], []), ([1], [1], []), ([], [1], [1])):
        with pytest.raises(ValueError, match="one length"):
            best_split(*bad, 8, 1)


def test_the_best_cut_moves_to_the_cloud_as_the_rate_rises():
    found = crossover_mbps(EDGE_MS, CLOUD_MS, CROSSING_BYTES, [0.5 * i for i in range(1, 200)], 10)
    assert [k for _, k in found] == [5, 3, 0]


def test_partition_against_all_assignments():
    rng = np.random.default_rng(2)
    for _ in range(200):
        *graph, edges, rate = random_dag(rng, int(rng.integers(1, 9)))
        total, on_edge = partition_dag(*graph, edges, rate)
        n = len(graph[0])
        best = min(assignment_ms(*graph, edges, rate, [True, *rest]) for rest in itertools.product([True, False], repeat=n - 1))
        assert total == pytest.approx(best, abs=1e-9) and len(on_edge) == n
        assert assignment_ms(*graph, edges, rate, on_edge) == pytest.approx(total)


def test_a_chain_gives_the_best_split():
    rng = np.random.default_rng(3)
    for _ in range(50):
        n = int(rng.integers(1, 8))
        edge, cloud = rng.uniform(0, 50, n).tolist(), rng.uniform(0, 5, n).tolist()
        sizes = rng.uniform(0, 90_000, n + 1).tolist()
        total, on_edge = partition_dag([0, *edge], [0, *cloud], sizes, [(v, v + 1) for v in range(n)], 10)
        k, expected = best_split(edge, cloud, sizes[:n], 10, 0)
        assert total == pytest.approx(expected) and sum(on_edge) == k + 1


def test_assignment_by_hand():
    graph = (DAG["edge_ms"], DAG["cloud_ms"], DAG["out_bytes"], DAG["edges"])
    assert assignment_ms(*graph, 10, [True] * 5) == 63 and assignment_ms(*graph, 10, [True] + [False] * 4) == 120 + 5.5
    assert assignment_ms(*graph, 10, [True, True, True, False, False]) == 18 + 16 + 4 + 3.5
    assert assignment_ms(*graph, 10, [True, True, False, True, False]) == float("inf")  # 3 would read from the cloud
    assert assignment_ms(*graph, 10, [False] * 5) == float("inf")
    both = ([0, 1, 9, 9], [0, 1, 1, 1], [10**6, 5000, 1, 1], [(0, 1), (1, 2), (1, 3)], 10)
    assert partition_dag(*both) == (1 + upload_ms(5000, 10) + 2, [True, True, False, False])  # one upload for two readers


def test_partition_refuses():
    with pytest.raises(ValueError, match="one length"):
        partition_dag([0, 1], [0], [1, 1], [(0, 1)], 1)
    for edges in ([(1, 0)], [(0, 2)], [(1, 1)]):
        with pytest.raises(ValueError, match="pairs u < v"):
            partition_dag([0, 1], [0, 1], [1, 1], edges, 1)


def test_flow_network_by_hand():
    network = FlowNetwork(4)
    for u, v, c in ((0, 1, 3.0), (0, 2, 2.0), (1, 2, 5.0), (1, 3, 2.0), (2, 3, 1.5), (2, 3, 0.5)):
        network.add(u, v, c)
    flow, side = network.min_cut(0, 3)
    assert flow == 4.0 and side == {0, 1, 2}
