"""Exercise 19.decide: requirements against measurements."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import simt

from ...exercise import Case, Exercise, Misconception

_UPPER = ("p99_ms", "watts", "memory_mb", "accuracy_drop")
_KEYS = (*_UPPER, "op_coverage")


def _missing(value: float | None) -> bool:
    return value is None or value != value


def _decide(*, lower: tuple[str, ...] = ("op_coverage",), missing: bool = True, strict: bool = False, order: Callable[[list[str]], list[str]] = sorted,
            keys: Callable[[dict, dict], list[str]] = lambda req, meas: list(req), nan: Callable[[float | None], bool] = _missing,
            result: Callable[[list[str]], object] | None = None) -> Callable:
    def answer(req: dict, meas: dict) -> tuple[bool, list[str]]:
        failed = []
        for key in keys(req, meas):
            value, limit = meas.get(key), req.get(key)
            if nan(value) or limit is None:
                bad = missing
            elif key in lower:
                bad = value <= limit if strict else value < limit
            else:
                bad = value >= limit if strict else value > limit
            if bad:
                failed.append(key)
        failed = order(failed)
        return result(failed) if result else (not failed, failed)

    return answer


def _table(req: dict, meas: dict) -> tuple[bool, list[str]]:
    sign = dict.fromkeys(_UPPER, 1) | {"op_coverage": -1}
    bad = sorted(key for key, limit in req.items() if not (meas.get(key) is not None and sign[key] * meas[key] <= sign[key] * limit))
    return (bad == [], bad)


def _comprehension(req: dict, meas: dict) -> tuple[bool, list[str]]:
    def met(key: str) -> bool:
        value = meas.get(key, math.nan)
        if value is None or math.isnan(value):
            return False
        return value >= req[key] if key == "op_coverage" else value <= req[key]

    reasons = sorted(k for k in req if not met(k))
    return len(reasons) == 0, reasons


def _draw(rng: np.random.Generator) -> Case:
    chosen = [k for k in rng.permutation(_KEYS) if rng.random() < 0.8]
    req = {str(k): round(float(rng.uniform(0.5, 1)), 2) if k == "op_coverage" else float(rng.integers(1, 100)) for k in chosen}
    meas = {}
    for key in rng.permutation(_KEYS):
        limit = req.get(str(key), 5.0)
        draw = rng.random()
        if draw < 0.15:
            continue
        meas[str(key)] = None if draw < 0.2 else math.nan if draw < 0.25 else limit if draw < 0.4 else round(limit * float(rng.choice([0.5, 0.9, 0.99, 1.01, 1.2])), 4)
    if rng.random() < 0.3:
        meas["fan_rpm"] = 2000.0
    return Case(req, meas)


decide = Exercise(
    id="19.decide", points=3, difficulty=1, minutes=10, idea="not measured is not met",
    reference=simt.decide,
    cases=[Case({"p99_ms": 30, "watts": 10, "op_coverage": 1.0}, {"p99_ms": 28, "watts": 10, "op_coverage": 0.97}), Case({"watts": 10, "accuracy_drop": 0.5}, {"watts": 9.5, "memory_mb": 900})],
    hidden=[
        Case({}, {}), Case({}, {"watts": 900.0}), Case({"watts": 10}, {"watts": 10}), Case({"op_coverage": 0.9}, {"op_coverage": 0.9}), Case({"op_coverage": 0.9}, {"op_coverage": 0.95}), Case({"watts": 10, "p99_ms": 5}, {"watts": 11, "p99_ms": 6}),
        Case({"watts": 10}, {"watts": None}), Case({"watts": 10}, {"watts": math.nan}), Case({"op_coverage": 1.0}, {"op_coverage": math.nan}), Case({"p99_ms": 30}, {"p99_ms": 20, "fan_rpm": 9000.0}), Case({"accuracy_drop": 0.0}, {"accuracy_drop": -0.2}),
        Case({"accuracy_drop": 0.0}, {"accuracy_drop": 0.0}), Case({"memory_mb": 100, "watts": 5, "p99_ms": 1, "accuracy_drop": 1, "op_coverage": 1.0}, {}), Case({"watts": 0}, {"watts": 0.0}),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("coverage_upper", _decide(lower=()),
                      "You treat `op_coverage` as an upper limit. A coverage has to be at least what is required.", "Coverage is a minimum."),
        Misconception("all_lower", _decide(lower=_KEYS),
                      "You treat all limits as lower ones. Milliseconds, watts, megabytes and lost accuracy have to stay below theirs.", "These are upper limits."),
        Misconception("missing_passes", _decide(missing=False),
                      "What was not measured passes. Nobody knows whether it is met: it fails.", "Not measured is not met."),
        Misconception("nan_passes", _decide(nan=lambda v: v is None, missing=True),
                      "NaN passes: every comparison with it is false. A NaN was not measured.", "NaN is not a measurement."),
        Misconception("strict", _decide(strict=True),
                      "A value that is equal to its limit fails in your answer. It meets it.", "Equal meets the limit."),
        Misconception("first_only", _decide(order=lambda failed: sorted(failed)[:1]),
                      "You report one failing key. All of them are asked.", "Report all of them.", also=(_decide(order=lambda failed: failed[:1]),)),
        Misconception("unsorted", _decide(order=list),
                      "The keys are right and not in alphabetical order.", "The keys are not sorted.", also=(_decide(order=lambda failed: sorted(failed, reverse=True)),)),
        Misconception("extra_keys", _decide(keys=lambda req, meas: sorted({*req, *meas})),
                      "Measurements that nobody required are judged. Look at the keys of `req` only.", "Extra measurements don't matter."),
        Misconception("measured_only", _decide(keys=lambda req, meas: [k for k in req if k in meas]),
                      "Required keys that are not in the measurements at all are left out. They fail.", "A missing key fails."),
        Misconception("reversed", _decide(result=lambda failed: (bool(failed), failed)),
                      "The first value says whether something failed. It should be True if everything is met.", "True means that all is met."),
        Misconception("falsy", _decide(nan=lambda v: not v or v != v),
                      "A measured 0 counts as missing in your answer. Zero is a value.", "Zero is a measurement."),
    ],
    alternatives=[_table, _comprehension],
    hints=("Go through the keys of `req`, not of `meas`.", "`value != value` is true for NaN only.", "sorted() makes a list in alphabetical order."),
    worth_knowing="Write the limits down before you measure. Afterwards every number looks acceptable.",
)
