"""Exercise 17.shortlist: which platforms meet a need, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.hardware import chips

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Row, Need = dict[str, Any], dict[str, float]

SIX = [
    {"name": "AX650N", "headline": 72, "bits": 4, "sparse": False, "step_ratio": 4.0, "dram_gb_s": None, "watts": None},
    {"name": "Ascend 310", "headline": 16, "bits": 8, "sparse": False, "dram_gb_s": None, "watts": (8, 8)},
    {"name": "CV22", "headline": None, "bits": 8, "sparse": False, "dram_gb_s": None, "watts": None},
    {"name": "Hailo-8", "headline": 26, "bits": 8, "sparse": False, "dram_gb_s": None, "watts": (2.5, 2.5)},
    {"name": "Orin Nano", "headline": 67, "bits": 8, "sparse": True, "dram_gb_s": 102.4, "watts": (7, 25)},
    {"name": "RK3588", "headline": 6, "bits": 8, "sparse": False, "dram_gb_s": 33.792, "watts": None},
]
TABLE = [chips.plain_row(p) for p in chips.PLATFORMS.values()]


def _dense(r: Row) -> float:
    steps = {1: 3, 2: 2, 4: 1, 8: 0}[r["bits"]]
    return r["headline"] / (2 if r["sparse"] else 1) / r.get("step_ratio", 2.0) ** steps


def _top_watts(r: Row) -> float | None:
    return None if r["watts"] is None else r["watts"][1]


def _rank(r: Row) -> tuple:
    watts = _top_watts(r)
    return watts is None, 0.0 if watts is None else -_dense(r) / watts, r["name"]


def _limits(r: Row, need: Need, tops: Callable[[Row], float] = _dense, watts: Callable[[Row], float | None] = _top_watts) -> list[tuple]:
    """(value or None, limit, whether it is an upper limit) for each limit that is asked for."""
    values = {"min_tops": tops(r), "min_gb_s": r["dram_gb_s"], "max_watts": watts(r)}
    return [(values[key], need[key], key.startswith("max")) for key in values if key in need]


def _fits(limits: list[tuple], allow: bool, strict: bool = False) -> bool:
    for value, limit, upper in limits:
        if value is None:
            if not allow:
                return False
        elif (value > limit if upper else value < limit) or (strict and value == limit):
            return False
    return True


def _made(keep: Callable[[Row, Need, bool], bool] = lambda r, need, allow: _fits(_limits(r, need), allow),
          rank: Callable[[Row], Any] = _rank, reverse: bool = False) -> Callable:
    """An answer from a rule who stays and a rule of order; with its defaults it is right."""

    def answer(platforms: list[Row], need: Need, allow_unknown: bool = False) -> list[str]:
        left = [r for r in platforms if r["headline"] is not None and keep(r, need, allow_unknown)]
        return [r["name"] for r in sorted(left, key=rank, reverse=reverse)]

    return answer


def _none_is_zero(r: Row, need: Need, allow: bool) -> bool:
    return _fits([(value or 0, limit, upper) for value, limit, upper in _limits(r, need)], allow)


def _two_steps(r: Row) -> float:
    return r["headline"] / (2 if r["sparse"] else 1) / 2 ** {1: 3, 2: 2, 4: 1, 8: 0}[r["bits"]]


def _unsparse(r: Row) -> float:
    return _dense({**r, "sparse": False})


def _ranked_by(tops: Callable[[Row], float], watts: Callable[[Row], float | None] = _top_watts) -> Callable[[Row], tuple]:
    return lambda r: (watts(r) is None, 0.0 if watts(r) is None else -tops(r) / watts(r), r["name"])


def _headline(r: Row) -> float:
    return r["headline"]


def _low_watts(r: Row) -> float | None:
    return None if r["watts"] is None else r["watts"][0]


def _mid_watts(r: Row) -> float | None:
    return None if r["watts"] is None else (r["watts"][0] + r["watts"][1]) / 2


def _with_unpublished(platforms: list[Row], need: Need, allow_unknown: bool = False) -> list[str]:
    """Keeps rows without a headline at the very end when unknowns are allowed."""
    names = _made()(platforms, need, allow_unknown)
    if not allow_unknown:
        return names
    rest = [r for r in platforms if r["headline"] is None and _fits(_limits({**r, "headline": 1e9}, need), True)]
    known = [n for n in names if next(_top_watts(r) for r in platforms if r["name"] == n) is not None]
    return known + sorted([n for n in names if n not in known] + [r["name"] for r in rest])


# --- right answers ------------------------------------------------------------------------------


def _step_by_step(platforms: list[Row], need: Need, allow_unknown: bool = False) -> list[str]:
    found = []
    for row in platforms:
        if row["headline"] is None:
            continue
        tops, bits = float(row["headline"]), row["bits"]
        if row["sparse"]:
            tops /= 2
        while bits < 8:
            tops, bits = tops / row.get("step_ratio", 2.0), bits * 2
        watts = row["watts"][1] if row["watts"] is not None else None
        checks = []
        if "min_tops" in need:
            checks.append(tops >= need["min_tops"])
        if "min_gb_s" in need:
            checks.append(allow_unknown if row["dram_gb_s"] is None else row["dram_gb_s"] >= need["min_gb_s"])
        if "max_watts" in need:
            checks.append(allow_unknown if watts is None else watts <= need["max_watts"])
        if all(checks):
            found.append((float("inf") if watts is None else -(tops / watts), row["name"]))
    return [name for _, name in sorted(found)]


def _two_lists(platforms: list[Row], need: Need, allow_unknown: bool = False) -> list[str]:
    rows = [r for r in platforms if r["headline"] is not None and _fits(_limits(r, need), allow_unknown)]
    powered = {r["name"]: _dense(r) / _top_watts(r) for r in rows if r["watts"]}
    others = sorted(r["name"] for r in rows if not r["watts"])
    return sorted(sorted(powered), key=powered.get, reverse=True) + others


def _case(platforms: list[Row], need: Need, *allow: bool, label: str = "") -> Case:
    told = ", ".join([f"{len(platforms)} platforms", str(need), *map(str, allow)])
    return Case(platforms, need, *allow, label=label or told)


def _draw(rng: np.random.Generator) -> Case:
    rows = []
    for name in rng.permutation(list("ABCDEFGH"))[: rng.integers(3, 9)].tolist():
        watts = int(rng.choice([4, 8, 10, 16, 20]))
        row = {"name": name, "headline": None if rng.random() < 0.1 else int(rng.choice([4, 8, 16, 20, 32, 40, 64])),
               "bits": int(rng.choice([2, 4, 8], p=[0.1, 0.35, 0.55])), "sparse": bool(rng.random() < 0.35),
               "dram_gb_s": None if rng.random() < 0.25 else int(rng.choice([17, 34, 51, 102])),
               "watts": None if rng.random() < 0.25 else (watts // int(rng.choice([1, 2, 4])), watts)}
        rows.append({**row, "step_ratio": float(rng.choice([2, 4]))} if rng.random() < 0.5 else row)
    need = {"min_tops": int(rng.choice([4, 8, 10, 16])), "min_gb_s": int(rng.choice([17, 34, 51])), "max_watts": int(rng.choice([8, 10, 16, 20]))}
    asked = {key: value for key, value in need.items() if rng.random() < 0.6}
    return _case(rows, asked, bool(rng.random() < 0.5))


TWINS = [
    {"name": name, "headline": headline, "bits": 8, "sparse": False, "dram_gb_s": 34, "watts": watts}
    for name, headline, watts in (("B", 20, (5, 10)), ("C", 10, (1, 5)), ("A", 8, (4, 4)), ("E", 60, None), ("D", 2, None))
]

shortlist = Exercise(
    id="17.shortlist", points=7, difficulty=3, minutes=20, idea="normalise first, and treat unknown as unknown",
    reference=chips.shortlist,
    cases=[_case(SIX, {"min_tops": 15, "max_watts": 15}, label="the six, need min_tops 15, max_watts 15"),
           _case(SIX, {"min_tops": 15, "max_watts": 15}, True, label="the same, allow_unknown"),
           _case(SIX, {"min_gb_s": 30}, label="the six, need min_gb_s 30")],
    hidden=[_case(TABLE, {"min_tops": 15, "max_watts": 15}), _case(TABLE, {"min_tops": 15, "max_watts": 15}, True), _case(SIX, {}), _case(SIX, {}, True),
            _case([], {"min_tops": 1}), _case(SIX, {"min_tops": 16, "max_watts": 8}), _case(SIX, {"min_tops": 33.5, "max_watts": 25, "min_gb_s": 102.4}),
            _case(SIX, {"min_tops": 100}, True), _case(TWINS, {}), _case(TWINS, {"max_watts": 10}, True), _case(TWINS, {"max_watts": 5})],
    draw=_draw, draws=60, compare=exact(), pure=True,
    misconceptions=[
        Misconception(
            "filters_on_headline", _made(lambda r, need, allow: _fits(_limits(r, need, _headline), allow)),
            "You compare the headline with `min_tops`. Normalise it to dense INT8 first: 72 TOPS at INT4 and 67 sparse ones are not 72 and 67.",
            "Normalise before you compare.",
            also=[_made(lambda r, need, allow: _fits(_limits(r, need, _headline), allow), _ranked_by(_headline))]),
        Misconception(
            "ranks_by_headline", _made(rank=_ranked_by(_headline)),
            "The right platforms, in the order of their headlines per watt. The order is by dense INT8 TOPS too.",
            "Normalise for the order too."),
        Misconception(
            "sparse_forgotten", _made(lambda r, need, allow: _fits(_limits(r, need, _unsparse), allow), _ranked_by(_unsparse)),
            "Sparse headlines stay whole in your comparison. Half of their operations are zeros.",
            "Zeros count as work here."),
        Misconception(
            "step_of_two", _made(lambda r, need, allow: _fits(_limits(r, need, _two_steps), allow), _ranked_by(_two_steps)),
            "You convert 4 to 8 bits by a factor of 2 for every chip. A row may state its own `step_ratio`: 4 for AX650N.",
            "Not every step is 2."),
        Misconception(
            "none_is_zero", _made(_none_is_zero),
            "You read None as 0. A power that nobody states is not 0 W, and passes no limit. It is unknown, and fails unless `allow_unknown`.",
            "Unknown is not zero."),
        Misconception(
            "lowest_power_mode", _made(lambda r, need, allow: _fits(_limits(r, need, watts=_low_watts), allow), _ranked_by(_dense, _low_watts)),
            "You use the lowest power mode. The peak TOPS belong to the highest one: at 7 W no Orin Nano reaches its headline.",
            "Peak goes with peak power.",
            also=[_made(lambda r, need, allow: _fits(_limits(r, need, watts=_low_watts), allow)), _made(rank=_ranked_by(_dense, _low_watts)),
                  _made(lambda r, need, allow: _fits(_limits(r, need, watts=_mid_watts), allow), _ranked_by(_dense, _mid_watts))]),
        Misconception(
            "unknown_vanish", _made(lambda r, need, allow: _fits(_limits(r, need), False)),
            "With `allow_unknown` your list is the same as without. Then a limit whose value is None does not count against a platform.",
            "`allow_unknown` has no effect.",
            also=[_made(lambda r, need, allow: _fits(_limits(r, need), allow) and r["watts"] is not None)]),
        Misconception(
            "always_allowed", _made(lambda r, need, allow: _fits(_limits(r, need), True)),
            "Platforms with unknown values pass without `allow_unknown`. A limit that can't be checked is not met.",
            "Unknown passes."),
        Misconception(
            "unknown_pass_everything", _made(lambda r, need, allow: _fits(_limits(r, need), allow)
                                             or (allow and any(v is None for v, _, _ in _limits(r, need)))),
            "With `allow_unknown`, a platform with one unknown value passes everything. The values that are known still have to meet their limits.",
            "Known limits still count."),
        Misconception(
            "asks_for_all", _made(lambda r, need, allow: _fits(_limits(r, need), allow) and (allow or None not in (r["dram_gb_s"], r["watts"]))),
            "A platform fails for a None that nobody asked about. Only values that `need` names are looked at.",
            "Not asked, not needed."),
        Misconception(
            "limits_excluded", _made(lambda r, need, allow: _fits(_limits(r, need), allow, strict=True)),
            "A platform exactly at a limit fails here. Limits are inclusive: 8 W meets at most 8 W.",
            "Limits are inclusive."),
        Misconception(
            "unknown_first", _made(rank=lambda r: (not _rank(r)[0], *_rank(r)[1:])),
            "Platforms of unknown power come first in your list. They belong to the end: nothing is known about their efficiency.",
            "Unknown power goes last."),
        Misconception(
            "worst_first", _made(rank=lambda r: (_rank(r)[0], -_rank(r)[1], r["name"])),
            "The least efficient platform comes first. The order is falling: most TOPS per watt first.",
            "Best first."),
        Misconception(
            "by_tops", _made(rank=lambda r: (r["watts"] is None, -_dense(r), r["name"])),
            "You sort by TOPS. Asked are dense TOPS per watt, at the highest power mode.",
            "Per watt."),
        Misconception(
            "alphabetical", _made(rank=lambda r: r["name"]),
            "You sort by name. Names decide between equals only; first comes the efficiency.",
            "Efficiency first."),
        Misconception(
            "input_order", _made(rank=lambda r: 0),
            "The right platforms, in the order of the input. Sort them by dense TOPS per watt.",
            "Not sorted."),
        Misconception(
            "ties_in_input_order", _made(rank=lambda r: _rank(r)[:2]),
            "Where platforms are equal, or have no known power, yours stay in the order of the input. Sort them by name.",
            "Equals go by name.", also=[_made(rank=lambda r: (_rank(r)[0], _dense(r) if _rank(r)[0] else _rank(r)[1], r["name"])),
                                        _made(rank=lambda r: (_rank(r)[0], -_dense(r) if _rank(r)[0] else _rank(r)[1], r["name"]))]),
        Misconception(
            "unpublished_kept", _with_unpublished,
            "A platform without a headline is in your list. It can't be compared at all, so it is left out, also with `allow_unknown`.",
            "No headline, no comparison."),
    ],
    alternatives=[_made(), _step_by_step, _two_lists],
    hints=(
        "First make a list of what you need of each platform: dense INT8 TOPS, GB/s, highest watts, each perhaps None.",
        "For each limit in `need`: None fails unless allow_unknown, anything else is compared.",
        "`sorted` compares tuples: (power unknown?, minus TOPS per watt, name).",
    ),
    worth_knowing="A shortlist from a brochure would have had AX650N and the Orin Nano on top, with 72 and 67.",
)
