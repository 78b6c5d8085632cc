"""A pipeline of stages: what one faster stage buys, what it would have to buy, and a loop that picks the next knob."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from utils.cost.checks import non_negative, positive

Verdict = Literal["kept", "no gain: undone", "refused by the gate: undone"]


def pipeline_ms(stages: Mapping[str, float], speedup: Mapping[str, float] | None = None) -> float:
    """Time of stages that run one after another (ms by name), some of them `speedup` times faster.

    Raises ValueError for a negative time, a speed-up that is not positive, or an unknown stage.

    >>> pipeline_ms({"pre": 4, "model": 12, "post": 2}, {"model": 3})
    10.0
    """
    faster = dict(speedup or {})
    non_negative(**stages)
    positive(**faster)
    for name in faster:
        _require_stage(stages, name)
    return math.fsum(ms / faster.get(name, 1) for name, ms in stages.items())


def required_speedup(stages: dict[str, float], stage: str, target_ms: float) -> float:
    """Factor by which `stage` alone must get faster for the sum of the stages to be `target_ms`.

    At least 1.0; infinity if the other stages leave nothing for it. Times are positive, in ms.
    Raises ValueError for a time that is not positive, or an unknown stage.

    >>> [required_speedup({"pre": 4, "model": 12, "post": 2}, "model", target) for target in (10, 20, 6)]
    [3.0, 1.0, inf]
    """
    positive(target_ms=target_ms, **{f"stage {name}": ms for name, ms in stages.items()})
    _require_stage(stages, stage)
    left = target_ms - math.fsum(ms for name, ms in stages.items() if name != stage)
    return max(1.0, stages[stage] / left) if left > 0 else math.inf


def _require_stage(stages: Mapping[str, float], name: str) -> None:
    if name not in stages:
        raise ValueError(f"stage must be one of {', '.join(stages)}, got {name!r}")


# --- the loop -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Knob:
    """One change of one stage: the speed-up that was predicted, its price in days of work, and what trying it shows.

    `measured`: the speed-up found on the target device (None: as predicted). `passes_gate`: whether the release gate
    lets the result through.
    """

    name: str
    stage: str
    predicted: float
    days: float
    measured: float | None = None
    passes_gate: bool = True


@dataclass(frozen=True)
class Step:
    """One round of the loop: the knob that was tried, and the pipeline before and after it (ms)."""

    knob: str
    stage: str
    predicted_ms: float
    before_ms: float
    after_ms: float
    verdict: Verdict

    def as_dict(self) -> dict:
        """The fields as plain data."""
        return asdict(self)


def optimize_loop(stages: Mapping[str, float], knobs: Sequence[Knob], target_ms: float, *,
                  noise_ms: float = 0.0) -> list[Step]:
    """Measure, find the bottleneck, turn a knob, measure again, pass the gate; until the target is met.

    Each round takes the slowest stage that still has a knob with a predicted gain above `noise_ms`, and of its knobs
    the one with the largest predicted gain a day. A knob is tried once. If it gains no more than the noise, or the gate
    refuses it, it is undone. The loop ends when the target is met or no knob is left that promises more than noise.
    Raises ValueError for an unknown stage, or for values out of range.
    """
    now, left, steps = dict(stages), list(knobs), []
    non_negative(noise_ms=noise_ms, **now)
    positive(target_ms=target_ms, **{f"days of {k.name}": k.days for k in left})
    for knob in left:
        _require_stage(now, knob.stage)
    while pipeline_ms(now) > target_ms and (knob := _next_knob(now, left, noise_ms)) is not None:
        left.remove(knob)
        before_ms = pipeline_ms(now)
        measured = knob.predicted if knob.measured is None else knob.measured
        tried = now | {knob.stage: now[knob.stage] / measured}
        verdict = _verdict(knob, before_ms - pipeline_ms(tried), noise_ms)
        predicted_ms = before_ms - _predicted_gain_ms(now, knob)
        now = tried if verdict == "kept" else now
        steps.append(Step(knob.name, knob.stage, predicted_ms, before_ms, pipeline_ms(now), verdict))
    return steps


def _next_knob(now: Mapping[str, float], left: Sequence[Knob], noise_ms: float) -> Knob | None:
    useful = [knob for knob in left if _predicted_gain_ms(now, knob) > noise_ms]
    return max(useful, key=lambda k: (now[k.stage], _predicted_gain_ms(now, k) / k.days), default=None)


def _predicted_gain_ms(now: Mapping[str, float], knob: Knob) -> float:
    return now[knob.stage] * (1 - 1 / knob.predicted)


def _verdict(knob: Knob, gain_ms: float, noise_ms: float) -> Verdict:
    if gain_ms <= noise_ms:
        return "no gain: undone"
    return "kept" if knob.passes_gate else "refused by the gate: undone"
