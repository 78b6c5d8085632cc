"""Chapter 39's critical paths against networkx; its one-sided test, its power and its false alarms against scipy."""

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest

from utils.delivery.ci_pipeline import critical_path, drop_alarm, gate_power, quality_gate

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


def shares(disagreement, drop):
    """Of all samples: lost, gained, the rest."""
    return [(disagreement + drop) / 2, (disagreement - drop) / 2, 1 - disagreement]


def splits(n):
    """All (lost, gained) of n samples."""
    return [(lost, gained) for lost in range(n + 1) for gained in range(n + 1 - lost)]


def above(lost, gained, n, max_drop):
    """Whether the drop is above a limit that is meant as the decimal that it is written as: no rounding at a tie."""
    return Fraction(lost - gained, n) > Fraction(str(max_drop))


LIMITS = [-0.1, 0.0, 0.05, 0.1, 0.25, 0.3, 1.0]  # of 10 and of 20 samples most of them are met by a whole number of losses


@pytest.mark.parametrize("n", [1, 3, 10, 20])
@pytest.mark.parametrize("max_drop", LIMITS)
def test_the_gate_blocks_the_drops_that_the_alarm_counts(n, max_drop):
    policy = {"max_p": 0.0, "max_drop": max_drop, "max_latency_ratio": 1, "max_size_ratio": 1, "min_samples": 1}
    at = np.arange(n)
    for lost, gained in splits(n):
        passed, _ = quality_gate((at < lost) | (at >= lost + gained), at >= lost, np.ones(1), np.ones(1), 1, 1, policy)
        assert passed != above(lost, gained, n, max_drop)


@pytest.mark.parametrize("n", [1, 3, 10, 20])
@pytest.mark.parametrize("max_drop", LIMITS)
@pytest.mark.parametrize("disagreement, drop", [(0.0, 0.0), (0.06, 0.0), (0.3, 0.1), (0.3, -0.1), (0.4, 0.4), (0.4, -0.4),
                                                (1.0, 0.0), (1.0, 0.5), (1.0, 1.0)])
def test_drop_alarm_is_scipys_sum_over_all_splits(n, max_drop, disagreement, drop):
    counted = [(lost, gained, n - lost - gained) for lost, gained in splits(n) if above(lost, gained, n, max_drop)]
    total = stats.multinomial.pmf(counted, n, shares(disagreement, drop)).sum() if counted else 0.0
    assert drop_alarm(n, max_drop, disagreement, drop) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("n, drop", [(200, 0), (500, 0), (2000, 0), (200, 0.02), (500, -0.01)])
def test_drop_alarm_is_scipys_double_sum_at_the_chapters_sizes(n, drop):
    disagreement, limit = 0.06, Fraction(1, 100)
    total = 0.0
    for d in range(n + 1):
        most = math.floor((d + n * limit) / 2)  # so many of d flips may be losses
        total += stats.binom.pmf(d, n, disagreement) * stats.binom.sf(most, d, (1 + drop / disagreement) / 2)
    assert drop_alarm(n, 0.01, disagreement, drop) == pytest.approx(total, abs=1e-9)


def test_the_false_alarms_that_the_chapter_tells():
    assert [round(100 * drop_alarm(n, 0.01, 0.06)) for n in (200, 500, 2000)] == [23, 16, 3]


@pytest.mark.parametrize("n, allowed, disagreement, drop", [(200, 2, 0.06, 0), (500, 5, 0.06, 0), (200, 4, 0.06, 0.02),
                                                            (200, 2, 0.1, -0.01), (60, 6, 0.2, 0.1), (7, 0, 0.5, 0)])
def test_drop_alarm_against_simulated_models(n, allowed, disagreement, drop):
    trials = 100_000
    lost, gained, _ = np.random.default_rng(39).multinomial(n, shares(disagreement, drop), size=trials).T
    seen, told = np.mean(lost - gained > allowed), drop_alarm(n, allowed / n, disagreement, drop)
    assert 0.05 < seen < 0.95  # else four standard errors would be next to nothing, or say nothing
    assert abs(seen - told) < 4 * math.sqrt(seen * (1 - seen) / trials)
