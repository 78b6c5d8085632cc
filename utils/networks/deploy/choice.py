"""Which network to take: first what the target can run, then the limits, then accuracy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from utils.cost.edge_metrics import pareto_front


def choose_backbone(cands: list[dict], max_ms: float, max_mb: float, supported: Collection[str]) -> str:
    """The name of the most accurate candidate that the target can run within both limits, which count as allowed.

    Candidates have name, top1 (%), ms, mb, ops (operator names). Ties go to the lower latency, then to the
    alphabetically first name. Raises ValueError "no candidate" when none is left.
    """
    fit = [c for c in cands if set(c["ops"]) <= set(supported) and c["ms"] <= max_ms and c["mb"] <= max_mb]
    if not fit:
        raise ValueError("cands must hold one that fits, got no candidate within the limits and operators")
    return min(fit, key=lambda c: (-c["top1"], c["ms"], c["name"]))["name"]


def undominated(cands: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the candidates that no other one beats in latency, bytes and accuracy at once, in the given order."""
    return [cands[i]["name"] for i in pareto_front(cands, minimize=("ms", "mb"), maximize=("top1",))]
