"""The forms of a deployment, and the choice between them: hard limits first, then the month's cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from utils.delivery.placement.costs import Tariff
from utils.delivery.placement.deadline import deadline_hit_rate


@dataclass(frozen=True)
class Link:
    """The way to a form that does not run where the data arise: uplink in Mb/s, round trip as median and p99 in ms."""

    uplink_mbps: float
    rtt_p50_ms: float
    rtt_p99_ms: float


@dataclass(frozen=True)
class Form:
    """One way to deploy a model.

    infer_ms: compute of one request on both sides together. link: None when nothing is sent. payload_share: what part
    of the input's bytes is sent. raw_data_leaves: whether the input itself leaves the device or the site. energy_j:
    what one request takes from the device's battery.
    """

    name: str
    infer_ms: float
    tariff: Tariff
    link: Link | None = None
    payload_share: float = 1.0
    raw_data_leaves: bool = False
    energy_j: float = 0.0

    @property
    def offline(self) -> bool:
        """Whether it works without any network."""
        return self.link is None


@dataclass(frozen=True)
class Workload:
    """What a product needs; the hit rate is the share of requests that have to meet the deadline."""

    payload_bytes: float
    deadline_ms: float
    min_hit_rate: float
    monthly_requests: int
    offline: bool = False
    raw_data_may_leave: bool = True
    max_energy_j: float = float("inf")


@dataclass(frozen=True)
class Verdict:
    """A form under a workload: computed numbers, and the limits that it breaks (none: it may be chosen)."""

    name: str
    hit_rate: float
    monthly_cost: float
    usd_per_million: float
    energy_j: float
    broken: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return {"name": self.name, "hit_rate": self.hit_rate, "monthly_cost": self.monthly_cost,
                "usd_per_million": self.usd_per_million, "energy_j": self.energy_j, "broken": list(self.broken)}


def form_hit_rate(form: Form, workload: Workload) -> float:
    """Share of requests within the deadline. Without a link the time is fixed: all of them or none."""
    if form.link is None:
        return float(form.infer_ms <= workload.deadline_ms)
    link = form.link
    return deadline_hit_rate(workload.payload_bytes * form.payload_share, link.uplink_mbps, form.infer_ms,
                             link.rtt_p50_ms, link.rtt_p99_ms, workload.deadline_ms)


def evaluate_form(form: Form, workload: Workload) -> Verdict:
    """The numbers of one form and the limits that it breaks, in the order offline, data, deadline, energy."""
    rate = form_hit_rate(form, workload)
    cost = form.tariff.monthly(workload.monthly_requests)
    broken = {
        "needs a network": workload.offline and not form.offline,
        "raw data leaves": form.raw_data_leaves and not workload.raw_data_may_leave,
        f"{rate:.1%} within {workload.deadline_ms:g} ms": rate < workload.min_hit_rate,
        f"{form.energy_j:g} J a request": form.energy_j > workload.max_energy_j,
    }
    million = cost / workload.monthly_requests * 1e6 if workload.monthly_requests else 0.0
    reasons = tuple(reason for reason, hit in broken.items() if hit)
    return Verdict(form.name, rate, cost, million, form.energy_j, reasons)


def choose_form(forms: Sequence[Form], workload: Workload) -> tuple[str | None, dict[str, list[str]]]:
    """(name, rejected): the cheapest form a month that breaks no limit, or None, and why each rejected one fell.

    Among equals the first. Price can't buy back a broken limit.
    """
    verdicts = [evaluate_form(form, workload) for form in forms]
    left = [v for v in verdicts if not v.broken]
    best = min(left, key=lambda v: v.monthly_cost).name if left else None
    return best, {v.name: list(v.broken) for v in verdicts if v.broken}
