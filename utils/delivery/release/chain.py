"""A deployment as a chain of hops, each with a contract; the first broken contract stops it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HopReport:
    """One hop: what it measured, and the contracts that it broke (sentences). `ran` is False behind a broken hop."""

    hop: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
    ran: bool = True

    @property
    def ok(self) -> bool:
        return self.ran and not self.violations


Hop = Callable[[dict], tuple[Mapping[str, Any], Sequence[str]]]


class DeploymentChain:
    """Hops by name, run in order over one dict of state; a hop returns (figures, violations)."""

    def __init__(self, hops: Mapping[str, Hop]) -> None:
        if not hops:
            raise ValueError("hops must not be empty")
        self.hops = dict(hops)
        self.reports: list[HopReport] = []

    def run(self, state: dict | None = None) -> list[HopReport]:
        """Run until the first violation; hops behind it are reported as not run. Errors of a hop pass through."""
        state, self.reports, stopped = {} if state is None else state, [], False
        for name, hop in self.hops.items():
            if stopped:
                self.reports.append(HopReport(name, ran=False))
                continue
            figures, violations = hop(state)
            self.reports.append(HopReport(name, dict(figures), tuple(violations)))
            stopped = bool(violations)
        return self.reports

    @property
    def ok(self) -> bool:
        """Whether every hop ran and kept its contract."""
        return bool(self.reports) and all(report.ok for report in self.reports)

    def to_table(self) -> list[tuple[str, str, str]]:
        """Rows (hop, verdict, what was measured or broken)."""
        rows = []
        for report in self.reports:
            verdict = "passed" if report.ok else "stopped" if report.ran else "not run"
            told = "; ".join(report.violations) or ", ".join(f"{k} {v}" for k, v in report.figures.items())
            rows.append((report.hop, verdict, told))
        return rows
