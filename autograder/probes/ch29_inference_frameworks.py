"""Probes of chapter 29: latencies drawn over and over, and a graph with a set of operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def verdicts(answer: Callable, kind: str, seeds: int, n_a: int, n_b: int, n_boot: int, alpha: float) -> list[str]:
    """The answers to `seeds` comparisons of drawn latencies, each with a generator of its own.

    kind: "equal" (one distribution), "equal, sorted", "a faster" and "b faster" (by 5 %), "a faster, hiccups" (four of
    its runs take 50 ms), "b faster, one lucky a" (one run of a takes 0.5 ms), "a faster, heavy tails".
    """
    found = []
    for seed in range(seeds):
        a, b = _samples(kind, n_a, n_b, np.random.default_rng([seed, len(kind)]))
        verdict = answer(a, b, np.random.default_rng(seed), n_boot, alpha)
        found.append(verdict if isinstance(verdict, str) else repr(verdict)[:20])
    return found


def _samples(kind: str, n_a: int, n_b: int, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    scale = (1.0, 1.05) if kind.startswith("a faster") else (1.05, 1.0) if kind.startswith("b faster") else (1.0, 1.0)
    noise = rng.exponential(0.1, n_a), rng.exponential(0.1, n_b)
    if kind.endswith("heavy tails"):
        noise = 0.05 * rng.pareto(1.5, n_a), 0.05 * rng.pareto(1.5, n_b)
    a, b = scale[0] + noise[0], scale[1] + noise[1]
    if kind.endswith("hiccups"):
        a[rng.permutation(n_a)[:4]] = 50.0
    if kind.endswith("one lucky a"):
        a[rng.integers(n_a)] = 0.5
    if kind.endswith("sorted"):
        a, b = np.sort(a), np.sort(b)
    return a.tolist(), b.tolist()


def partition(answer: Callable, args: Sequence) -> Any:
    """Call with nodes as tuples and the supported operators as a set."""
    nodes, supported = args
    return answer([(op, list(inputs), list(outputs)) for op, inputs, outputs in nodes], set(supported))
