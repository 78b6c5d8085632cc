"""From requirements to a short list: what drops out and why, and in which order the rest is tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from utils.engines.frameworks.catalogue import CATALOGUE, EngineInfo


def shortlist(catalogue: list[dict], need: dict) -> list[str]:
    """Names of the engines that meet `need`, most preferences met first, then the newest commit, then the name.

    Rows hold "name" and, where known, the lists "hardware", "formats", "precision", "tags", the text "licence" and
    "last_commit" ("2026-7-1", zero-padded or not, or None). Keys of `need`, each absent or empty for no demand:
    "hardware" (all of them), "formats" and "precision" (one of them is enough), "licences" (the allowed ones),
    "max_idle_days" with "today" (a text like "last_commit"), "prefer" (tags). Without a date a row counts as idle
    and as oldest.
    """
    kept = [row for row in catalogue if not _reasons(row, need)]
    wishes = set(need.get("prefer") or ())
    return [row["name"] for row in sorted(kept, key=lambda row: (
        -len(wishes & set(row.get("tags") or ())), -_day(row.get("last_commit")).toordinal(), row["name"]))]


def _day(text: str | None) -> date:
    return date(*map(int, text.split("-"))) if text else date.min


def _reasons(row: dict, need: dict) -> list[str]:
    def has(key: str) -> set[str]:
        return set(row.get(key) or ())

    def asked(key: str) -> Iterable[str]:
        return need.get(key) or ()

    reasons = [f"does not run on {name}" for name in sorted(set(asked("hardware")) - has("hardware"))]
    for key in ("formats", "precision"):
        if asked(key) and not has(key) & set(asked(key)):
            reasons.append(f"none of the {key} {', '.join(sorted(asked(key)))}")
    if asked("licences") and row.get("licence") not in need["licences"]:
        reasons.append(f"licence {row.get('licence') or 'unknown'}")
    limit = need.get("max_idle_days")
    if limit is not None:
        last = _day(row.get("last_commit"))
        if last == date.min:
            reasons.append("date of the last commit unknown")
        elif (idle := (_day(need["today"]) - last).days) > limit:
            reasons.append(f"idle for {idle} days")
    return reasons


@dataclass(frozen=True)
class Requirements:
    """What a deployment asks of an engine; an empty field asks for nothing."""

    hardware: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    precision: frozenset[str] = frozenset()
    licences: frozenset[str] = frozenset()
    max_idle_days: int | None = None
    today: date = field(default_factory=date.today)
    prefer: frozenset[str] = frozenset()

    def as_need(self) -> dict:
        """The requirements as `shortlist` takes them."""
        sets = {key: sorted(getattr(self, key)) for key in ("hardware", "formats", "precision", "licences", "prefer")}
        return {**sets, "max_idle_days": self.max_idle_days, "today": self.today.isoformat()}


def select(
    requirements: Requirements, catalogue: Sequence[EngineInfo] = CATALOGUE
) -> list[tuple[EngineInfo, list[str]]]:
    """Every engine with the reasons against it: first those without any, ranked by `shortlist`, then the others.

    >>> [info.name for info, why in select(Requirements(hardware=frozenset({"apple-npu"}))) if not why]
    ['ONNX Runtime', 'Core ML', 'ExecuTorch']
    """
    need, infos = requirements.as_need(), {info.name: info for info in catalogue}
    fits = shortlist([info.as_row() for info in catalogue], need)
    out = [(info, _reasons(info.as_row(), need)) for info in catalogue if info.name not in fits]
    return [(infos[name], []) for name in fits] + out
