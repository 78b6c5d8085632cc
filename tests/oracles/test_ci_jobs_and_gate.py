"""Chapter 39's critical paths against networkx, its one-sided test and its power against scipy."""

import itertools
import random

import numpy as np
import pytest

from utils.delivery.ci_pipeline import critical_path, gate_power, quality_gate

networkx = pytest.importorskip("networkx")
stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("seed", range(30))
def test_critical_path_is_networkx_longest_path(seed):
    rng = random.Random(seed)
    names = [f"j{i}" for i in range(rng.randint(1, 12))]
    durations = {name: rng.randint(0, 8) for name in names}
    deps = {n: [m for m in names[:i] if rng.random() < 0.3] for i, n in enumerate(names)}
    graph = networkx.DiGraph()
    for name in names:  # a job is an edge from its start to its end
        graph.add_edge((name, 0), (name, 1), weight=durations[name])
        graph.add_edges_from([((m, 1), (name, 0), {"weight": 0}) for m in deps[name]])
    length, path = critical_path(durations, deps)
    assert length == networkx.dag_longest_path_length(graph) == sum(durations[n] for n in path)
    assert all(a in deps[b] for a, b in itertools.pairwise(path))


@pytest.mark.parametrize("lost", range(0, 21, 2))
@pytest.mark.parametrize("gained", range(0, 21, 3))
def test_the_gate_and_binomtest_agree(lost, gained):
    at = np.arange(60)
    base, cand = (at < lost) | (at >= lost + gained), at >= lost
    p = stats.binomtest(lost, lost + gained, 0.5, "greater").pvalue if lost + gained else 1.0
    for max_p in (p * (1 - 1e-9), min(1.0, p * (1 + 1e-9))):
        policy = {"max_p": max_p, "max_drop": 1, "max_latency_ratio": 1, "max_size_ratio": 1, "min_samples": 1}
        passed, _ = quality_gate(base, cand, np.ones(1), np.ones(1), 1, 1, policy)
        assert passed == (p > max_p) or p == 1.0


def test_power_is_scipys_double_sum():
    n, drop, disagreement, max_p = 80, 0.08, 0.2, 0.05
    total = 0.0
    for d in range(n + 1):
        k = np.arange(d + 1)
        rejected = stats.binom.sf(k - 1, d, 0.5) <= max_p
        total += stats.binom.pmf(d, n, disagreement) * stats.binom.pmf(k, d, 0.5 + drop / disagreement / 2)[rejected].sum()
    assert gate_power(n, drop, disagreement, max_p) == pytest.approx(total, abs=1e-9)
