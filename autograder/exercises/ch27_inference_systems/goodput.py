"""Exercise 27.goodput: who gets an answer in time when there is too much to do."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

import numpy as np

from utils.serving import queueing

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

POLICIES = ("fifo", "shed", "lifo")
Answer = Callable[[list[float], float, float, str], list[int]]


def _require(policy: str) -> None:
    if policy not in POLICIES:
        raise ValueError("policy must be fifo, shed or lifo")


def _server(*, skips: Callable[..., bool] | None = None, good: Callable[..., bool] | None = None, skip_cost: float = 0.0,
            pick: Callable[[deque, str], int] | None = None, late: Callable[[float, float], bool] | None = None, told: str = "good",
            in_order_served: bool = False) -> Answer:
    """An event loop with rules for its steps; with its defaults it is right.

    skips(now, arrival, service, deadline, waiting) for "shed"; good(start, end, arrival, deadline); pick takes from the
    queue; late(arrival, now) tells whether an arrival is queued before the server picks at `now`; told is "good" or
    "served"; skip_cost is the share of a service that a skipped request costs.
    """
    skips = skips or (lambda now, a, s, d, waiting: now + s > a + d)
    good = good or (lambda start, end, a, d: end <= a + d)
    pick = pick or (lambda waiting, policy: waiting.pop() if policy == "lifo" else waiting.popleft())
    late = late or (lambda a, now: a <= now)

    def answer(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
        _require(policy)
        waiting, found, i, free = deque(), [], 0, float("-inf")
        while waiting or i < len(arrivals):
            now = free if waiting else max(free, arrivals[i])
            while i < len(arrivals) and (late(arrivals[i], now) or (not waiting and arrivals[i] <= now)):
                waiting.append(i)
                i += 1
            k = pick(waiting, policy)
            if policy == "shed" and skips(now, arrivals[k], service, deadline, len(waiting)):
                free = now + skip_cost * service
                continue
            free = now + service
            if told == "served" or good(now, free, arrivals[k], deadline):
                found.append(k)
        return found if in_order_served else sorted(found)

    return answer


def _preemptive(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """Under "lifo" a newcomer interrupts the request in service, which goes on later."""
    _require(policy)
    if policy != "lifo":
        return queueing.goodput(arrivals, service, deadline, policy)
    stack, ends, now = [], {}, 0.0
    for i, a in enumerate([*arrivals, float("inf")]):
        while stack and now + stack[-1][1] <= a:
            k, left = stack.pop()
            now += left
            ends[k] = now
        if stack:
            stack[-1][1] -= a - now
        now = a
        if i < len(arrivals):
            stack.append([i, float(service)])
    return sorted(k for k, end in ends.items() if end <= arrivals[k] + deadline)


def _drops_after(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """Serves everything and leaves out the late answers: "shed" is "fifo"."""
    _require(policy)
    return queueing.goodput(arrivals, service, deadline, "lifo" if policy == "lifo" else "fifo")


def _never_idle(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """The server begins at 0 and never waits for a request."""
    _require(policy)
    if policy == "lifo":
        return queueing.goodput(arrivals, service, deadline, policy)
    found, free = [], 0.0
    for k, a in enumerate(arrivals):
        if policy == "shed" and free + service > a + deadline:
            continue
        free += service
        if free <= a + deadline:
            found.append(k)
    return found


def _any_policy(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """Takes an unknown policy for "fifo"."""
    return queueing.goodput(arrivals, service, deadline, policy if policy in POLICIES else "fifo")


def _always(fixed: str) -> Answer:
    """One policy, whatever is asked."""

    def answer(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
        _require(policy)
        return queueing.goodput(arrivals, service, deadline, fixed)

    return answer


def _lifo_by_all(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """Under "lifo" serves the requests of the whole list from its end."""
    _require(policy)
    if policy != "lifo":
        return queueing.goodput(arrivals, service, deadline, policy)
    found, free = [], 0.0
    for k in reversed(range(len(arrivals))):
        free = max(free, arrivals[k]) + service
        if free <= arrivals[k] + deadline:
            found.append(k)
    return sorted(found)


def _lifo_sheds(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """Under "lifo" too a late request is skipped at no cost."""
    _require(policy)
    if policy != "lifo":
        return queueing.goodput(arrivals, service, deadline, policy)
    waiting, found, i, free = [], [], 0, float("-inf")
    while waiting or i < len(arrivals):
        now = free if waiting else max(free, arrivals[i])
        while i < len(arrivals) and arrivals[i] <= now:
            waiting.append(i)
            i += 1
        k = waiting.pop()
        if now + service <= arrivals[k] + deadline:
            found.append(k)
            now += service
        free = now
    return sorted(found)


def _short_queue(limit: int) -> Callable[..., bool]:
    return lambda now, a, s, d, waiting: waiting >= limit


def _two_loops(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """Without a queue where the order is that of the arrivals, with a stack for "lifo"."""
    _require(policy)
    found, free = [], 0.0
    if policy != "lifo":
        for k, a in enumerate(arrivals):
            end = max(a, free) + service
            if policy == "fifo" or end <= a + deadline:
                free = end
            if end <= a + deadline:
                found.append(k)
        return found
    stack, i = [], 0
    while stack or i < len(arrivals):
        if not stack:
            free = max(free, arrivals[i])
        while i < len(arrivals) and arrivals[i] <= free:
            stack.append(i)
            i += 1
        k = stack.pop()
        free += service
        if free - arrivals[k] <= deadline:
            found.append(k)
    return sorted(found)


def _heap(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """One heap for all policies: the key is the index, negative for "lifo"."""
    _require(policy)
    sign = -1 if policy == "lifo" else 1
    waiting, good, i, now = [], set(), 0, 0.0
    while waiting or i < len(arrivals):
        if not waiting:
            now = max(now, arrivals[i])
        while i < len(arrivals) and arrivals[i] <= now:
            heapq.heappush(waiting, sign * i)
            i += 1
        k = sign * heapq.heappop(waiting)
        in_time = now + service <= arrivals[k] + deadline
        if in_time:
            good.add(k)
        if in_time or policy != "shed":
            now += service
    return sorted(good)


def _draw(rng: np.random.Generator) -> Case:
    n, service = int(rng.integers(4, 18)), int(rng.integers(2, 12))
    arrivals = np.cumsum(rng.integers(0, 2 * service if rng.random() < 0.4 else service + 2, n))
    return Case(arrivals.tolist(), service, int(rng.integers(service, 6 * service)), str(rng.choice(POLICIES)))


_EVERY_5 = list(range(0, 50, 5))

goodput = Exercise(
    id="27.goodput", points=4, difficulty=3, minutes=18, idea="a late answer is no answer",
    reference=queueing.goodput,
    cases=[Case(_EVERY_5, 10, 25, "fifo"), Case(_EVERY_5, 10, 25, "shed"), Case(_EVERY_5, 10, 25, "lifo")],
    hidden=[
        *(Case([], 3, 9, policy) for policy in POLICIES), *(Case([4], 3, 3, policy) for policy in POLICIES),
        *(Case([0, 0, 0, 0, 0], 4, 9, policy) for policy in POLICIES), *(Case([4], 5, 3, policy) for policy in POLICIES),
        *(Case([0, 20, 40, 60], 10, 10, policy) for policy in POLICIES), *(Case([3, 3, 7, 7, 8, 30, 30, 31], 4, 8, policy) for policy in POLICIES),
        *(Case([0, 1, 10, 10, 20], 10, 20, policy) for policy in POLICIES), *(Case([0, 2, 4, 6, 8, 50], 10, 12, policy) for policy in POLICIES),
        *(Case([k * 9 for k in range(300)], 10, 40, policy, label=f"300 requests every 9, 10 each, {policy}") for policy in POLICIES),
    ],
    draw=_draw, draws=40, compare=exact(),
    raises=[Case([0, 1], 1, 5, "FIFO"), Case([0, 1], 1, 5, "edf"), Case([], 1, 5, ""), Case([0], 1, 5, "sheds")],
    misconceptions=[
        Misconception(
            "queue_length", _server(skips=_short_queue(3)),
            "You skip a request because many wait. The test is whether this one can still end in time: now plus service against "
            "its arrival plus the deadline.",
            "The length of the queue is not the deadline.", also=(_server(skips=_short_queue(2)), _server(skips=_short_queue(1)))),
        Misconception(
            "drops_after_serving", _drops_after,
            "Under \"shed\" a request that can't end in time takes up your server all the same: it is served and left out afterwards, "
            "or its skipping costs a service. Then the next ones become late too. Decide before the service begins, and look at "
            "the next one in the same instant.",
            "The time was spent on a request that was dropped.", also=(_server(skip_cost=1.0),)),
        Misconception(
            "counts_completions", _server(told="served"),
            "You list every request that is served. Goodput counts those that end in time.",
            "A late answer was counted."),
        Misconception(
            "waits_in_time", _server(good=lambda start, end, a, d: start <= a + d, skips=lambda now, a, s, d, w: now > a + d),
            "You compare the *start* with the deadline. The answer must be finished in time: the service counts.",
            "The service time is missing.",
            also=(_server(good=lambda start, end, a, d: start <= a + d), _server(skips=lambda now, a, s, d, w: now > a + d))),
        Misconception(
            "strict_deadline", _server(good=lambda start, end, a, d: end < a + d, skips=lambda now, a, s, d, w: now + s >= a + d),
            "A request that ends exactly at its deadline is in time.",
            "The deadline itself was refused.", also=(_server(good=lambda start, end, a, d: end < a + d), _server(skips=lambda now, a, s, d, w: now + s >= a + d))),
        Misconception(
            "interrupts", _preemptive,
            "Under \"lifo\" a newcomer interrupts the request in service. The server finishes what it has begun, and then takes the "
            "newest that waits.",
            "The running request was interrupted."),
        Misconception(
            "picks_before_queueing", _server(late=lambda a, now: a < now),
            "A request that comes in the very instant in which the server picks is not in your queue yet. The text queues it first.",
            "An arrival at the same instant was missed."),
        Misconception(
            "equal_times_reversed", _server(pick=lambda waiting, policy: waiting.pop() if policy in ("lifo", "shed") else waiting.popleft()),
            "You take the newest request under \"shed\" too. \"shed\" keeps the order of the arrivals.",
            "Shedding changed the order."),
        Misconception(
            "never_idle", _never_idle,
            "Your server works on requests that have not come yet. It begins at the later of two times: when it is free, and when "
            "the request comes.",
            "The server is never idle."),
        Misconception(
            "lifo_from_the_end", _lifo_by_all,
            "Under \"lifo\" you go through the whole list from its end. The newest request is the newest of those that *wait* when the "
            "server is free.",
            "The last request has not come yet."),
        Misconception(
            "lifo_sheds", _lifo_sheds,
            "You skip late requests under \"lifo\" as well. Only \"shed\" skips: the other two serve everything, late or not.",
            "Only one policy skips."),
        Misconception(
            "order_of_service", _server(in_order_served=True),
            "You return the requests in the order in which they were served. Asked are the indices in ascending order.",
            "The indices are not sorted."),
        Misconception(
            "policy_ignored", _always("shed"),
            "Your answer does not depend on `policy`. Three things differ: which end of the queue is taken, whether a request "
            "that would be late is skipped, and whether the server's time passes.",
            "The policy is ignored.",
            also=(_always("fifo"), _always("lifo"), *(lambda a, s, d, p, one=one: queueing.goodput(a, s, d, one) for one in POLICIES))),
        Misconception(
            "any_policy", _any_policy,
            "An unknown policy is served as \"fifo\". Raise ValueError, so that a typing mistake is seen.",
            "An unknown policy was accepted."),
    ],
    alternatives=[_two_loops, _heap, _server()],
    hints=(
        "Keep the clock, the index of the next arrival, and a list of what waits. Loop while something waits or is still to come.",
        "If nothing waits, move the clock to the next arrival. Then queue everything that has come by now, and only then pick.",
        "Only three things differ: which end of the queue is taken, whether a late one is skipped, and whether the clock moves.",
    ),
    worth_knowing="Facebook's services switched to newest-first when a queue formed (B. Maurer, Fail at Scale, 2015): the newest request is the one "
                  "whose user still waits.",
)
