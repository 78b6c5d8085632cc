"""Exercise 48.capacity: the batch size that a latency objective allows."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.cost import rates

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Cost = Callable[[int], float]
PROBE = "ch48_latency_throughput.capacity"


def _search(*, worst: Callable[[float], float] = lambda cost: 2 * cost, per_s: Callable[[int, float], float] | None = None,
            better: Callable[[tuple, tuple], bool] = lambda new, old: new[1] > old[1], strict: bool = False, stop: bool = False,
            sizes: Callable[[int], range | list] = lambda top: range(1, top + 1), told: Callable | None = None) -> Callable:
    """A search with one mistake; with its defaults it is right. `better` compares (batch, throughput) pairs."""

    def answer(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float]:
        best = None
        for batch in sizes(max_batch):
            cost = batch_cost_ms(batch)
            meets = worst(cost) < slo_ms if strict else worst(cost) <= slo_ms
            if not meets:
                if stop:
                    break
                continue
            new = (batch, (per_s or _per_s)(batch, cost))
            if best is None or better(new, best):
                best = new
        if best is None:
            return 0, 0.0
        return best if told is None else (best[0], told(best[0], batch_cost_ms(best[0])))

    return answer


def _per_s(batch: int, cost: float) -> float:
    return batch / cost * 1000


def _refuses(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float]:
    batch, per_s = rates.capacity(batch_cost_ms, max_batch, slo_ms)
    if batch == 0:
        raise ValueError("no batch size meets the objective")
    return batch, per_s


def _none_for_none(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float] | None:
    batch, per_s = rates.capacity(batch_cost_ms, max_batch, slo_ms)
    return (batch, per_s) if batch else None


def _bisection(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float]:
    """Takes the costs for sorted."""
    batch = bisect.bisect_right(range(1, max_batch + 1), slo_ms, key=lambda b: 2 * batch_cost_ms(b))
    return (batch, _per_s(batch, batch_cost_ms(batch))) if batch else (0, 0.0)


def _with_max(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float]:
    allowed = [b for b in range(1, max_batch + 1) if batch_cost_ms(b) <= slo_ms / 2]
    best = max(allowed, key=lambda b: b / batch_cost_ms(b), default=0)
    return best, 1e3 * best / batch_cost_ms(best) if best else 0.0


def _with_numpy(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float]:
    sizes = np.arange(1, max_batch + 1)
    costs = np.array([batch_cost_ms(int(b)) for b in sizes], dtype=float)
    per_s = np.where(2 * costs <= slo_ms, sizes / costs * 1000, 0.0)
    at = int(np.argmax(per_s))
    return (int(sizes[at]), float(per_s[at])) if per_s[at] > 0 else (0, 0.0)


def _from_above(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float]:
    best = (0, 0.0)
    for batch in range(max_batch, 0, -1):
        cost_s = batch_cost_ms(batch) / 1000
        if 2000 * cost_s <= slo_ms * (1 + 1e-12) and batch / cost_s >= best[1]:
            best = batch, batch / cost_s
    return best


def _in_seconds(batch_cost_ms: Cost, max_batch: int, slo_ms: float) -> tuple[int, float]:
    """Compares throughputs that were computed in seconds: equal ones must stay equal."""
    best = (0, 0.0)
    for batch in range(1, max_batch + 1):
        cost_s = batch_cost_ms(batch) / 1000
        if 2 * cost_s <= slo_ms / 1000 and batch / cost_s > best[1]:
            best = batch, batch / cost_s
    return best


def _case(costs: list[float], slo_ms: float, label: str = "", max_batch: int = 0) -> Case:
    max_batch = max_batch or len(costs)
    told = label or f"costs {', '.join(f'{c:g}' for c in costs[:8])}{', …' if len(costs) > 8 else ''} ms, objective {slo_ms:g} ms"
    return Case(costs=costs, max_batch=max_batch, slo_ms=slo_ms, label=told)


def _affine(a: float, b: float, max_batch: int, slo_ms: float) -> Case:
    return _case([a + b * n for n in range(1, max_batch + 1)], slo_ms, f"cost {a:g} + {b:g}·B ms, up to {max_batch}, objective {slo_ms:g} ms")


def _has_near_ties(costs: np.ndarray) -> bool:
    """Whether two throughputs are so close that the order of the arithmetic decides."""
    rates_sorted = np.sort(np.arange(1, len(costs) + 1) / costs)
    return bool(np.any(np.diff(rates_sorted) < 1e-9 * rates_sorted[1:]))


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a millisecond: twice a cost is exact, and the objective is often met exactly."""
    while True:
        n = int(rng.integers(1, 17))
        costs = rng.integers(4, 40) + np.cumsum(rng.integers(0, 12, n)) / 4 if rng.random() < 0.5 else rng.integers(8, 160, n) / 4
        if _has_near_ties(costs):
            continue
        slo = float(2 * rng.choice(costs)) if rng.random() < 0.5 else float(rng.integers(8, 200)) / 2
        return _case(costs.tolist(), slo)


def _tie_cost(n: int) -> float:
    """2, 4, 9, 8, 99, 99, 99, 16: batches of 1, 2, 4 and 8 have one throughput, exactly in binary."""
    return {1: 2.0, 2: 4.0, 3: 9.0, 4: 8.0, 8: 16.0}.get(n, 99.0)


def _show(value: Any) -> str:
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return f"({value[0]}, {float(value[1]):,.1f})"
    return str(value)


capacity = Exercise(
    id="48.capacity", points=5, difficulty=3, minutes=20, idea="throughput is worth what its latency allows",
    reference=rates.capacity, probe=PROBE,
    cases=[_affine(4, 0.5, 64, 40), _case([10.0, 12.0, 20.0, 18.0], 36, "costs 10, 12, 20, 18 ms for B = 1 to 4, objective 36 ms")],
    hidden=[
        _affine(4, 0.5, 64, 8.9), _affine(4, 0.5, 64, 9), _affine(4, 0.5, 64, 1000), _affine(4, 0.5, 31, 40), _affine(5, 0, 8, 10),
        _case([_tie_cost(n) for n in range(1, 9)], 40), _case([_tie_cost(n) for n in range(1, 9)], 15.5), _case([5.0], 10), _case([5.0], 9.5),
        _case([3.0, 3.25, 3.5, 20.0, 4.0, 4.25], 8.5), _case([3.0, 3.25, 3.5, 20.0, 21.0, 22.0], 44), _case([9.0, 5.0, 12.0], 10.5),
        _case([4.0, 9.0, 30.0], 100), _case([6.0, 7.0, 8.0, 9.0, 10.0], 20), _case([1.0, 8.0, 9.0], 18.5), _case([30.0, 10.0, 11.0, 9.0], 30),
        _case([10.0, 19.99], 100), _case([10.0, 20.01], 100),
    ],
    draw=_draw, draws=40, compare=close(1e-9), show=_show,
    misconceptions=[
        Misconception(
            "one_batch_only", _search(worst=lambda cost: cost),
            "You compare the cost of one batch with the objective. A request that comes just after a batch has started waits for "
            "all of it, and is then served in the next one.",
            "A request may wait for a whole batch first.", also=(_search(worst=lambda cost: cost, stop=True),)),
        Misconception(
            "half_a_batch", _search(worst=lambda cost: 1.5 * cost),
            "You charge half a batch for the wait. That is the average. The objective has to hold for the request that comes at the worst "
            "moment.",
            "The average is not the worst case."),
        Misconception(
            "largest_batch", _search(better=lambda new, old: new[0] > old[0]),
            "You take the largest batch that meets the objective. In a measured table a larger batch may cost out of "
            "proportion. Compare throughputs.",
            "The largest batch is not always the fastest.", also=(_search(better=lambda new, old: new[0] > old[0], stop=True), _bisection)),
        Misconception(
            "stops_at_the_first_miss", _search(stop=True),
            "You stop at the first size that misses the objective. Measured costs need not grow: a size that suits the kernels may "
            "cost less than a smaller one. Look at all sizes.",
            "A larger batch may cost less."),
        Misconception(
            "batches_per_second", _search(per_s=lambda batch, cost: 1000 / cost),
            "This counts batches per second, and it favours the smallest cost. Each batch completes B requests.",
            "Batches, not requests.", also=(_search(told=lambda batch, cost: 1000 / cost), _search(per_s=lambda batch, cost: 1 / cost))),
        Misconception(
            "per_millisecond", _search(per_s=lambda batch, cost: batch / cost),
            "The costs are in milliseconds, and the throughput is asked in requests per second.",
            "Requests per millisecond.", also=(_search(told=lambda batch, cost: batch / cost / 1000), _search(told=lambda batch, cost: batch / cost * 1e6))),
        Misconception(
            "per_latency", _search(told=lambda batch, cost: batch / (2 * cost) * 1000),
            "You divide by the latency of a request. The server ends one batch in each cost, whatever a request has waited: batches follow "
            "back to back.",
            "Throughput is not 1 / latency."),
        Misconception(
            "strictly_below", _search(strict=True),
            "A latency equal to the objective meets it. You ask for less.",
            "The objective itself is allowed."),
        Misconception(
            "larger_of_equals", _search(better=lambda new, old: new[1] >= old[1]),
            "Of equal throughputs you take the larger batch. The smaller one gives each request a shorter wait at no price.",
            "Of equals, the smaller."),
        Misconception(
            "last_size_left_out", _search(sizes=lambda top: range(1, top)),
            "`max_batch` itself is allowed. Python's ranges leave out their end.",
            "The largest size was not tried."),
        Misconception(
            "powers_of_two", _search(sizes=lambda top: [2**k for k in range(top.bit_length()) if 2**k <= top]),
            "You try powers of two alone. Any size from 1 to `max_batch` may be the best one.",
            "Other sizes exist."),
        Misconception(
            "nothing_for_none", _refuses,
            "When no size meets the objective you raise an error or return None. Asked is the pair (0, 0.0): the caller has to decide "
            "what to do then.",
            "No size is an answer too.", also=(_none_for_none,)),
    ],
    alternatives=[_with_max, _with_numpy, _from_above, _in_seconds],
    hints=(
        "Go through all sizes from 1 to `max_batch`. Skip those whose worst latency is above the objective.",
        "Worst case: the request just missed a batch. It waits for that batch and is served with the next one.",
        "Batches follow back to back, so B requests end in every `batch_cost_ms(B)` milliseconds. Keep the best, and start from (0, 0.0).",
    ),
    worth_knowing="The same search with measured costs is how a server's maximum batch is chosen: see the experiment below.",
)
