"""Exercise 27.fifo_waits: one line in front of several servers."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from utils.serving import queueing

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Answer = Callable[[list[float], list[float], int], list[float]]


def _require(arrivals: list[float], services: list[float], servers: int) -> None:
    if len(arrivals) != len(services) or servers < 1 or any(b < a for a, b in pairwise(arrivals)):
        raise ValueError("bad input")


def _both(rule: Answer) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""

    def checked(arrivals: list[float], services: list[float], servers: int) -> list[float]:
        _require(arrivals, services, servers)
        return rule(arrivals, services, servers)

    return {"answer": checked, "also": (rule,)}


def _variants(rule: Answer) -> tuple[Answer, Answer]:
    return (_both(rule)["answer"], rule)


def _round_robin(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    free, waits = [0.0] * servers, []
    for i, (a, s) in enumerate(zip(arrivals, services)):
        start = max(a, free[i % servers])
        free[i % servers] = start + s
        waits.append(start - a)
    return waits


def _idle_in_turn(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """The next idle server in turn; where none is idle, the next in turn and not the first to get free."""
    free, waits, at = [0.0] * servers, [], 0
    for a, s in zip(arrivals, services):
        turn = [(at + j) % servers for j in range(servers)]
        k = next((j for j in turn if free[j] <= a), turn[0])
        start = max(a, free[k])
        free[k], at = start + s, (k + 1) % servers
        waits.append(start - a)
    return waits


def _any_idle(when_busy: Callable[[int, int], int]) -> Answer:
    """The lowest idle server; where none is idle, the one that `when_busy(times before, servers)` names."""

    def answer(arrivals: list[float], services: list[float], servers: int) -> list[float]:
        free, waits, times = [0.0] * servers, [], 0
        for a, s in zip(arrivals, services):
            k = next((j for j in range(servers) if free[j] <= a), None)
            if k is None:
                k, times = when_busy(times, servers), times + 1
            start = max(a, free[k])
            free[k] = start + s
            waits.append(start - a)
        return waits

    return answer


def _broken_heap(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """Takes from the front with pop(0) and adds with heappush: from three servers on the front need not be the smallest."""
    free, waits = [0.0] * servers, []
    for a, s in zip(arrivals, services):
        start = max(a, free.pop(0))
        heapq.heappush(free, start + s)
        waits.append(start - a)
    return waits


def _previous_finish(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """One server, whatever the number."""
    return queueing.fifo_waits(arrivals, services, 1)


def _cth_before(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """Waits for the request that came `servers` places earlier."""
    ends, waits = [], []
    for i, (a, s) in enumerate(zip(arrivals, services)):
        start = max(a, ends[i - servers]) if i >= servers else a
        ends.append(start + s)
        waits.append(start - a)
    return waits


def _faster_server(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    return queueing.fifo_waits(arrivals, [s / servers for s in services], 1)


def _negative(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """Correct starts, but an idle server's head start is told as a negative wait."""
    free, waits = [0.0] * servers, []
    for a, s in zip(arrivals, services):
        k = min(range(servers), key=lambda j: free[j])
        waits.append(free[k] - a)
        free[k] = max(a, free[k]) + s
    return waits


def _served_early(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """A server that is idle begins a request before it has come."""
    free, waits = [0.0] * servers, []
    for a, s in zip(arrivals, services):
        start = free[0]
        heapq.heapreplace(free, start + s)
        waits.append(start - a)
    return waits


def _served_early_clipped(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    return [max(0.0, w) for w in _served_early(arrivals, services, servers)]


def _started(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    return [a + w for a, w in zip(arrivals, queueing.fifo_waits(arrivals, services, servers))]


def _sojourn(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    return [s + w for s, w in zip(services, queueing.fifo_waits(arrivals, services, servers))]


def _shortest_first(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """A server that gets free takes the shortest of the waiting requests."""
    free, waits, left = [0.0] * servers, [0.0] * len(arrivals), set(range(len(arrivals)))
    while left:
        now = max(free[0], min(arrivals[i] for i in left))
        k = min((i for i in left if arrivals[i] <= now), key=lambda i: (services[i], i))
        left.remove(k)
        waits[k] = now - arrivals[k]
        heapq.heapreplace(free, now + services[k])
    return waits


def _sorted_services(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    return queueing.fifo_waits(arrivals, sorted(services), servers)


def _accepts_unsorted(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    if len(arrivals) != len(services) or servers < 1:
        raise ValueError("bad input")
    return queueing.fifo_waits(sorted(arrivals), services, servers)


def _accepts_all(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """Right for good input, and checks nothing."""
    free, waits = [0.0] * servers, []
    for a, s in zip(arrivals, services):
        start = max(a, min(free))
        free[free.index(min(free))] = start + s
        waits.append(start - a)
    return waits


def _refuses_equal(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    if any(b <= a for a, b in pairwise(arrivals)):
        raise ValueError("arrivals must increase")
    return queueing.fifo_waits(arrivals, services, servers)


def _heap(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    _require(arrivals, services, servers)
    free, waits = [0.0] * servers, []
    for a, s in zip(arrivals, services):
        start = max(a, heapq.heappop(free))
        heapq.heappush(free, start + s)
        waits.append(start - a)
    return waits


def _sorted_list(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    _require(arrivals, services, servers)
    free, waits = [float("-inf")] * servers, []
    for a, s in zip(arrivals, services):
        start = max(a, free.pop(0))
        bisect.insort(free, start + s)
        waits.append(start - a)
    return waits


def _arrays(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """Kiefer and Wolfowitz: the sorted vector of work left at each server."""
    _require(arrivals, services, servers)
    work, waits, before = np.zeros(servers), [], 0.0
    for a, s in zip(arrivals, services):
        work = np.maximum(work - (a - before), 0.0) if waits else work
        waits.append(float(work[0]))
        work[0] += s
        work, before = np.sort(work), a
    return waits


def _draw(rng: np.random.Generator) -> Case:
    n, servers = int(rng.integers(3, 16)), int(rng.integers(1, 5))
    arrivals = np.cumsum(rng.integers(0, 9, n)) / 4
    services = rng.integers(0, 8 * servers, n) / 4
    return Case(arrivals.tolist(), services.tolist(), servers)


def _long() -> Case:
    rng = np.random.default_rng(27)
    arrivals, services = np.cumsum(rng.integers(0, 9, 2000)) / 4, rng.integers(1, 26, 2000) / 4
    return Case(arrivals.tolist(), services.tolist(), 3, label="2,000 requests, 3 servers")


fifo_waits = Exercise(
    id="27.fifo_waits", points=3, difficulty=2, minutes=12, idea="the next request goes to the server that is free first",
    reference=queueing.fifo_waits,
    cases=[Case([0, 1, 2, 3], [3, 3, 1, 1], 1), Case([0, 1, 2, 3], [3, 3, 1, 1], 2), Case([0, 1, 1, 1, 2], [5, 3, 4, 1, 4], 3)],
    hidden=[
        Case([], [], 2), Case([5.0], [2.0], 1), Case([5.0], [2.0], 3), Case([0, 0, 0, 0], [4, 3, 2, 1], 2), Case([2, 2, 9], [1, 0, 3], 1),
        Case([0, 1, 2, 3, 4], [9, 1, 1, 1, 1], 2), Case([0, 0, 0, 1], [10, 10, 1, 1], 3), Case([10, 20, 30], [1, 1, 1], 1),
        Case([0, 0, 1, 1, 1], [8, 2, 4, 1, 3], 2), Case([0, 0, 0, 3, 3, 3], [6, 2, 6, 1, 6, 1], 3), Case([1, 2], [5, 5], 7), _long(),
    ],
    draw=_draw, draws=30, compare=close(1e-9, 1e-9),
    raises=[Case([0, 1], [1], 1), Case([], [1], 1), Case([1, 0], [1, 1], 1), Case([0, 2, 1, 3], [1, 1, 1, 1], 2), Case([0, 1], [1, 1], 0),
            Case([0], [1], -1)],
    misconceptions=[
        Misconception(
            "round_robin", _both(_round_robin)["answer"],
            "You hand the requests out in turn. Waiting for the request that came `servers` places earlier is the same. Then one waits "
            "behind a long request while another server is idle. Here all wait in one line, and the first of it goes to the "
            "server that is free first.",
            "Each server has its own line.", also=(_round_robin, *_variants(_cth_before))),
        Misconception(
            "idle_or_in_turn", _both(_idle_in_turn)["answer"],
            "You find an idle server where there is one. Where all are busy you take a fixed one, or the next in turn, and another one gets "
            "free before it. Take the server whose time is the smallest.",
            "All are busy: which one is free first?", also=(
                _idle_in_turn, *_variants(_any_idle(lambda times, servers: 0)), *_variants(_any_idle(lambda times, servers: times % servers)))),
        Misconception(
            "front_is_not_smallest", _both(_broken_heap)["answer"],
            "You take the front of your list with `pop(0)`, and from three servers on that is not always the smallest time. A heap has to be "
            "taken from with `heapq.heappop` or `heapq.heapreplace`: these put the next smallest in front.",
            "The front is not the smallest.", also=(_broken_heap,)),
        Misconception(
            "one_server", **_both(_previous_finish),
            message="You compare with the end of the request before. It may sit on another server. Keep the time at which *every* "
                    "server is free.",
            title="The other servers are forgotten."),
        Misconception(
            "one_fast_server", **_both(_faster_server),
            message="You use one server that is `servers` times as fast. A request runs on one server at that server's speed.",
            title="Two servers are not one of twice the speed."),
        Misconception(
            "negative_waits", **_both(_negative),
            message="Some waits are negative. When a server is idle it waits for the request, not the other way round.",
            title="A wait is never negative."),
        Misconception(
            "begins_too_early", _served_early_clipped,
            "A request begins on your server before it has come. The start is the later of two times: the arrival, and when the "
            "server is free. Only then add the service.",
            "A request is served before it comes.", also=(_both(_served_early_clipped)["answer"], *_variants(_served_early))),
        Misconception(
            "start_times", **_both(_started),
            message="You return when each service starts, on the clock. A wait is counted from the request's own arrival.",
            title="The arrival was not subtracted."),
        Misconception(
            "sojourn", **_both(_sojourn),
            message="You return wait plus service. Asked is the wait alone.",
            title="The service time was added."),
        Misconception(
            "shortest_first", **_both(_shortest_first),
            message="You take the shortest of the waiting requests first, or sort the services. That is another discipline: asked is "
                    "first come, first served.",
            title="This is not first come, first served."),
        Misconception(
            "sorted_services", **_both(_sorted_services),
            message="You sort the services. Each service belongs to the request at the same place in `arrivals`.",
            title="The services changed places."),
        Misconception(
            "repairs_the_order", _accepts_unsorted,
            "You sort arrivals that are out of order. Then each service belongs to another request, and the mistake goes "
            "unseen. Refuse them with a ValueError.",
            "Unsorted arrivals were repaired."),
        Misconception(
            "accepts_all", _accepts_all,
            "The waits are right, and bad input is not refused. Look at what the text says about ValueError: lists of different "
            "lengths, arrivals out of order, no server.",
            "Bad input was accepted."),
        Misconception(
            "refuses_equal_times", _both(_refuses_equal)["answer"],
            "You refuse requests that come at the same time. That is allowed: the one earlier in the list is served first.",
            "Equal arrivals are refused.", also=(_refuses_equal,)),
    ],
    alternatives=[_heap, _sorted_list, _arrays],
    hints=(
        "Keep a list with one number a server: when it is free. At the start all are 0.",
        "The next request takes the smallest of them and starts at the later of that and its arrival.",
        "Put its end back into the list. `heapq.heapreplace` does both in one step.",
    ),
    worth_knowing="Kiefer and Wolfowitz described this recursion in 1955. With one server it is the one that Lindley wrote down in 1952.",
)
