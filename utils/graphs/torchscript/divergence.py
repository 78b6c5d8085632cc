"""Where a trace lies: inputs at which it differs from the function that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.graphs.torchscript.guards import GuardedFunction
from utils.graphs.torchscript.tape import trace


def agrees(fn: Callable, traced: Callable, x: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether both give close results of one shape, or both raise.

    The tolerance is atol + rtol |fn(x)|, element by element; NaN equals NaN, an infinity equals itself alone.
    """
    want, failed = _outcome(fn, x)
    got, broke = _outcome(traced, x)
    if failed or broke:
        return failed and broke
    want, got = np.asarray(want), np.asarray(got)
    return want.shape == got.shape and bool(np.isclose(got, want, rtol, atol, equal_nan=True).all())


def _outcome(fn: Callable, x: Any) -> tuple[Any, bool]:
    try:
        return fn(x), False
    except Exception:
        return None, True


def diverges(
    fn: Callable, traced: Callable, inputs: Sequence[Any], rtol: float = 1e-5, atol: float = 1e-8
) -> list[int]:
    """The indices of the inputs at which `traced` does not agree with `fn` (shape, value, exception)."""
    return [i for i, x in enumerate(inputs) if not agrees(fn, traced, x, rtol, atol)]


def find_divergence(
    fn: Callable, traced: Callable, candidates: Sequence[Any], rtol: float = 1e-5, atol: float = 1e-8
) -> int | None:
    """The index of the first candidate at which `traced` does not agree with `fn`; None if there is none."""
    return next((i for i, x in enumerate(candidates) if not agrees(fn, traced, x, rtol, atol)), None)


# --- the figure ---------------------------------------------------------------------------------


def _branch(x: Any) -> Any:
    return x * 2 + 1 if x > 0 else 3 - x


def _loop(x: Any) -> Any:
    while x > 1:
        x = x / 2
    return x


def _shape(v: Any) -> Any:
    return v.sum() / len(v)


def _vector(x: float) -> np.ndarray:
    """x, as often as its rounded size says, at least once."""
    return np.full(max(1, round(abs(x))), x)


FUNCTIONS: dict[str, tuple[Callable, Callable, str]] = {
    "branch": (_branch, float, "x * 2 + 1 if x > 0 else 3 - x"),
    "loop": (_loop, float, "while x > 1: x = x / 2"),
    "shape": (_shape, _vector, "v.sum() / len(v), with x in each of |x| elements"),
}


def divergence_curve(name: str, example: float, grid: Sequence[float]) -> dict[str, Any]:
    """The function `name`, its trace at `example` and its guarded form, each over `grid`.

    Returns x, true, traced and guarded (lists of floats), wrong (a bool for each x), the graph's text and operations,
    and how many tapes and fallbacks the guarded form needed. Raises KeyError for an unknown name.
    """
    if name not in FUNCTIONS:
        raise KeyError(f"there is no function {name!r}; there are {', '.join(FUNCTIONS)}")
    fn, make, _ = FUNCTIONS[name]
    traced, guarded = trace(fn, make(example)), GuardedFunction(fn)
    true = [float(fn(make(x))) for x in grid]
    seen = [float(traced(make(x))) for x in grid]
    return {
        "x": [float(x) for x in grid], "true": true, "traced": seen, "guarded": [float(guarded(make(x))) for x in grid],
        "wrong": [not bool(np.isclose(s, t)) for s, t in zip(seen, true)], "at_example": float(fn(make(example))),
        "graph": traced.graph_text(), "ops": traced.ops, "tapes": guarded.traces, "fallbacks": guarded.fallbacks,
    }  # fmt: skip
