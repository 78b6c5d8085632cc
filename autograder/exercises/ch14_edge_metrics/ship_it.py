"""Exercise 14.ship_it: hard limits first, then the objective."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from utils.cost.edge_metrics import candidates

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Z = NormalDist().inv_cdf(0.975)
UPPER = ("p99_ms", "peak_mb", "storage_mb")


def _low(p: float, n: int, z: float = Z) -> float:
    """Lower end of the Wilson interval."""
    return (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def _wald(p: float, n: int) -> float:
    return p - Z * math.sqrt(p * (1 - p) / n)


def _avg(c: dict, fps: float) -> float:
    return c["idle_w"] + (c["active_w"] - c["idle_w"]) * c["latency_ms"] * fps / 1000


def _value(c: dict, objective: str, fps: float) -> float:
    return _avg(c, fps) / fps * 1000 if objective == "energy_mj" else c[objective]


def _ship(*, low: Callable[[float, int], float] = _low, power: Callable[[dict, float], float] = _avg,
          value: Callable[[dict, str, float], float] = _value, keeps_up: bool = True,
          upper: Callable[[float, float], bool] = lambda got, limit: got <= limit, checked: tuple[str, ...] = UPPER,
          tie: Callable[[dict], Any] = lambda c: (-c["accuracy"], c["name"]), choose_first: bool = False) -> Callable:
    """An answer from its rules."""

    def answer(cands: list[dict], limits: dict, objective: str, samples_n: int) -> str | None:
        fps = limits["fps"]

        def fits(c: dict) -> bool:
            return (all(upper(c[k], limits[k]) for k in checked)
                    and (not keeps_up or c["latency_ms"] * fps <= 1000)
                    and power(c, fps) <= limits["avg_w"] and low(c["accuracy"], samples_n) >= limits["accuracy"])

        def key(c: dict) -> tuple:
            return value(c, objective, fps), tie(c)

        if choose_first:
            best = min(cands, key=key, default=None)
            return best["name"] if best is not None and fits(best) else None
        left = [c for c in cands if fits(c)]
        return min(left, key=key)["name"] if left else None

    return answer


def _watts(c: dict, objective: str, fps: float) -> float:
    return c["active_w"] if objective == "energy_mj" else c[objective]


def _busy_energy(c: dict, objective: str, fps: float) -> float:
    return c["active_w"] * c["latency_ms"] if objective == "energy_mj" else c[objective]


def _marginal(c: dict, objective: str, fps: float) -> float:
    return (c["active_w"] - c["idle_w"]) * c["latency_ms"] if objective == "energy_mj" else c[objective]


def _in_passes(cands: list[dict], limits: dict, objective: str, samples_n: int) -> str | None:
    """Sort by name, then by accuracy, then by objective; the first that passes."""
    ordered = sorted(cands, key=lambda c: c["name"])
    ordered.sort(key=lambda c: c["accuracy"], reverse=True)
    ordered.sort(key=lambda c: _value(c, objective, limits["fps"]))
    for c in ordered:
        period = 1000 / limits["fps"]
        total = c["active_w"] * c["latency_ms"] + c["idle_w"] * (period - c["latency_ms"])
        if (c["latency_ms"] < period * (1 + 1e-12) and total / period <= limits["avg_w"]
                and not any(c[k] > limits[k] for k in UPPER) and _low(c["accuracy"], samples_n) >= limits["accuracy"]):
            return c["name"]
    return None


def _by_loop(cands: list[dict], limits: dict, objective: str, samples_n: int) -> str | None:
    """Keeps the best so far; the interval by solving its quadratic with NumPy."""
    best = None
    for c in cands:
        n, p, duty = samples_n, c["accuracy"], c["latency_ms"] / 1000 * limits["fps"]
        if duty > 1 + 1e-12 or c["p99_ms"] > limits["p99_ms"] or c["peak_mb"] > limits["peak_mb"]:
            continue
        avg_w = duty * c["active_w"] + (1 - duty) * c["idle_w"]
        ends = np.roots([1 + Z**2 / n, -(2 * p + Z**2 / n), p * p])  # (p - q)^2 = z^2 q (1 - q) / n
        if c["storage_mb"] > limits["storage_mb"] or avg_w > limits["avg_w"] or ends.real.min() < limits["accuracy"]:
            continue
        value = avg_w / limits["fps"] if objective == "energy_mj" else c[objective]
        rank = (value, 1 - p, c["name"])
        if best is None or rank < best[0]:
            best = rank, c["name"]
    return best[1] if best else None


def _cand(name: str, accuracy: float, active_w: float, latency_ms: float, **more: float) -> dict:
    return {"name": name, "accuracy": accuracy, "p99_ms": 40, "peak_mb": 50, "storage_mb": 5, "active_w": active_w,
            "idle_w": 1, "latency_ms": latency_ms, "usd": 20, **more}


LIMITS = {"p99_ms": 50, "peak_mb": 64, "storage_mb": 8, "avg_w": 4, "fps": 10, "accuracy": 0.93}
WALKER, SPRINTER = _cand("walker", 0.95, 4, 60, usd=15), _cand("sprinter", 0.95, 9, 20, usd=40)


def _draw(rng: np.random.Generator) -> Case:
    """Candidates around the limits, with ties; no power, interval or objective so near that rounding decides."""
    while True:
        fps, n = int(rng.choice([4, 5, 10, 20])), int(rng.choice([200, 500, 1000, 5000]))
        limits = {"p99_ms": 50, "peak_mb": 64, "storage_mb": 8, "avg_w": int(rng.integers(4, 13)) / 2, "fps": fps,
                  "accuracy": float(rng.choice([0.9, 0.92, 0.94]))}
        cands = [_random_cand(name, fps, rng) for name in rng.permutation(list("abcdef"))[: int(rng.integers(1, 7))]]
        if len(cands) > 2 and rng.random() < 0.5:  # the same device twice
            cands[1] |= {k: cands[0][k] for k in ("active_w", "idle_w", "latency_ms", "usd")}
        objective = str(rng.choice(["energy_mj", "energy_mj", "usd", "p99_ms"]))
        if _clear(cands, limits, n):
            return Case(cands, limits, objective, n)


def _random_cand(name: str, fps: int, rng: np.random.Generator) -> dict:
    p99, peak, storage = (v + 1 if rng.random() < 0.1 else v - int(rng.integers(0, 3)) for v in (50, 64, 8))
    return _cand(str(name), float(rng.choice([0.93, 0.94, 0.95, 0.96])), int(rng.integers(8, 40)) / 4,
                 round(1000 / fps * float(rng.choice([0.05, 0.1, 0.2, 0.4, 0.6, 1.25]))), p99_ms=p99, peak_mb=peak,
                 storage_mb=storage, idle_w=int(rng.integers(1, 8)) / 4, usd=int(rng.integers(10, 14)))


def _clear(cands: list[dict], limits: dict, n: int) -> bool:
    powers = [_avg(c, limits["fps"]) for c in cands]
    gaps = [abs(a - b) for i, a in enumerate(powers) for j, b in enumerate(powers) if i < j and
            any(cands[i][k] != cands[j][k] for k in ("active_w", "idle_w", "latency_ms"))]
    margins = [abs(p - limits["avg_w"]) for p in powers] + [abs(_low(c["accuracy"], n) - limits["accuracy"]) for c in cands]
    return min(gaps, default=1) > 1e-6 and min(margins) > 5e-4


ship_it = Exercise(
    id="14.ship_it", points=5, difficulty=3, minutes=15, idea="hard limits first, the objective after",
    reference=candidates.ship_it,
    cases=[Case([WALKER, SPRINTER], LIMITS, "energy_mj", 1000, label="walker and sprinter, energy_mj, 1000 images"),
           Case([WALKER, SPRINTER], LIMITS, "usd", 1000, label="walker and sprinter, usd, 1000 images"),
           Case([WALKER, SPRINTER], LIMITS, "energy_mj", 100, label="walker and sprinter, energy_mj, 100 images")],
    hidden=[
        Case([], LIMITS, "usd", 1000),
        Case([_cand("a", 0.95, 4, 20, p99_ms=50, peak_mb=64, storage_mb=8)], LIMITS, "usd", 1000, label="equal to three limits"),
        Case([_cand("a", 0.95, 4, 20, p99_ms=51, usd=1), WALKER], LIMITS, "usd", 1000, label="a breaks p99"),
        Case([_cand("a", 0.95, 4, 20, peak_mb=65), WALKER], LIMITS, "energy_mj", 1000, label="a breaks memory"),
        Case([_cand("a", 0.95, 4, 20, storage_mb=9), WALKER], LIMITS, "energy_mj", 1000, label="a breaks storage"),
        Case([_cand("a", 0.95, 6, 90, usd=1), WALKER], LIMITS, "usd", 1000, label="a breaks the mean power"),
        Case([_cand("a", 0.95, 3, 130, usd=1), WALKER], LIMITS, "usd", 1000, label="a cannot keep up"),
        Case([_cand("a", 0.94, 4, 20, usd=1), WALKER], LIMITS, "usd", 1000, label="a has 94 % of 1,000"),
        Case([_cand("a", 0.94, 4, 20, usd=1), WALKER], LIMITS, "usd", 5000, label="a has 94 % of 5,000"),
        Case([_cand("b", 0.95, 4, 20), _cand("a", 0.95, 4, 20)], LIMITS, "usd", 1000, label="equal, b before a"),
        Case([_cand("a", 0.95, 4, 20), _cand("b", 0.96, 4, 20)], LIMITS, "energy_mj", 1000, label="equal energy, b more accurate"),
        Case([_cand("a", 0.95, 12, 10, usd=9), _cand("b", 0.95, 3, 90)], LIMITS, "energy_mj", 1000, label="12 W for 10 ms, 3 W for 90 ms"),
        Case([_cand("a", 0.95, 4, 60, idle_w=0.25), _cand("b", 0.95, 4, 50, idle_w=2)], LIMITS, "energy_mj", 1000,
             label="the one that idles at 2 W is faster"),
        Case([_cand("a", 1.0, 4, 20)], {**LIMITS, "accuracy": 0.99}, "usd", 200, label="200 of 200 against 99 %"),
        Case([_cand("a", 0.935, 4, 20)], {**LIMITS, "accuracy": 0.92}, "usd", 1000, label="93.5 % of 1,000 against 92 %"),
        Case([_cand("a", 0.97, 4, 20)], {**LIMITS, "accuracy": 0.935}, "usd", 200, label="97 % of 200 against 93.5 %"),
        Case([_cand("a", 0.8, 4, 20)], {**LIMITS, "accuracy": 0.3747}, "usd", 5, label="4 of 5 against 37.47 %"),
        Case([_cand("a", 0.8, 4, 20)], {**LIMITS, "accuracy": 0.3775}, "usd", 5, label="4 of 5 against 37.75 %"),
    ],
    draw=_draw, draws=40, compare=exact(),
    misconceptions=[
        Misconception(
            "point_accuracy", _ship(low=lambda p, n: p),
            "You compare the measured accuracy with the limit. On 100 images 95 % may well be 89 % in truth. The *lower end* of its "
            "interval has to reach the limit.",
            "A measured accuracy is uncertain.",
            also=(_ship(low=lambda p, n: p + Z * math.sqrt(p * (1 - p) / n)),)),
        Misconception(
            "another_interval", _ship(low=_wald),
            "Your interval is not Wilson's at 95 %. Take the formula of the task as it stands: z = 1.96 cuts off 2.5 % on each "
            "side, and the term z²/(2n) pulls the middle towards one half.",
            "Another interval.",
            also=(_ship(low=lambda p, n: _low(p, n, NormalDist().inv_cdf(0.95))),
                  _ship(low=lambda p, n: _low(p, n, NormalDist().inv_cdf(0.995))),
                  _ship(low=lambda p, n: p - math.sqrt(p * (1 - p) / n)), _ship(low=lambda p, n: _low(p, n, 1.0)))),
        Misconception(
            "chooses_then_filters", _ship(choose_first=True),
            "You take the best candidate and then look whether it keeps the limits. When it does not, the second best may: apply the "
            "limits first, and choose among those that are left.",
            "Limits first."),
        Misconception(
            "no_limits", _ship(low=lambda p, n: 1.0, power=lambda c, fps: 0.0, keeps_up=False, checked=()),
            "You return the best objective of all candidates, whether they keep the limits or not. A limit is not traded against "
            "anything: who breaks one is out.",
            "The limits are not applied."),
        Misconception(
            "watts_are_not_energy", _ship(value=_watts),
            "As energy you compare the watts. 9 W for 20 ms are less than 4 W for 60 ms. Energy is power × time, over the whole "
            "period.",
            "Power is not energy."),
        Misconception(
            "idle_left_out", _ship(value=_busy_energy),
            "Your energy covers only the time in which the device computes. Between frames it idles, and devices differ in that: use "
            "the total of one period, as in exercise 1.",
            "The idle time is missing.",
            also=(_ship(value=_marginal),)),
        Misconception(
            "active_power_limited", _ship(power=lambda c, fps: c["active_w"]),
            "The limit `avg_w` is for the mean power at the required rate. You compare the power while computing.",
            "Mean power, not peak power."),
        Misconception(
            "rate_ignored", _ship(keeps_up=False),
            "A candidate that needs 130 ms a frame cannot deliver 10 frames a second, and you ship it. Its load is 130 %.",
            "It can't keep up."),
        Misconception(
            "names_before_accuracy", _ship(tie=lambda c: c["name"]),
            "Of two candidates with the same objective you take the first name. The more accurate one comes first; names decide only "
            "when the accuracy is equal too.",
            "Accuracy before the name.",
            also=(_ship(tie=lambda c: (c["name"], -c["accuracy"])), _ship(tie=lambda c: (c["accuracy"], c["name"])))),
        Misconception(
            "input_order", _ship(tie=lambda c: -c["accuracy"]),
            "Where objective and accuracy are equal you take whichever came first in the list. The name decides, alphabetically.",
            "The order of the list decides.",
            also=(_ship(tie=lambda c: 0),)),
        Misconception(
            "equality_fails", _ship(upper=lambda got, limit: got < limit),
            "A candidate that exactly meets an upper limit is turned down. Equality passes.",
            "At most, not below."),
        Misconception(
            "a_limit_forgotten", _ship(checked=("p99_ms", "peak_mb")),
            "One of the upper limits is not applied. There are four: p99, peak memory, storage and mean power.",
            "A limit is missing.",
            also=(_ship(checked=("p99_ms", "storage_mb")), _ship(checked=("peak_mb", "storage_mb")),
                  _ship(power=lambda c, fps: 0.0))),
    ],
    alternatives=[_in_passes, _by_loop],
    hints=(
        "Write an inner function `fits(c)` that returns True when a candidate keeps all limits, and one for the value to minimise.",
        "The mean power is idle + (active − idle) · latency · fps / 1000, and a frame takes mean power / fps · 1000 mJ.",
        "`min(…, key=lambda c: (value(c), -c[\"accuracy\"], c[\"name\"]))` breaks ties in order.",
    ),
    worth_knowing="Release rules differ by purpose: this one protects a promise to customers, so it takes the pessimistic end of the interval.",
)
