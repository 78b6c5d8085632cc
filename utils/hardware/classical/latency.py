"""Latency of a pipeline of which a part runs on an engine: Amdahl's law, with the copies."""

from __future__ import annotations

from collections.abc import Sequence

from utils.cost.checks import non_negative, positive


def end_to_end_ms(stages: Sequence[tuple[float, bool]], speedup: float, copy_ms: float) -> float:
    """Milliseconds of stages (time on the CPU, whether it runs on the engine); data begin and end on the CPU.

    A stage on the engine takes its time over `speedup`; every change of place costs `copy_ms`. Raises ValueError for
    a speedup that is not positive and for negative times.

    >>> round(end_to_end_ms([(6, False), (24, True)], 20, 1.0), 1)
    9.2
    """
    positive(speedup=speedup)
    non_negative(copy_ms=copy_ms)
    total, on_engine = 0.0, False
    for ms, engine in stages:
        non_negative(ms=ms)
        total += copy_ms * (engine != on_engine) + (ms / speedup if engine else ms)
        on_engine = engine
    return total + copy_ms * on_engine
