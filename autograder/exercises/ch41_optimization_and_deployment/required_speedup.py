"""Exercise 41.required_speedup: how much faster one stage must get."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.delivery import tradeoff

from ...compare import close
from ...exercise import Case, Exercise, Misconception

APP = {"pre": 4, "model": 12, "post": 2}
UNKNOWN = "ch41_optimization_and_deployment.unknown_stage"


def _rest(stages: dict[str, float], stage: str) -> float:
    return sum(ms for name, ms in stages.items() if name != stage)


def _answer(factor: Callable[[dict, str, float], float]) -> Callable[[dict, str, float], float]:
    """An answer that refuses unknown stages."""

    def answer(stages: dict[str, float], stage: str, target_ms: float) -> float:
        if stage not in stages:
            raise ValueError("unknown stage")
        return factor(stages, stage, target_ms)

    return answer


def _total_over_target(stages: dict[str, float], stage: str, target_ms: float) -> float:
    return max(1.0, sum(stages.values()) / target_ms)


def _total_or_inf(stages: dict[str, float], stage: str, target_ms: float) -> float:
    return math.inf if _rest(stages, stage) >= target_ms else max(1.0, sum(stages.values()) / target_ms)


def _negative(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return stages[stage] / left if left <= 0 else max(1.0, stages[stage] / left)


def _negative_but_zero(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return math.inf if left == 0 else stages[stage] / left if left < 0 else max(1.0, stages[stage] / left)


def _one_if_negative(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return math.inf if left == 0 else max(1.0, stages[stage] / left)


def _absolute(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return math.inf if left == 0 else max(1.0, abs(stages[stage] / left))


def _below_one(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return stages[stage] / left if left > 0 else math.inf


def _inverse(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return left / stages[stage] if left > 0 else math.inf


def _inverse_capped(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return min(1.0, left / stages[stage]) if left > 0 else 0.0


def _alone(stages: dict[str, float], stage: str, target_ms: float) -> float:
    return max(1.0, stages[stage] / target_ms)


def _alone_or_inf(stages: dict[str, float], stage: str, target_ms: float) -> float:
    return math.inf if _rest(stages, stage) >= target_ms else max(1.0, stages[stage] / target_ms)


def _refuses(stages: dict[str, float], stage: str, target_ms: float) -> float:
    if _rest(stages, stage) >= target_ms:
        raise ValueError("impossible")
    return max(1.0, stages[stage] / (target_ms - _rest(stages, stage)))


def _none(stages: dict[str, float], stage: str, target_ms: float) -> float | None:
    if _rest(stages, stage) >= target_ms:
        return None
    return max(1.0, stages[stage] / (target_ms - _rest(stages, stage)))


def _as_a_percentage(stages: dict[str, float], stage: str, target_ms: float) -> float:
    """The share of the stage's time that has to go."""
    left = target_ms - _rest(stages, stage)
    return max(0.0, 1 - left / stages[stage]) if left > 0 else math.inf


def _unknown_costs_nothing(stages: dict[str, float], stage: str, target_ms: float) -> float:
    left = target_ms - _rest(stages, stage)
    return max(1.0, stages.get(stage, 0.0) / left) if left > 0 else math.inf


# --- right answers ------------------------------------------------------------------------------


def _bisection(stages: dict[str, float], stage: str, target_ms: float) -> float:
    def total(factor: float) -> float:
        return _rest(stages, stage) + stages[stage] / factor

    if stages[stage] and total(math.inf) >= target_ms:
        return math.inf
    low, high = 1.0, 2.0
    if total(low) <= target_ms:
        return 1.0
    while total(high) > target_ms:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if total(middle) > target_ms else (low, middle)
    return high


def _by_amdahl(stages: dict[str, float], stage: str, target_ms: float) -> float:
    """Amdahl's law solved for the factor of the part."""
    total = math.fsum(stages.values())
    share, overall = stages[stage] / total, total / target_ms
    if overall <= 1:
        return 1.0
    left = 1 / overall - (1 - share)
    return share / left if left > 1e-12 else float("inf")


def _pops(stages: dict[str, float], stage: str, target_ms: float) -> float:
    others = dict(stages)
    own = others.pop(stage)
    left = target_ms - sum(others.values())
    if left <= 0:
        return np.inf
    return max(1, own / left)


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a millisecond, which floats hold exactly: also targets that are just met or leave exactly nothing."""
    n = int(rng.integers(1, 6))
    names = rng.permutation(["decode", "resize", "model", "boxes", "send", "store"])[:n].tolist()
    stages = {name: float(rng.integers(1, 80)) / 4 for name in names}
    stage = str(rng.choice(names))
    rest, total = _rest(stages, stage), sum(stages.values())
    kind = rng.integers(6)
    if kind == 0 and rest > 0:
        target = rest
    elif kind == 1:
        target = total
    elif kind == 2:
        target = total + float(rng.integers(1, 20)) / 4
    else:
        target = rest + float(rng.integers(1, 4 * stages[stage] + 1)) / 4 if kind < 5 else float(rng.integers(1, 60)) / 4
    return Case(stages, stage, target)


required_speedup = Exercise(
    id="41.required_speedup", points=2, difficulty=1, minutes=5, idea="only this stage accelerates: subtract the rest",
    reference=tradeoff.required_speedup,
    cases=[Case(APP, "model", 10), Case(APP, "model", 6), Case(APP, "model", 20)],
    hidden=[Case(APP, "model", 18), Case(APP, "model", 5), Case(APP, "pre", 15), Case(APP, "pre", 14), Case({"model": 8}, "model", 2),
            Case({"model": 8}, "model", 9), Case(APP, "post", 16.25), Case(APP, "model", 6.25)],
    draw=_draw, draws=30, compare=close(1e-6), pure=True,
    raises=[Case(probe=UNKNOWN, stages=APP, stage="network", target_ms=10, label="an unknown stage, target 10 ms"),
            Case(probe=UNKNOWN, stages=APP, stage="network", target_ms=40, label="an unknown stage, target met already")],
    misconceptions=[
        Misconception(
            "total_over_target", _answer(_total_over_target),
            "You divide the whole pipeline by the target. That factor would do if every stage became faster. Only this one does; the "
            "others keep their time. How much of the target do they leave?",
            "The other stages stay as slow.", also=(_total_over_target, _answer(_total_or_inf), _total_or_inf)),
        Misconception(
            "negative", _answer(_negative),
            "Where the other stages alone take longer than the target, your factor is negative or means nothing, and where they take "
            "exactly as long it divides by zero. No factor is large enough then.",
            "Impossible is infinity.",
            also=(_negative, _answer(_negative_but_zero), _negative_but_zero, _answer(_one_if_negative), _one_if_negative,
                  _answer(_absolute))),
        Misconception(
            "below_one", _answer(_below_one),
            "When the target is met already you answer with less than 1. Nobody has to make the stage slower: no speed-up is 1.0.",
            "Less than 1 slows down.", also=(_below_one,)),
        Misconception(
            "inverse", _answer(_inverse),
            "You return new time over old time. A speed-up is the old time over the new one: 12 ms that become 4 ms are 3 times faster.",
            "Upside down.", also=(_inverse, _answer(_inverse_capped), _inverse_capped)),
        Misconception(
            "stage_against_target", _answer(_alone),
            "You compare this stage with the whole target. The other stages need their share of it first.",
            "The target is for all stages.", also=(_alone, _answer(_alone_or_inf), _alone_or_inf)),
        Misconception(
            "share_to_remove", _answer(_as_a_percentage),
            "This is the share of the stage's time that has to go. Asked is the factor: removing two thirds makes it 3 times faster.",
            "A share, not a factor.", also=(_as_a_percentage,)),
        Misconception(
            "impossible_is_an_error", _answer(_refuses),
            "You raise an error or return None where no factor is enough. Infinity is an answer that the caller can compare and print.",
            "Infinity is an answer.", also=(_refuses, _answer(_none), _none)),
        Misconception(
            "unknown_stage", _unknown_costs_nothing,
            "A stage that the pipeline does not have is taken for one that costs nothing. It is a typing error: raise.",
            "Unknown names pass."),
    ],
    alternatives=[_answer(_bisection), _answer(_by_amdahl), _pops],
    hints=(
        "What do the other stages take together? The rest of the target is what this stage may take.",
        "The factor is the stage's time over what it may take. What if nothing is left, or more than it needs?",
        "`max(1.0, …)` for a target that is met, `math.inf` if the rest is 0 or negative. `stages[stage]` raises KeyError by itself.",
    ),
    worth_knowing="The limit of the whole pipeline is the sum of the other stages: here 6 ms, however fast the model gets.",
)
