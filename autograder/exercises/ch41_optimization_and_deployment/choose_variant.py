"""Exercise 41.choose_variant: the most accurate variant among those that break no limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.delivery import tradeoff

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

THREE = [{"name": "A", "accuracy": 0.9722, "p50_ms": 0.094, "p95_ms": 0.197, "bytes": 1_162_000},
         {"name": "B", "accuracy": 0.963, "p50_ms": 0.021, "p95_ms": 0.046, "bytes": 340_000},
         {"name": "C", "accuracy": 0.9611, "p50_ms": 0.012, "p95_ms": 0.014, "bytes": 5_000}]
Rank = Callable[[dict], tuple]


def _limit(target: dict, name: str, otherwise: float) -> float:
    value = target.get(name)
    return otherwise if value is None else value


def _fits(v: dict, target: dict, latency: str = "p95_ms") -> bool:
    return (v[latency] <= _limit(target, "max_p95_ms", math.inf) and v["bytes"] <= _limit(target, "max_bytes", math.inf)
            and v["accuracy"] >= _limit(target, "min_accuracy", -math.inf))


def _rank(v: dict) -> tuple:
    return -v["accuracy"], v["p95_ms"], v["bytes"]


def _chosen(fits: Callable[[dict, dict], bool] = _fits, rank: Rank = _rank,
            otherwise: Callable[[list[dict], dict], str | None] = lambda variants, target: None) -> Callable:
    """An answer with a rule for what fits, one for the order, and one for when nothing fits."""

    def answer(variants: list[dict], target: dict) -> str | None:
        left = [v for v in variants if fits(v, target)]
        return min(left, key=rank)["name"] if left else otherwise(variants, target)

    return answer


def _score(v: dict) -> float:
    return v["accuracy"] - v["p95_ms"] - v["bytes"] / 1e7


def _best_score(variants: list[dict], target: dict) -> str | None:
    return max(variants, key=_score)["name"] if variants else None


def _penalised(variants: list[dict], target: dict) -> str | None:
    """Every broken limit costs in proportion to its excess."""
    def value(v: dict) -> float:
        over = max(0, v["p95_ms"] / _limit(target, "max_p95_ms", math.inf) - 1) + max(0, v["bytes"] / _limit(target, "max_bytes", math.inf) - 1)
        return v["accuracy"] - 0.01 * over - max(0, _limit(target, "min_accuracy", 0) - v["accuracy"])

    return max(variants, key=value)["name"] if variants else None


def _name_of(pick: Callable[[list[dict], dict], dict]) -> Callable[[list[dict], dict], str | None]:
    return lambda variants, target: pick(variants, target)["name"] if variants else None


def _exclusive(v: dict, target: dict) -> bool:
    return (v["p95_ms"] < _limit(target, "max_p95_ms", math.inf) and v["bytes"] < _limit(target, "max_bytes", math.inf)
            and v["accuracy"] > _limit(target, "min_accuracy", -math.inf))


def _keys_must_be_there(v: dict, target: dict) -> bool:
    return v["p95_ms"] <= target["max_p95_ms"] and v["bytes"] <= target["max_bytes"] and v["accuracy"] >= target["min_accuracy"]


def _none_is_compared(v: dict, target: dict) -> bool:
    return (v["p95_ms"] <= target.get("max_p95_ms", math.inf) and v["bytes"] <= target.get("max_bytes", math.inf)
            and v["accuracy"] >= target.get("min_accuracy", 0))


def _p95_alone(v: dict, target: dict) -> bool:
    """Looks at one limit, and trips over None."""
    return v["p95_ms"] <= target.get("max_p95_ms", math.inf)


def _zero_if_missing(v: dict, target: dict) -> bool:
    return (v["p95_ms"] <= (target.get("max_p95_ms") or 0) and v["bytes"] <= (target.get("max_bytes") or 0)
            and v["accuracy"] >= (target.get("min_accuracy") or 0))


def _only(*names: str) -> Callable[[dict, dict], bool]:
    return lambda v, target: _fits(v, {name: target.get(name) for name in names})


def _any_limit(v: dict, target: dict) -> bool:
    """One limit kept is enough."""
    given = [(name, value) for name, value in target.items() if value is not None]
    return not given or any(_fits(v, {name: value}) for name, value in given)


def _last_of_equals(variants: list[dict], target: dict) -> str | None:
    return _chosen()(variants[::-1], target)


def _the_dict(variants: list[dict], target: dict) -> dict | None:
    left = [v for v in variants if _fits(v, target)]
    return min(left, key=_rank) if left else None


# --- right answers ------------------------------------------------------------------------------


def _with_loop(variants: list[dict], target: dict) -> str | None:
    best = None
    for v in variants:
        if target.get("max_p95_ms") is not None and v["p95_ms"] > target["max_p95_ms"]:
            continue
        if target.get("max_bytes") is not None and v["bytes"] > target["max_bytes"]:
            continue
        if target.get("min_accuracy") is not None and v["accuracy"] < target["min_accuracy"]:
            continue
        if best is None or (v["accuracy"], -v["p95_ms"], -v["bytes"]) > (best["accuracy"], -best["p95_ms"], -best["bytes"]):
            best = v
    return best and best["name"]


def _stable_sorts(variants: list[dict], target: dict) -> str | None:
    left = sorted((v for v in variants if _fits(v, target)), key=lambda v: v["bytes"])
    left.sort(key=lambda v: v["p95_ms"])
    left.sort(key=lambda v: v["accuracy"], reverse=True)
    return left[0]["name"] if left else None


def _with_max(variants: list[dict], target: dict) -> str | None:
    checks = {"max_p95_ms": lambda v, limit: v["p95_ms"] <= limit, "max_bytes": lambda v, limit: v["bytes"] <= limit,
              "min_accuracy": lambda v, limit: v["accuracy"] >= limit}
    left = [v for v in variants if all(target.get(k) is None or check(v, target[k]) for k, check in checks.items())]
    return max(left, key=lambda v: (v["accuracy"], -v["p95_ms"], -v["bytes"]), default={"name": None})["name"]


def _v(name: str, accuracy: float, p50: float, p95: float, size: int) -> dict:
    return {"name": name, "accuracy": accuracy, "p50_ms": p50, "p95_ms": p95, "bytes": size}


TIED = [_v("slow", 0.96, 1, 9, 100), _v("big", 0.96, 2, 5, 300), _v("small", 0.96, 3, 5, 200), _v("twin", 0.96, 2, 5, 200),
        _v("worse", 0.95, 1, 1, 1)]


def _draw(rng: np.random.Generator) -> Case:
    """Few values, so that ties are common, and limits that are often met exactly. p50 and p95 are in another order."""
    n = int(rng.integers(1, 7))
    variants = []
    for i in range(n):
        p95 = int(rng.integers(2, 7)) / 4
        variants.append(_v(f"v{i}", int(rng.integers(94, 98)) / 100, p95 * float(rng.choice([0.25, 0.5, 1])), p95, int(rng.integers(1, 5)) * 1000))
    target: dict[str, Any] = {}
    for name, values in (("max_p95_ms", [2, 3, 4, 5, 6]), ("max_bytes", [1000, 2000, 3000, 4000]), ("min_accuracy", [94, 95, 96, 97, 98])):
        kind = rng.integers(4)
        if kind < 2:
            value = int(rng.choice(values))
            target[name] = value / 4 if name == "max_p95_ms" else value / 100 if name == "min_accuracy" else value
        elif kind == 2:
            target[name] = None
    return Case(variants, target, label=_label(variants, target))


def _label(variants: list[dict], target: dict) -> str:
    rows = "; ".join(f"{v['name']} {v['accuracy']} {v['p95_ms']:g} ms {v['bytes']:,} B" for v in variants[:3])
    return f"{rows}{'; …' if len(variants) > 3 else ''} | {target}"


def _case(variants: list[dict], **target: Any) -> Case:
    return Case(variants, target, label=_label(variants, target))


choose_variant = Exercise(
    id="41.choose_variant", points=4, difficulty=2, minutes=10, idea="limits first, then the objective; a broken limit can't be bought back",
    reference=tradeoff.choose_variant,
    cases=[Case(THREE, {"max_p95_ms": 0.1, "min_accuracy": 0.96}, label="the three, p95 ≤ 0.1 ms, accuracy ≥ 0.96"),
           Case(THREE, {"max_p95_ms": 0.1, "min_accuracy": 0.96, "max_bytes": 50_000}, label="the three, also ≤ 50,000 bytes"),
           Case(THREE, {"max_p95_ms": 0.1, "min_accuracy": 0.97}, label="the three, p95 ≤ 0.1 ms, accuracy ≥ 0.97")],
    hidden=[_case(THREE), _case(THREE, max_p95_ms=None, max_bytes=None, min_accuracy=None), _case(THREE, max_p95_ms=0.197),
            _case(THREE, max_p95_ms=0.1, max_bytes=None), _case(THREE, max_p95_ms=0.15), _case(THREE, max_bytes=340_000),
            _case(THREE, min_accuracy=0.9722), _case(THREE, min_accuracy=0.98), _case(THREE, max_p95_ms=0.014, max_bytes=5_000),
            _case(THREE, max_p95_ms=0.01), _case([], max_p95_ms=1), _case(TIED), _case(TIED, max_p95_ms=5), _case(TIED[::-1]),
            _case(TIED, max_p95_ms=3), _case([TIED[3], TIED[2]]), _case(TIED, max_bytes=100), _case(TIED, min_accuracy=0.97, max_p95_ms=9)],
    draw=_draw, draws=40, compare=exact(), pure=True,
    misconceptions=[
        Misconception(
            "weighted_score", _best_score,
            "You add everything up into one score. A model that breaks a limit can then win by its other numbers. A limit that is broken "
            "can't be bought back: leave those variants out first.",
            "A limit is not a weight.", also=(_penalised,)),
        Misconception(
            "p50_not_p95", _chosen(fits=lambda v, t: _fits(v, t, "p50_ms")),
            "You hold the median against the limit. The target names p95: one call in 20 may be slower than that, with p50 it is one in two.",
            "The target names p95.",
            also=(_chosen(rank=lambda v: (-v["accuracy"], v["p50_ms"], v["bytes"])),
                  _chosen(lambda v, t: _fits(v, t, "p50_ms"), lambda v: (-v["accuracy"], v["p50_ms"], v["bytes"])))),
        Misconception(
            "fastest", _chosen(rank=lambda v: (v["p95_ms"], -v["accuracy"], v["bytes"])),
            "You take the fastest of those that fit. They are all fast enough. What is left to win is accuracy.",
            "Fast enough is enough.",
            also=(_chosen(rank=lambda v: (v["p95_ms"],)), _chosen(rank=lambda v: (v["p50_ms"],)))),
        Misconception(
            "smallest", _chosen(rank=lambda v: (v["bytes"], -v["accuracy"])),
            "You take the smallest of those that fit. They are all small enough. What is left to win is accuracy.",
            "Small enough is enough.", also=(_chosen(rank=lambda v: (v["bytes"],)),)),
        Misconception(
            "nearest_instead_of_none", _chosen(otherwise=_name_of(lambda variants, t: min(variants, key=_rank))),
            "When nothing fits you return a variant all the same. The caller would release it. None says that the work has to go on: another "
            "knob, or another target.",
            "Nothing fits, nothing is chosen.",
            also=(_chosen(otherwise=_name_of(lambda variants, t: min(variants, key=lambda v: v["p95_ms"]))),
                  _chosen(otherwise=_name_of(lambda variants, t: variants[0])), _chosen(otherwise=lambda variants, t: ""),
                  _chosen(otherwise=_penalised))),
        Misconception(
            "exclusive_limits", _chosen(fits=_exclusive),
            "A variant exactly at a limit is left out. At the limit is allowed.",
            "The limit itself is allowed."),
        Misconception(
            "limits_must_be_there", _chosen(fits=_keys_must_be_there),
            "You read a limit that the target does not have, or compare with None. An absent limit and None both mean: no limit.",
            "No limit is no limit.", also=(_chosen(fits=_none_is_compared), _chosen(fits=_zero_if_missing))),
        Misconception(
            "a_limit_forgotten", _chosen(fits=_only("max_p95_ms", "max_bytes")),
            "One of the limits has no effect. Maximising the accuracy does not replace its lower limit: when the best one that fits is below "
            "it, nothing fits.",
            "A limit is missing.",
            also=(_chosen(fits=_only("max_p95_ms", "min_accuracy")), _chosen(fits=_only("max_bytes", "min_accuracy")),
                  _chosen(fits=_only("max_p95_ms")), _chosen(fits=_only("max_bytes")), _chosen(fits=_only("min_accuracy")),
                  _chosen(fits=_only("max_p95_ms"), rank=lambda v: (-v["accuracy"],)), _chosen(fits=_p95_alone),
                  _chosen(fits=_p95_alone, rank=lambda v: (-v["accuracy"],)))),
        Misconception(
            "one_limit_is_enough", _chosen(fits=_any_limit),
            "You keep what meets one of the limits. All of them hold at once.",
            "All limits, not one."),
        Misconception(
            "ties_unordered", _chosen(rank=lambda v: (-v["accuracy"],)),
            "Of equally accurate variants you don't take the one with the lowest p95, then the fewest bytes, then the first. With a complete "
            "rule the same data always give the same choice.",
            "The ties are not settled.",
            also=(_chosen(rank=lambda v: (-v["accuracy"], v["bytes"], v["p95_ms"])), _chosen(rank=lambda v: (-v["accuracy"], v["p95_ms"])),
                  _chosen(rank=lambda v: (-v["accuracy"], v["bytes"])), _last_of_equals,
                  _chosen(rank=lambda v: (-v["accuracy"], -v["p95_ms"], -v["bytes"])))),
        Misconception(
            "not_the_name", _the_dict,
            "You return the whole entry. Asked is its name.",
            "The name, please."),
    ],
    alternatives=[_with_loop, _stable_sorts, _with_max],
    hints=(
        "Two steps: first a list of the variants that break no limit, then the best of that list.",
        "`target.get(key)` is None for an absent limit and for None. Only another value is compared.",
        "`min(left, key=lambda v: (-v['accuracy'], v['p95_ms'], v['bytes']))` and an answer for an empty list.",
    ),
    worth_knowing="None is the most useful answer of a release process: it tells you to go on before a customer does.",
)
