"""Probes of chapter 41: an unknown stage, and a function whose durations stand in a script, with the clock for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

NS_PER_MS = 10**6


def unknown_stage(answer: Callable, stages: dict, stage: str, target_ms: float) -> Any:
    """Call the answer with a stage that is not there; a KeyError counts as a ValueError."""
    try:
        return answer(dict(stages), stage, target_ms)
    except KeyError as error:
        raise ValueError(f"KeyError: {error}") from error


def scripted(answer: Callable, durations_ms: Sequence[float], warmup: int, repeats: int) -> dict:
    """What the answer reports of a function whose n-th call takes the n-th duration, and the order of what it did.

    In `order` an f is a call of the function and a c a reading of the clock. Calls beyond the script take 1 ms.
    """
    script, order, now = iter(durations_ms), [], [10**12]

    def fn() -> str:
        order.append("f")
        now[0] += round(next(script, 1.0) * NS_PER_MS)
        return "a result that nobody needs"

    def clock() -> int:
        order.append("c")
        return now[0]

    result = answer(fn, clock, warmup, repeats)
    return {"result": result, "order": "".join(order)}
