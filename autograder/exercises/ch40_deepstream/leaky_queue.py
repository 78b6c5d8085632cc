"""Exercise 40.leaky_queue: what a queue does when it is full and frames keep coming."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from utils.delivery.streaming import queues

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

Result = tuple[list[tuple[int, int]], list[int]]


def _check(capacity: int, mode: str) -> None:
    if capacity < 0 or mode not in ("upstream", "downstream"):
        raise ValueError("bad input")


def _answer(*, free_at: Callable[[int, int], bool] = lambda end, now: end <= now, oldest: Callable[[str], bool] = lambda mode: mode == "downstream",
            take: Callable[[deque], int] = deque.popleft, places: Callable[[int], int] = lambda capacity: capacity,
            latency: Callable[[int, int, int], int] = lambda arrival, start, end: end - arrival, abort: bool = False,
            never: bool = False, leaves: Callable[[deque], int] = deque.popleft, drop_order: Callable[[list], list] = list,
            checks: bool = True) -> Callable[..., Result]:
    """An answer with one mistake; with its defaults it is right."""

    def answer(arrivals: list[int], service: int, capacity: int, mode: str) -> Result:
        if checks:
            _check(capacity, mode)
        room, waiting, running, done, dropped = places(capacity), deque(), None, [], []

        def finish(until: float) -> None:
            nonlocal running
            while running is not None and free_at(running[1], until):
                done.append((running[0], latency(arrivals[running[0]], running[1] - service, running[1])))
                running = (take(waiting), running[1] + service) if waiting else None

        for i, now in enumerate(arrivals):
            finish(now)
            if running is None and room >= 0:
                running = (i, now + service)
            elif len(waiting) < room or never:
                waiting.append(i)
            elif oldest(mode) and abort:
                dropped.append(running[0])
                running = (waiting.popleft() if waiting else i, now + service)
                if running[0] != i:
                    waiting.append(i)
            elif oldest(mode) and waiting:
                dropped.append(leaves(waiting))
                waiting.append(i)
            else:
                dropped.append(i)
        finish(float("inf"))
        return done, drop_order(dropped)

    return answer


def _both(**rules: Any) -> tuple[Callable, Callable]:
    return _answer(**rules), _answer(checks=False, **rules)


def _cut_at_the_end(arrivals: list[int], service: int, capacity: int, mode: str) -> Result:
    """Serve everybody in thought, then strike out those who met a long queue."""
    _check(capacity, mode)
    done, dropped, ends = [], [], []
    for i, now in enumerate(arrivals):
        start = max(now, ends[-1]) if ends else now
        ahead = sum(end > now for end in ends)
        ends.append(start + service)
        if ahead > capacity:
            dropped.append(i)
        else:
            done.append((i, start + service - now))
    return done, dropped


def _pops_from_nothing(arrivals: list[int], service: int, capacity: int, mode: str) -> Result:
    """Downstream without places: takes the oldest from an empty queue."""
    _check(capacity, mode)
    if mode == "downstream" and not capacity and any(b - a < service for a, b in pairwise(arrivals)):
        deque().popleft()
    return _answer()(arrivals, service, capacity, mode)


def _lists_from_nothing(arrivals: list[int], service: int, capacity: int, mode: str) -> Result:
    """The same without checks, with a list."""
    if mode != "upstream" and capacity <= 0 and any(b - a < service for a, b in pairwise(arrivals)):
        [].pop(0)
    return _answer(checks=False)(arrivals, service, capacity, mode)


def _serves_the_newest_place(arrivals: list[int], service: int, capacity: int, mode: str) -> Result:
    """Downstream without places: takes the newcomer although the worker is busy, as if there were one place."""
    _check(capacity, mode)
    return _answer()(arrivals, service, max(capacity, 1) if mode == "downstream" else capacity, mode)


# --- other right answers ----------------------------------------------------------------------


def _by_starts(arrivals: list[int], service: int, capacity: int, mode: str) -> Result:
    """Keeps a list of waiting frames, and serves on demand from the time at which the worker is free."""
    _check(capacity, mode)
    waiting, done, dropped, free = [], [], [], float("-inf")

    def serve(limit: float) -> None:
        nonlocal free
        while waiting and max(free, arrivals[waiting[0]]) <= limit:
            first = waiting.pop(0)
            free = max(free, arrivals[first]) + service
            done.append((first, free - arrivals[first]))

    for i, now in enumerate(arrivals):
        serve(now)
        waiting.append(i)
        serve(now)
        if len(waiting) > capacity:
            dropped.append(waiting.pop(0 if mode == "downstream" and capacity else -1))
    serve(float("inf"))
    return done, dropped


def _by_pointer(arrivals: list[int], service: int, capacity: int, mode: str) -> list:
    """Two sorted lists in place of a queue object: what is admitted, and how far the worker has got."""
    if mode not in ("upstream", "downstream"):
        raise ValueError(mode)
    if capacity < 0:
        raise ValueError(capacity)
    admitted, served, ends, dropped = [], 0, [], []

    def progress(now: float) -> None:
        nonlocal served
        while served < len(admitted):
            start = max(arrivals[admitted[served]], ends[-1] if ends else arrivals[0])
            if start > now:
                break
            ends.append(start + service)
            served += 1

    for i, now in enumerate(arrivals):
        progress(now)
        busy = bool(ends) and ends[-1] > now
        if not busy or len(admitted) - served < capacity:
            admitted.append(i)
        elif mode == "downstream" and capacity > 0:
            dropped.append(admitted.pop(served))
            admitted.append(i)
        else:
            dropped.append(i)
        progress(now)
    progress(float("inf"))
    return [[(i, end - arrivals[i]) for i, end in zip(admitted, ends)], dropped]


# --- cases ------------------------------------------------------------------------------------


def _draw(rng: np.random.Generator) -> tuple:
    n = int(rng.integers(1, 22))
    gaps = 5 * rng.integers(0, int(rng.choice([3, 5, 9])), n)
    service = 5 * int(rng.integers(1, 8))
    mode = ("upstream", "downstream")[int(rng.integers(2))]
    return (int(rng.integers(0, 30)) + np.cumsum(gaps)).tolist(), service, int(rng.choice([0, 1, 1, 2, 2, 3, 4])), mode


def _show(value: Any) -> str:
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, (tuple, list)) for v in value):
        done = ", ".join(brief(v, 30) for v in value[0][:6]) + (", …" if len(value[0]) > 6 else "")
        return f"[{done}], dropped {brief(value[1], 40)}"
    return brief(value)


TEN = list(range(0, 100, 10))

leaky_queue = Exercise(
    id="40.leaky_queue", points=4, difficulty=3, minutes=20, idea="a live queue has to choose whom it loses",
    reference=queues.leaky_queue,
    cases=[Case(TEN, 25, 2, "upstream"), Case(TEN, 25, 2, "downstream")],
    hidden=[
        Case([], 5, 2, "upstream"), Case([3], 5, 0, "downstream"), Case(TEN, 10, 0, "upstream"), Case(TEN, 25, 0, "upstream"), Case(TEN, 25, 0, "downstream"),
        Case(TEN, 30, 1, "downstream"), Case(TEN, 30, 1, "upstream"), Case([0, 0, 0, 0, 0], 7, 2, "upstream"), Case([0, 0, 0, 0, 0], 7, 2, "downstream"),
        Case([0, 100, 200], 25, 1, "downstream"), Case([0, 5, 25, 30, 50], 25, 1, "downstream"), Case([0, 5, 25, 30, 50], 25, 1, "upstream"),
        Case([0, 1, 2, 3, 60, 61, 62], 10, 2, "downstream"), Case(TEN, 95, 3, "downstream"), Case(TEN, 95, 3, "upstream"),
    ],
    draw=_draw, draws=40, compare=exact(), show=_show, time_limit_s=2.0, pure=True,
    raises=[Case(TEN, 25, 2, "sideways"), Case(TEN, 25, 2, "no"), Case(TEN, 25, -1, "upstream"), Case(TEN, 25, -1, "downstream")],
    misconceptions=[
        Misconception(
            "modes_swapped", _both(oldest=lambda mode: mode == "upstream")[0],
            "Your two modes are the other way round. Upstream is where frames come from: a queue that leaks there turns the newcomer away. "
            "Downstream is where they go: it throws away the oldest that waits.",
            "Upstream and downstream are swapped.", also=_both(oldest=lambda mode: mode == "upstream")[1:]),
        Misconception(
            "counts_the_one_in_service", _both(places=lambda capacity: capacity - 1)[0],
            "You count the frame in service as waiting. The capacity is places to wait in: with capacity 0 a frame that meets an idle worker is "
            "still served.",
            "One place too few.", also=_both(places=lambda capacity: capacity - 1)[1:] + _both(places=lambda capacity: max(capacity - 1, 0))),
        Misconception(
            "one_place_too_many", _both(places=lambda capacity: capacity + 1)[0],
            "One frame more than `capacity` waits in your queue. Look at when you compare the length with the capacity: before or after you add?",
            "One place too many.", also=(*_both(places=lambda capacity: capacity + 1)[1:], _serves_the_newest_place)),
        Misconception(
            "drops_the_one_in_service", _both(abort=True)[0],
            "You throw away the frame in service. Its work would be lost: what is begun is finished. The oldest frame that *waits* has to go.",
            "Work in progress is dropped.", also=_both(abort=True)[1:]),
        Misconception(
            "cut_at_the_end", _cut_at_the_end,
            "You let everybody queue without bound, and strike frames out afterwards. A dropped frame takes no service, so the others come earlier. "
            "Decide at each arrival, with the queue as it is then.",
            "The decision comes too late."),
        Misconception(
            "newest_first", _both(take=deque.pop)[0],
            "Your worker takes the newest frame first. Video keeps its order: the oldest of those that wait is next.",
            "Last in, first out.", also=_both(take=deque.pop)[1:]),
        Misconception(
            "drops_the_newest_waiting", _both(leaves=deque.pop)[0],
            "Downstream, you drop the frame that came last before the newcomer. The oldest that waits is the stalest: it goes.",
            "The wrong end of the queue.", also=_both(leaves=deque.pop)[1:]),
        Misconception(
            "arrival_first", _both(free_at=lambda end, now: end < now)[0],
            "A frame that arrives at the very moment of a completion meets a busy worker in your simulation. The completion comes first.",
            "Equal times: completion first.", also=_both(free_at=lambda end, now: end < now)[1:]),
        Misconception(
            "wait_only", _both(latency=lambda arrival, start, end: start - arrival)[0],
            "You return how long a frame waits. Latency is wait plus service: from the arrival to the end.",
            "The service is missing.", also=(*_both(latency=lambda arrival, start, end: start - arrival)[1:],
                                             *_both(latency=lambda arrival, start, end: end))),
        Misconception(
            "drops_from_nothing", _pops_from_nothing,
            "With capacity 0 nobody waits, so there is no oldest to drop, and your code takes one from an empty queue. Then both modes drop the "
            "newcomer.",
            "No places, no oldest.", also=(_lists_from_nothing,)),
        Misconception(
            "never_drops", _both(never=True)[0],
            "Nothing is dropped, so latencies grow as long as the overload lasts. Compare the number of waiting frames with the capacity.",
            "This queue does not leak.", also=_both(never=True)[1:]),
    ],
    alternatives=[_by_starts, _by_pointer, _answer()],
    hints=(
        "Go through the arrivals in order. Keep a `deque` of waiting indices and the time at which the worker becomes free.",
        "First bring the worker up to date: while it is free by now and somebody waits, start the oldest at the time at which the worker became free.",
        "Then the newcomer: is the worker free? Is there a place? If neither, the mode decides. After the last arrival serve those who still wait.",
    ),
    worth_knowing="In both modes no latency exceeds (capacity + 1) services: a small queue is a latency bound.",
)
