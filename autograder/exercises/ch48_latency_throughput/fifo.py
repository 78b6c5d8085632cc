"""Exercise 48.fifo: wait plus service at one first-come-first-served server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from utils.serving import queueing

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _require(arrivals: list[float], service: list[float]) -> None:
    if len(arrivals) != len(service):
        raise ValueError("one service time a request")
    if any(b < a for a, b in pairwise(arrivals)):
        raise ValueError("arrivals must be sorted")


def _queue(result: Callable[[float, float, float], float], *, start: Callable[..., float] = lambda a, end, begun: max(a, end),
           check: bool = True) -> Callable[[list[float], list[float]], list[float]]:
    """A loop with a rule for the start, of (arrival, previous end, previous start), and one for what is returned, of
    (arrival, start, service)."""

    def answer(arrivals: list[float], service: list[float]) -> list[float]:
        if check:
            _require(arrivals, service)
        end, begun, told = 0.0, 0.0, []
        for arrival, needs in zip(arrivals, service):
            begun = start(arrival, end, begun)
            end = begun + needs
            told.append(result(arrival, begun, needs))
        return told

    return answer


def _both(result: Callable[[float, float, float], float], **rules: Callable) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""
    return {"answer": _queue(result, **rules), "also": (_queue(result, **rules, check=False),)}


def _sojourn(arrival: float, begun: float, needs: float) -> float:
    return begun + needs - arrival


def _previous_alone(arrivals: list[float], service: list[float]) -> list[float]:
    """Takes the request before for one that never waited itself."""
    if not arrivals:
        return []
    free = [0.0, *(a + s for a, s in zip(arrivals, service))]
    return [max(a, f) + s - a for a, f, s in zip(arrivals, free, service)]


def _previous_alone_checked(arrivals: list[float], service: list[float]) -> list[float]:
    _require(arrivals, service)
    return _previous_alone(arrivals, service)


def _strictly_sorted(arrivals: list[float], service: list[float]) -> list[float]:
    if len(arrivals) != len(service) or any(b <= a for a, b in pairwise(arrivals)):
        raise ValueError("arrivals must be strictly increasing")
    return queueing.fifo(arrivals, service)


def _sorts(arrivals: list[float], service: list[float]) -> list[float]:
    if len(arrivals) != len(service):
        raise ValueError("one service time a request")
    return queueing.fifo(sorted(arrivals), service)


def _shortest_first(arrivals: list[float], service: list[float]) -> list[float]:
    """Whenever the server is free it takes the shortest of the waiting requests."""
    _require(arrivals, service)
    told, open_ones, now = [0.0] * len(arrivals), set(range(len(arrivals))), 0.0
    while open_ones:
        waiting = [i for i in open_ones if arrivals[i] <= now]
        if not waiting:
            now = min(arrivals[i] for i in open_ones)
            continue
        i = min(waiting, key=lambda k: (service[k], k))
        open_ones.remove(i)
        now += service[i]
        told[i] = now - arrivals[i]
    return told


def _running_maximum(arrivals: list[float], service: list[float]) -> list[float]:
    """Vectorised: the end is all work so far, put off by the latest idle period."""
    _require(arrivals, service)
    a, s = np.array(arrivals, float), np.array(service, float)
    work = np.cumsum(s)
    return (np.maximum.accumulate(a - work + s) + work - a).tolist() if len(a) else []


def _backlog(arrivals: list[float], service: list[float]) -> list[float]:
    """Lindley in waits: w' = max(0, w + s - gap)."""
    _require(arrivals, service)
    told, wait = [], 0.0
    for i in range(len(arrivals)):
        if i:
            wait = max(0.0, wait + service[i - 1] - (arrivals[i] - arrivals[i - 1]))
        told.append(wait + service[i])
    return told


def _events(arrivals: list[float], service: list[float]) -> list[float]:
    """Jumps from event to event with an explicit queue."""
    _require(arrivals, service)
    queue, told, free, i = deque(), [0.0] * len(arrivals), 0.0, 0
    while queue or i < len(arrivals):
        if not queue:
            free = max(free, arrivals[i])
        while i < len(arrivals) and arrivals[i] <= free:
            queue.append(i)
            i += 1
        served = queue.popleft()
        free += service[served]
        told[served] = free - arrivals[served]
    return told


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(2, 14))
    arrivals = np.cumsum(rng.exponential(1.0, n) * (rng.random(n) > 0.2))
    service = rng.exponential(float(rng.choice([0.4, 0.8, 1.2])), n)
    return Case(np.round(arrivals, 2).tolist(), np.round(service, 2).tolist(), label=f"{n} requests")


fifo = Exercise(
    id="48.fifo", points=4, difficulty=2, minutes=12, idea="start when both you and the server are ready",
    reference=queueing.fifo,
    cases=[Case([0, 0.1, 0.2], [0.5, 0.1, 0.1]), Case([0, 1, 5], [2, 2, 1])],
    hidden=[
        Case([], []), Case([3.0], [0.5]), Case([2, 10, 20], [1, 1, 1]), Case([0, 0, 0, 0], [1, 2, 3, 4]),
        Case([1, 1, 4, 4], [2, 0.5, 0.25, 1]), Case([0, 1, 2, 3], [3, 3, 1, 1]), Case([0, 1, 2], [0, 0, 0]),
        Case([0, 10, 11, 12, 30], [5, 4, 0.5, 0.5, 2]), Case([5, 5.5], [1, 1]), Case([0, 1, 1.5, 2, 20, 20.5], [6, 1, 3, 2, 4, 1]),
    ],
    draw=_draw, draws=30,
    raises=[Case([1, 0], [1, 1]), Case([0, 2, 1], [1, 1, 1]), Case([0, 5, 4.9, 6], [9, 1, 1, 1]), Case([0, 1], [1]), Case([0], [1, 1]),
            Case([], [1])],
    compare=close(1e-9, 1e-9),
    misconceptions=[
        Misconception(
            "no_idle_time", **_both(_sojourn, start=lambda a, end, begun: end),
            message="You let each request start at the end of the one before it, even if it has not come yet. A request that finds "
                    "the server idle starts when it arrives. Look at a gap between the arrivals.",
            title="A request starts before it comes."),
        Misconception(
            "previous_start", _queue(_sojourn, start=lambda a, end, begun: max(a, begun)),
            "Every latency is its own service time: nobody waits. Either your clock starts with the service, as in a closed loop, "
            "or you compare the arrival with the *start* of the request before. The server is free only at its end.",
            "Two requests are served at once.",
            also=(_queue(_sojourn, start=lambda a, end, begun: max(a, begun), check=False), _queue(lambda a, begun, needs: needs),
                  _queue(lambda a, begun, needs: needs, check=False))),
        Misconception(
            "wait_only", **_both(lambda a, begun, needs: begun - a),
            message="You return the wait before service. Latency is what the caller sees: the wait and the service.",
            title="The service time is missing."),
        Misconception(
            "end_times", **_both(lambda a, begun, needs: begun + needs),
            message="You return the times at which the requests end, on the clock of the server. A latency is counted from the "
                    "request's own arrival.",
            title="The arrival was not subtracted."),
        Misconception(
            "waits_for_all_before", **_both(lambda a, begun, needs: begun + needs, start=lambda a, end, begun: end),
            message="You add up the service times. That is the latency only if all requests come at time 0. The arrivals have to "
                    "enter: a request starts when it has come and the server is free.",
            title="The arrivals are ignored."),
        Misconception(
            "previous_alone", _previous_alone_checked,
            "You take arrival plus service for the end of the request before. It may have waited itself, and then it ends later. "
            "Keep the real end of each request and use it for the next one.",
            "Waits add up along the queue.", also=(_previous_alone,)),
        Misconception(
            "refuses_equal_times", _strictly_sorted,
            "You refuse requests that come at the same time. Equal arrivals are fine: the one earlier in the list is "
            "served first.",
            "Equal arrivals are refused."),
        Misconception(
            "shortest_first", _shortest_first,
            "You serve the shortest of the waiting requests first. That lowers the mean and lets long requests wait. Asked is "
            "first come, first served.",
            "This queue is not first come, first served."),
        Misconception(
            "sorts_arrivals", _sorts,
            "You sort the arrivals when they are out of order. Then each service time belongs to another request, and the mistake of "
            "the caller goes unseen. Refuse them with a ValueError.",
            "Unsorted arrivals were repaired."),
    ],
    alternatives=[_running_maximum, _backlog, _events],
    hints=(
        "Go through the requests in order and keep one number: when the server becomes free.",
        "A request starts at the later of two times: its arrival, and the end of the request before it.",
        "Its latency is that start plus its service minus its arrival.",
    ),
    worth_knowing="This recursion is Lindley's (1952). A load generator that knows it can check its own measurements.",
)
