"""Deadlines against scipy's lognormal distribution, minimum cuts against networkx."""

import math

import numpy as np
import pytest

from utils.delivery.placement import FlowNetwork, deadline_hit_rate, partition_dag, upload_ms

stats = pytest.importorskip("scipy.stats")
networkx = pytest.importorskip("networkx")


def test_deadlines_against_lognorm():
    rng = np.random.default_rng(0)
    for _ in range(300):
        payload, rate, infer = rng.uniform(0, 4e5), rng.uniform(0.5, 100), rng.uniform(0, 80)
        p50 = rng.uniform(1, 100)
        p99 = p50 * rng.uniform(1.01, 20)
        deadline = rng.uniform(1, 500)
        sigma = math.log(p99 / p50) / stats.norm.ppf(0.99)
        expected = stats.lognorm.cdf(deadline - infer - payload * 8e3 / (rate * 1e6), s=sigma, scale=p50)
        assert deadline_hit_rate(payload, rate, infer, p50, p99, deadline) == pytest.approx(expected, abs=1e-9)


def networkx_cut(edge, cloud, sizes, edges, rate):
    """The graph of the cut, made a second time. networkx takes an arrow without capacity as infinite."""
    graph = networkx.DiGraph()
    graph.add_edge("s", ("node", 0))
    for v in range(1, len(edge)):
        graph.add_edge("s", ("node", v), capacity=cloud[v])
        graph.add_edge(("node", v), "t", capacity=edge[v])
    for u, v in edges:
        graph.add_edge(("node", u), ("out", u), capacity=upload_ms(sizes[u], rate))
        graph.add_edge(("out", u), ("node", v))
        graph.add_edge(("node", v), ("node", u))
    return networkx.minimum_cut_value(graph, "s", "t") if len(edge) > 1 else 0.0


def test_partitions_against_networkx():
    rng = np.random.default_rng(1)
    for _ in range(100):
        n = int(rng.integers(1, 25))
        edges = {(int(rng.integers(v)), v) for v in range(1, n)} | {
            (u, v) for v in range(1, n) for u in range(v) if rng.random() < 0.15}
        edge, cloud = ([0.0, *rng.uniform(0, top, n - 1).tolist()] for top in (50, 6))
        sizes, rate = rng.uniform(0, 60_000, n).tolist(), float(rng.choice([2, 10, 50]))
        total, _ = partition_dag(edge, cloud, sizes, sorted(edges), rate)
        assert total == pytest.approx(networkx_cut(edge, cloud, sizes, sorted(edges), rate), abs=1e-6)


def test_flows_against_networkx():
    rng = np.random.default_rng(2)
    for _ in range(100):
        n = int(rng.integers(2, 12))
        ours, theirs = FlowNetwork(n), networkx.DiGraph()
        theirs.add_nodes_from(range(n))
        for u in range(n):
            for v in range(n):
                if u != v and rng.random() < 0.4:
                    capacity = float(rng.integers(0, 20))
                    ours.add(u, v, capacity)
                    theirs.add_edge(u, v, capacity=capacity)
        flow, side = ours.min_cut(0, n - 1)
        assert flow == pytest.approx(networkx.maximum_flow_value(theirs, 0, n - 1))
        crossing = sum(d["capacity"] for u, v, d in theirs.edges(data=True) if u in side and v not in side)
        assert crossing == pytest.approx(flow)
