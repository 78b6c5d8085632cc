"""Exercise 47.keep_alive_cost: what a timeout costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from utils.serving import model_cache

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _refuse(gaps: Sequence[float], *values: float) -> None:
    if any(v < 0 for v in (*gaps, *values)):
        raise ValueError("nothing may be negative")


def _per_gap(cost: Callable[[float, float, float, float], float], check: Callable[..., None] = _refuse) -> Callable:
    """An answer from the cost of one gap, of (gap, timeout, hold, reload)."""

    def answer(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
        check(gaps, timeout, hold_cost, reload_cost)
        return math.fsum(cost(g, timeout, hold_cost, reload_cost) for g in gaps)

    return answer


def _both(cost: Callable[..., float]) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""
    return {"answer": _per_gap(cost), "also": (_per_gap(cost, lambda *a: None),)}


def _right(g: float, t: float, hold: float, reload: float) -> float:
    return min(g, t) * hold + (reload if g > t else 0)


def _first_load(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    return model_cache.keep_alive_cost(gaps, timeout, hold_cost, reload_cost) + reload_cost


def _holds_after_the_last(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    more = timeout * hold_cost if gaps and timeout < math.inf else 0
    return model_cache.keep_alive_cost(gaps, timeout, hold_cost, reload_cost) + more


def _finite_only(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    if math.isinf(timeout):
        raise ValueError("timeout must be finite")
    return model_cache.keep_alive_cost(gaps, timeout, hold_cost, reload_cost)


def _infinite_is_nan(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    """Multiplies a false comparison with infinity."""
    _refuse(gaps, timeout, hold_cost, reload_cost)
    return sum((g > timeout) * (timeout * hold_cost + reload_cost) + (g <= timeout) * g * hold_cost for g in gaps)


# --- other right answers ----------------------------------------------------------------------------


def _with_numpy(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    g = np.asarray(gaps, dtype=float)
    if (g < 0).any() or min(timeout, hold_cost, reload_cost) < 0:
        raise ValueError("negative")
    return float(np.minimum(g, timeout).sum() * hold_cost + (g > timeout).sum() * reload_cost)


def _loop(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    if timeout < 0 or hold_cost < 0 or reload_cost < 0:
        raise ValueError("negative")
    total = 0
    for gap in gaps:
        if gap < 0:
            raise ValueError("negative gap")
        total += gap * hold_cost if gap <= timeout else timeout * hold_cost + reload_cost
    return total


def _sorted(gaps: list[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    """All short gaps are held; the others cost one and the same."""
    _refuse(gaps, timeout, hold_cost, reload_cost)
    ordered = sorted(gaps)
    short = sum(1 for g in ordered if g <= timeout)
    long = len(ordered) - short
    return hold_cost * sum(ordered[:short]) + (long * (hold_cost * timeout + reload_cost) if long else 0)


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a second: equal gap and timeout happen, and are exact."""
    gaps = (rng.integers(0, 80, int(rng.integers(1, 9))) / 4).tolist()
    timeout = float(rng.choice(gaps)) if rng.random() < 0.5 else float(rng.integers(0, 80)) / 4
    if rng.random() < 0.1:
        timeout = math.inf
    return Case(gaps, timeout, float(rng.integers(1, 9)) / 2, float(rng.integers(0, 40)) / 2)


GAPS = [1, 2, 30, 0.5, 8]

keep_alive_cost = Exercise(
    id="47.keep_alive_cost", points=3, difficulty=1, minutes=6, idea="rent by the second, or pay for the reload",
    reference=model_cache.keep_alive_cost,
    cases=[Case(GAPS, 0, 1, 5), Case(GAPS, 5, 1, 5), Case(GAPS, math.inf, 1, 5)],
    hidden=[Case([], 5, 1, 5), Case([], math.inf, 1, 5), Case([4, 4, 4], 4, 1, 3), Case([3, 5], 4, 2, 10), Case([0, 0], 0, 1, 5), Case([7], 3, 0, 5),
            Case([7, 2], 3, 2, 0), Case([6, 1, 12], 2.5, 2, 5), Case([10, 20], 8, 0.5, 4), Case([2.5], math.inf, 3, 9)],
    draw=_draw, draws=30, compare=close(1e-9, 1e-12),
    raises=[Case([1, -1], 5, 1, 5), Case([1], -1, 1, 5), Case([1], 5, -1, 5), Case([1], 5, 1, -5), Case([], -1, 1, 5)],
    misconceptions=[
        Misconception(
            "holds_the_whole_gap", **_both(lambda g, t, hold, reload: g * hold + (reload if g > t else 0)),
            message="You pay for holding over the whole gap, also after the timeout. From then on the memory is free.",
            title="Holding ends at the timeout."),
        Misconception(
            "reloads_at_equality", **_both(lambda g, t, hold, reload: min(g, t) * hold + (reload if g >= t else 0)),
            message="A request that comes exactly at the timeout still finds the model. It is dropped only when the gap is longer.",
            title="At the timeout it is still there."),
        Misconception(
            "evicted_for_nothing", **_both(lambda g, t, hold, reload: reload if g > t else g * hold),
            message="A gap longer than the timeout costs the reload *and* the seconds for which the model was held in vain.",
            title="The wait before the eviction costs too."),
        Misconception(
            "optimum", **_both(lambda g, t, hold, reload: min(g * hold, reload)),
            message="You take the cheaper of the two for each gap. That is the optimum of one who knows the future. A timeout does not know how "
                    "long the gap will be.",
            title="This knows the future."),
        Misconception(
            "always_reloads", **_both(lambda g, t, hold, reload: min(g, t) * hold + reload),
            message="Every gap is charged with a reload. When the next request comes before the timeout, the model is still there.",
            title="A kept model needs no reload."),
        Misconception(
            "seconds_not_cost", **_both(lambda g, t, hold, reload: min(g, t) + (reload if g > t else 0)),
            message="You add seconds to a cost. Holding costs `hold_cost` for each second.",
            title="The holding cost is missing."),
        Misconception(
            "first_load", _first_load,
            "You also charge the load before the first request. Asked is what happens between requests; without gaps the cost is 0.",
            "One load too many."),
        Misconception(
            "after_the_last", _holds_after_the_last,
            "You also hold the model after the last request. Only the gaps between two requests count.",
            "There is no gap after the last request."),
        Misconception(
            "infinite_timeout", _finite_only,
            "An infinite timeout is allowed: it means that the model is never dropped. Infinity times a comparison that is false is not 0 "
            "but not a number.",
            "For ever is a timeout too.", also=(_infinite_is_nan,)),
        Misconception(
            "accepts_negatives", _per_gap(_right, lambda *a: None),
            "Negative gaps and costs go through. They come from a wrong clock or a wrong sign, and have to be refused.",
            "Negative values are accepted.",
            also=(_per_gap(_right, lambda gaps, *values: _refuse([], *values)), _per_gap(_right, lambda gaps, *values: _refuse(gaps)))),
    ],
    alternatives=[_with_numpy, _loop, _sorted],
    hints=("One gap at a time: for how many seconds is the model held in it?", "min(g, timeout) seconds of holding, and the reload only when g > timeout."),
    worth_knowing="With a timeout of reload_cost / hold_cost the result is never more than twice the optimum, whatever the gaps.",
)
