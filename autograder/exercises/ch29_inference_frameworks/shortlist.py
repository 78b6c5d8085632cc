"""Exercise 29.shortlist: requirements against a dated table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np

from utils.engines import frameworks

from ...exercise import Case, Exercise, Misconception


def _day(text: str) -> date:
    return date(*map(int, text.split("-")))


def _all(wanted: list, has: list) -> bool:
    return set(wanted) <= set(has)


def _any(wanted: list, has: list) -> bool:
    return bool(set(wanted) & set(has))


def _idle_by_date(last: str | None, today: str, limit: int) -> bool:
    return last is None or (_day(today) - _day(last)).days > limit


def _newest(row: dict) -> Any:
    last = row.get("last_commit")
    return -_day(last).toordinal() if last else 0


def _choice(*, hardware: Callable = _all, formats: Callable = _any, precision: Callable = _any, missing: bool = False, empty_demands: bool = False,
            idle: Callable = _idle_by_date, newest: Callable = _newest, zero_is_none: bool = False,
            order: Callable[[int, Any, str], Any] = lambda met, day, name: (-met, day, name), prefers: Callable = lambda met, wishes: True) -> Callable:
    """An answer from its rules; with its defaults it is right."""

    def answer(catalogue: list[dict], need: dict) -> list[str]:
        def fits(row: dict) -> bool:
            for key, rule in (("hardware", hardware), ("formats", formats), ("precision", precision)):
                if key in need and (need[key] or (empty_demands and need[key] is not None)):
                    if key not in row and missing:
                        continue
                    if not rule(need[key], row.get(key, [])):
                        return False
            if need.get("licences") and not (missing and "licence" not in row) and row.get("licence") not in need["licences"]:
                return False
            limit = need.get("max_idle_days")
            if limit is not None and not (zero_is_none and limit == 0):
                return not idle(row.get("last_commit"), need["today"], limit)
            return True

        def met(row: dict) -> int:
            return len(set(need.get("prefer") or []) & set(row.get("tags", [])))

        rows = [row for row in catalogue if fits(row) and prefers(met(row), need.get("prefer") or [])]
        return [row["name"] for row in sorted(rows, key=lambda row: order(met(row), newest(row), row["name"]))]

    return answer


def _idle_by_text(last: str | None, today: str, limit: int) -> bool:
    """Dates compared as text, with the limit taken off the year."""
    year, rest = today.split("-", 1)
    return last is None or last < f"{int(year) - max(limit // 365, 0)}-{rest}"


class _Down(str):
    """Text that sorts the other way round."""

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def _newest_text(row: dict) -> Any:
    return _Down(row.get("last_commit") or "")


def _idle_by_months(last: str | None, today: str, limit: int) -> bool:
    def days(text: str) -> int:
        y, m, d = map(int, text.split("-"))
        return 365 * y + 30 * m + d

    return last is None or days(today) - days(last) > limit


def _by_steps(catalogue: list[dict], need: dict) -> list[str]:
    """Sorts three times, the least important key first."""
    rows = []
    for row in catalogue:
        if not set(need.get("hardware") or []).issubset(row.get("hardware") or []):
            continue
        if any(need.get(key) and set(need[key]).isdisjoint(row.get(key) or []) for key in ("formats", "precision")):
            continue
        if need.get("licences") and row.get("licence", "") not in need["licences"]:
            continue
        last = row.get("last_commit")
        if need.get("max_idle_days") is not None:
            if not last:
                continue
            age = datetime.strptime(need["today"], "%Y-%m-%d") - datetime.strptime(last, "%Y-%m-%d")
            if age.days > need["max_idle_days"]:
                continue
        rows.append(row)
    rows.sort(key=lambda row: row["name"])
    rows.sort(key=lambda row: tuple(map(int, (row.get("last_commit") or "0-0-0").split("-"))), reverse=True)
    rows.sort(key=lambda row: sum(tag in row.get("tags", []) for tag in need.get("prefer") or []), reverse=True)
    return [row["name"] for row in rows]


def _row(name: str, hardware: str, formats: str, precision: str, licence: str, last: str | None, tags: str = "") -> dict:
    return {"name": name, "hardware": hardware.split(), "formats": formats.split(), "precision": precision.split(), "licence": licence, "last_commit": last,
            "tags": tags.split()}


_FOUR = [
    _row("Tengine", "arm", "tmfile", "fp32 fp16", "Apache-2.0", "2023-5-18", "mobile small"), _row("ncnn", "arm x86 vulkan", "ncnn", "fp32 fp16 int8", "BSD-3", "2026-7-22", "mobile small"),
    _row("OpenVINO", "x86 arm", "onnx ir", "fp32 int8", "Apache-2.0", "2026-9-4", "server"), _row("TensorRT", "nvidia", "onnx plan", "fp32 fp16 int8", "proprietary", "2026-11-18", "server"),
]
_NEED = {"hardware": ["arm"], "precision": ["fp16"], "max_idle_days": 365, "today": "2026-11-22"}
_DATES = [_row(name, "arm", "onnx", "fp32", "MIT", last) for name, last in (
    ("A", "2026-7-1"), ("B", "2026-10-2"), ("C", "2025-11-23"), ("D", "2025-11-22"), ("E", "2025-11-21"), ("F", None), ("G", "2026-07-01"), ("H", "2024-2-29"))]
_BARE = [{"name": "bare"}, {"name": "dated", "last_commit": "2026-1-5"}, {"name": "tagged", "tags": ["small"], "hardware": ["arm"]},
         {"name": "none", "last_commit": None, "licence": "MIT"}, _row("full", "arm x86", "onnx", "fp16", "MIT", "2020-1-1", "small")]
_HARDWARE, _FORMATS, _PRECISION, _TAGS = ["arm", "x86", "gpu", "npu"], ["onnx", "tflite", "ncnn"], ["fp32", "fp16", "int8"], ["small", "mobile", "server", "python"]
_LICENCES = ["MIT", "Apache-2.0", "BSD-3", "proprietary"]


def _some(rng: np.random.Generator, words: list[str], p: float) -> list[str]:
    return [w for w in rng.permutation(words).tolist() if rng.random() < p]


def _date(rng: np.random.Generator) -> str | None:
    if rng.random() < 0.12:
        return None
    y, m, d = int(rng.integers(2024, 2027)), int(rng.integers(1, 12)), int(rng.integers(1, 29))
    return f"{y}-{m:02d}-{d:02d}" if rng.random() < 0.5 else f"{y}-{m}-{d}"


def _draw(rng: np.random.Generator) -> Case:
    names = rng.permutation([f"engine {c}" for c in "ABCDEFGHIJ"])[: int(rng.integers(2, 11))].tolist()
    shared = _date(rng)
    table = []
    for name in names:
        row = {"name": name, "hardware": _some(rng, _HARDWARE, 0.7), "formats": _some(rng, _FORMATS, 0.6), "precision": _some(rng, _PRECISION, 0.6),
               "licence": str(rng.choice(_LICENCES)), "last_commit": shared if rng.random() < 0.25 else _date(rng), "tags": _some(rng, _TAGS, 0.5)}
        table.append({key: value for key, value in row.items() if key == "name" or rng.random() < 0.92})
    need = {"hardware": _some(rng, _HARDWARE, 0.25), "formats": _some(rng, _FORMATS, 0.5), "precision": _some(rng, _PRECISION, 0.5),
            "licences": _some(rng, _LICENCES, 0.6), "max_idle_days": int(rng.choice([90, 200, 365, 500, 730])), "prefer": _some(rng, _TAGS, 0.5)}
    need = {key: value for key, value in need.items() if rng.random() < 0.55}
    return Case(table, {**need, "today": "2026-11-22"}, label=f"{len(table)} drawn engines, need {need}")


shortlist = Exercise(
    id="29.shortlist", points=3, difficulty=2, minutes=15, idea="demands drop, preferences rank, dates are not text",
    reference=frameworks.shortlist,
    cases=[Case(_FOUR, _NEED, label="the table and the need of the text"), Case(_FOUR, {"prefer": ["mobile"]}, label="the same table, need {\"prefer\": [\"mobile\"]}")],
    hidden=[
        Case(_FOUR, {}, label="the table of the text, no need"), Case([], _NEED, label="an empty table"), Case(_BARE, {}, label="rows with missing fields, no need"),
        Case(_BARE, {"hardware": ["arm"]}, label="missing fields, hardware arm"), Case(_BARE, {"licences": ["MIT"]}, label="missing fields, licence MIT"),
        Case(_BARE, {"precision": ["fp16", "int8"], "formats": ["onnx", "tflite"]}, label="missing fields, formats and precision"),
        Case(_BARE, {"prefer": ["small"]}, label="missing fields, prefer small"), Case(_BARE, {"max_idle_days": 5000, "today": "2026-11-22"}, label="missing fields, 5000 days"),
        Case(_DATES, {"max_idle_days": 365, "today": "2026-11-22"}, label="dates around 365 days"), Case(_DATES, {}, label="dates in both spellings, no need"),
        Case(_DATES, {"max_idle_days": 0, "today": "2026-10-2"}, label="at most 0 days"), Case(_DATES, {"max_idle_days": 995, "today": "2026-11-22"}, label="at most 995 days"),
        Case(_DATES, {"max_idle_days": 997, "today": "2026-11-22"}, label="at most 997 days"),
        Case(_FOUR, {"hardware": [], "formats": [], "precision": [], "licences": [], "prefer": [], "max_idle_days": None}, label="the table of the text, all needs empty"),
        Case(_FOUR, {"hardware": ["arm", "x86"], "prefer": ["server", "mobile"]}, label="the table of the text, two kinds of hardware"),
        Case(_FOUR, {"formats": ["onnx", "ncnn"], "prefer": ["small", "mobile", "server"]}, label="the table of the text, two formats and three wishes"),
        Case(_FOUR, {"licences": ["Apache-2.0", "MIT"]}, label="the table of the text, two licences"),
    ],
    draw=_draw, draws=60,
    misconceptions=[
        Misconception(
            "any_hardware", _choice(hardware=_any),
            "One kind of the demanded hardware is enough in your answer. The engine has to run on all of them.",
            "All of the hardware is demanded."),
        Misconception(
            "all_formats", _choice(formats=_all, precision=_all),
            "You demand every format, or every precision. One that you can use is enough.",
            "One format is enough.", also=(_choice(formats=_all), _choice(precision=_all))),
        Misconception(
            "dates_as_text", _choice(idle=_idle_by_text, newest=_newest_text),
            "You compare dates as text. \"2026-7-1\" comes after \"2026-10-2\" there, as \"7\" is greater than \"1\". Make dates of them.",
            "Dates are not text.", also=(_choice(newest=_newest_text), _choice(idle=_idle_by_text))),
        Misconception(
            "months_of_30_days", _choice(idle=_idle_by_months),
            "You count 30 days to every month. Let `date` subtract: it knows the months and the leap years.",
            "Months have different lengths."),
        Misconception(
            "missing_matches", _choice(missing=True),
            "A row without a field passes your test. What is not stated is not there: treat it as empty.",
            "Missing is not a match."),
        Misconception(
            "unknown_date_passes", _choice(idle=lambda last, today, limit: last is not None and _idle_by_date(last, today, limit)),
            "An engine without a date passes your limit. Who does not know the last commit has to take the project for idle.",
            "No date counts as idle."),
        Misconception(
            "limit_itself", _choice(idle=lambda last, today, limit: last is None or (_day(today) - _day(last)).days >= limit),
            "A commit exactly `max_idle_days` ago is still allowed. Only more days than that are too many.",
            "The limit itself is allowed."),
        Misconception(
            "zero_demands_nothing", _choice(zero_is_none=True),
            "You treat `max_idle_days` 0 as if it were absent. It is a demand, the strictest one; only None or an absent key demands nothing.",
            "Zero is a demand."),
        Misconception(
            "name_first", _choice(order=lambda met, day, name: name),
            "You rank by name. The name decides only between rows that are equal in everything else.",
            "The name comes last.", also=(_choice(order=lambda met, day, name: (-met, name, day)),)),
        Misconception(
            "date_first", _choice(order=lambda met, day, name: (day, -met, name)),
            "You rank by date before you look at the preferences. More preferences met come first.",
            "Preferences come before the date."),
        Misconception(
            "oldest_first", _choice(order=lambda met, day, name: (-met, -day, name)),
            "Among equals the oldest comes first in your list. The newest commit is wanted in front.",
            "The oldest comes first."),
        Misconception(
            "fewest_first", _choice(order=lambda met, day, name: (met, day, name)),
            "The engines that meet the fewest preferences come first. It is the other way round.",
            "The ranking is upside down."),
        Misconception(
            "wish_is_demand", _choice(prefers=lambda met, wishes: not wishes or met > 0),
            "You drop engines that meet no preference. A preference ranks, it does not exclude.",
            "A wish is not a demand.", also=(_choice(prefers=lambda met, wishes: met == len(wishes)),)),
        Misconception(
            "empty_demands", _choice(empty_demands=True),
            "An empty list drops rows in your answer. An empty or absent need demands nothing.",
            "An empty need demands nothing."),
    ],
    alternatives=[_choice(), _by_steps],
    hints=(
        "`row.get(\"hardware\", [])` treats a missing field as empty; `need.get(\"hardware\")` is None when nothing is demanded.",
        "Turn \"2026-7-1\" into a `date`: split at the hyphens and make integers of the parts. Two dates have a difference in days.",
        "Sort by a tuple of three: what must be negative, so that more preferences and newer dates come first?",
    ),
    worth_knowing="Of the seven engines that the source names, one has had no commit since 2023. A date in the table is what showed it.",
)
