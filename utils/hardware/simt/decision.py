"""From measurements to a decision: every requirement is met, or named; what was not measured is not met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AT_MOST = ("accuracy_drop", "memory_mb", "p99_ms", "watts")
AT_LEAST = ("op_coverage", "thermal_margin_c")
UNITS = {"accuracy_drop": "points", "memory_mb": "MB", "p99_ms": "ms", "watts": "W", "op_coverage": "of the operators",
         "thermal_margin_c": "°C"}


@dataclass(frozen=True)
class Decision:
    """Whether all requirements are met, and a sentence for each one that is not."""

    ok: bool
    failed: tuple[str, ...]
    reasons: tuple[str, ...]


def go_no_go(required: Mapping[str, float], measured: Mapping[str, float | None]) -> Decision:
    """Check each requirement: op_coverage and thermal_margin_c are lower limits, the others upper ones.

    A missing key, None and NaN are "not measured", and fail. Raises KeyError for an unknown requirement.
    """
    failed = {}
    for name, limit in required.items():
        if name not in UNITS:
            raise KeyError(f"required must hold {', '.join(sorted(UNITS))}, got {name!r}")
        value = measured.get(name)
        if value is None or value != value:
            failed[name] = f"{name}: not measured"
        elif not (value <= limit if name in AT_MOST else value >= limit):
            kind = "at most" if name in AT_MOST else "at least"
            failed[name] = f"{name}: {value:g}, {kind} {limit:g} {UNITS[name]}"
    names = sorted(failed)
    return Decision(not failed, tuple(names), tuple(failed[n] for n in names))


def decide(req: Mapping[str, float], meas: Mapping[str, float | None]) -> tuple[bool, list[str]]:
    """(all met, the failing keys in alphabetical order).

    >>> decide({"p99_ms": 30, "watts": 10, "op_coverage": 1.0}, {"p99_ms": 28, "watts": 10, "op_coverage": 0.97})
    (False, ['op_coverage'])
    """
    decision = go_no_go(req, meas)
    return decision.ok, list(decision.failed)
