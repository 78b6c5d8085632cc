"""Choosing between candidates: the Pareto front, hard limits, and the release rule of an edge product."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from utils.cost.edge_metrics.energy import frame_energy
from utils.cost.edge_metrics.proportions import wilson_interval

UPPER_LIMITS = ("p99_ms", "peak_mb", "storage_mb")


def pareto_front(rows: Sequence[Any], *, maximize: Sequence[str] = (), minimize: Sequence[str] = ()) -> list[int]:
    """Indices of the rows that no other row dominates, in input order; equal rows are all kept.

    A row is a mapping or an object with attributes. It is dominated when another one is at least as good in every
    metric and better in one. Rows that lack a metric (absent or None) are left out; `pareto_unknown` names them.
    Raises ValueError for no metric, or for NaN.

    >>> pareto_front([{"acc": 0.97, "ms": 20}, {"acc": 0.96, "ms": 25}, {"acc": 0.95, "ms": 9}],
    ...              maximize=["acc"], minimize=["ms"])
    [0, 2]
    """
    if not maximize and not minimize:
        raise ValueError("maximize and minimize must name a metric, got none")
    known = set(range(len(rows))).difference(pareto_unknown(rows, maximize=maximize, minimize=minimize))
    costs = {i: tuple([-_metric(rows[i], m) for m in maximize] + [_metric(rows[i], m) for m in minimize])
             for i in known}
    if any(math.isnan(value) for cost in costs.values() for value in cost):
        raise ValueError("rows must hold numbers, got NaN")
    front: list[tuple] = []  # costs that nothing dominates; in this order a dominating row comes before what it beats
    for cost in sorted(set(costs.values())):
        if not any(all(b <= c for b, c in zip(better, cost)) for better in front):
            front.append(cost)
    kept = set(front)
    return [i for i in sorted(known) if costs[i] in kept]


def pareto_unknown(rows: Sequence[Any], *, maximize: Sequence[str] = (), minimize: Sequence[str] = ()) -> list[int]:
    """Indices of the rows that lack one of the metrics, in input order."""
    return [i for i, row in enumerate(rows) if any(_metric(row, m) is None for m in (*maximize, *minimize))]


def _metric(row: Any, name: str) -> float | None:
    return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)


def pareto(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    """Indices of the points that no other dominates, in input order; equal points are all kept."""
    return pareto_front(points, maximize=maximize, minimize=minimize)


def energy_at_rate(cand: Mapping[str, Any], fps: float) -> dict[str, float] | None:
    """`frame_energy` of a candidate at the required rate; None where it cannot keep up."""
    try:
        return frame_energy(cand["active_w"], cand["idle_w"], cand["latency_ms"], fps)
    except ValueError:
        return None


def violations(cand: Mapping[str, Any], limits: Mapping[str, float], samples_n: int) -> list[str]:
    """The limits that a candidate breaks, in a fixed order: p99_ms, peak_mb, storage_mb, fps or avg_w, accuracy.

    The accuracy fails when the lower end of its 95 % Wilson interval on `samples_n` samples is below the limit.
    """
    broken = [name for name in UPPER_LIMITS if cand[name] > limits[name]]
    energy = energy_at_rate(cand, limits["fps"])
    if energy is None:
        broken.append("fps")
    elif energy["avg_w"] > limits["avg_w"]:
        broken.append("avg_w")
    if wilson_interval(cand["accuracy"] * samples_n, samples_n)[0] < limits["accuracy"]:
        broken.append("accuracy")
    return broken


def ship_it(cands: list[dict], limits: dict, objective: str, samples_n: int) -> str | None:
    """Name of the candidate to ship: within all hard limits, with the smallest objective; None if nobody is.

    Ties go to the higher accuracy, then to the first name in the alphabet. The objective "energy_mj" is the energy
    of one frame at the required rate; any other is a key of the candidates.
    """
    def cost(cand: dict) -> tuple:
        value = energy_at_rate(cand, limits["fps"])["total_mj"] if objective == "energy_mj" else cand[objective]
        return value, -cand["accuracy"], cand["name"]

    fit = [cand for cand in cands if not violations(cand, limits, samples_n)]
    return min(fit, key=cost)["name"] if fit else None
