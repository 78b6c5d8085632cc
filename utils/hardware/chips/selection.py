"""From a table to a shortlist: limits, what is unknown, and the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.cost.edge_metrics import pareto_front, pareto_unknown
from utils.hardware.chips.platform import Platform, dense_equiv

NEEDS = ("min_tops", "min_gb_s", "max_watts")


@dataclass(frozen=True)
class Verdict:
    """Whether a platform meets a need: its dense INT8 TOPS and highest watts, limits it breaks, limits not known."""

    name: str
    ok: bool
    tops: float
    watts: float | None
    failed: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def rank(self) -> tuple[bool, float, str]:
        """Sorts by TOPS per watt, falling; unknown power last; then by name."""
        return self.watts is None, -self.tops / self.watts if self.watts else 0.0, self.name


def plain_row(p: Platform) -> dict[str, Any]:
    """A platform as a dict: name, headline, bits, sparse, step_ratio, dram_gb_s and watts."""
    return {"name": p.name, "headline": p.headline_tops, "bits": p.bits, "sparse": p.sparse,
            "step_ratio": p.step_ratio, "dram_gb_s": p.mem_gb_s, "watts": p.watts}


def verdicts(platforms: Iterable[Mapping[str, Any]], need: Mapping[str, float],
             allow_unknown: bool = False) -> list[Verdict]:
    """A verdict for each platform (as `plain_row` makes them) that has a headline, in input order.

    need: min_tops (dense INT8), min_gb_s, max_watts, each optional; limits are inclusive. max_watts is compared with
    the highest power mode, to which the peak belongs. A value that is None while a need asks for it counts as unknown,
    which is not ok unless `allow_unknown`. Raises ValueError for a need of another name.
    """
    other = set(need).difference(NEEDS)
    if other:
        raise ValueError(f"need must have keys of {', '.join(NEEDS)}, got {', '.join(sorted(other))}")
    return [_verdict(p, need, allow_unknown) for p in platforms if p["headline"] is not None]


def _verdict(p: Mapping[str, Any], need: Mapping[str, float], allow_unknown: bool) -> Verdict:
    tops = dense_equiv(p["headline"], p["bits"], p["sparse"], 8, p.get("step_ratio", 2.0))
    watts = None if p["watts"] is None else p["watts"][1]
    values = {"min_tops": tops, "min_gb_s": p["dram_gb_s"], "max_watts": watts}
    unknown = tuple(key for key in NEEDS if key in need and values[key] is None)
    failed = tuple(key for key in NEEDS if key in need and values[key] is not None
                   and (values[key] > need[key] if key.startswith("max") else values[key] < need[key]))
    return Verdict(p["name"], not failed and (allow_unknown or not unknown), tops, watts, failed, unknown)


def shortlist(platforms: list[dict], need: dict, allow_unknown: bool = False) -> list[str]:
    """Names of the platforms that meet the need: best dense INT8 TOPS per watt first, unknown power last."""
    fit = [v for v in verdicts(platforms, need, allow_unknown) if v.ok]
    return [v.name for v in sorted(fit, key=lambda v: v.rank)]


def platform_front(rows: Sequence[Mapping[str, float | None]], *, maximize: Sequence[str] = (),
                   minimize: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """(names on the Pareto front, names left out because a metric is unknown), both in input order."""
    front = [rows[i]["name"] for i in pareto_front(rows, maximize=maximize, minimize=minimize)]
    return front, [rows[i]["name"] for i in pareto_unknown(rows, maximize=maximize, minimize=minimize)]
