"""Probe of chapter 24: tactics are callables and the timer is one, so both are built beside the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .ask import describe_error


class _Bench:
    """A timer that runs what it is given and tells the milliseconds of the tactic that it ran."""

    def __init__(self) -> None:
        self.calls, self.ran = 0, []

    def tactic(self, name: str, ms: float) -> Callable[[], None]:
        return lambda: self.ran.append((name, ms))

    def timer(self, fn: Callable[[], Any]) -> float:
        self.calls += 1
        self.ran.clear()
        fn()
        return self.ran[-1][1] if self.ran else 0.0


def picker(answer: Callable, script: list) -> list[dict]:
    """Build a picker with a timer and ask it to choose.

    `script` is a list of [key, {name: (ms, workspace bytes)}, limit]. One entry a step: {"choice"} or {"error"} (type
    names), the names timed in this step (each once, sorted), the calls of the timer so far, and `timings_made`.
    """
    bench = _Bench()
    timed: list[str] = []

    def timer(fn: Callable[[], Any]) -> float:
        ms = bench.timer(fn)
        timed.extend(name for name, _ in bench.ran)
        return ms

    thing = answer(timer)
    steps = []
    for key, tactics, limit in script:
        timed.clear()
        given = {name: (bench.tactic(name, ms), size) for name, (ms, size) in tactics.items()}
        try:
            told: dict[str, Any] = {"choice": thing.choose(key, given, limit)}
        except (AttributeError, NotImplementedError):
            raise
        except Exception as error:
            told = {"error": describe_error(error)["types"]}
        steps.append({**told, "timed": sorted(set(timed)), "calls": bench.calls, "made": thing.timings_made})
    return steps
