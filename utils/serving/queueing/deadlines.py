"""One server, deadlines and more load than it can carry: who still gets an answer in time."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative, positive

DEADLINE_POLICIES = ("fifo", "shed", "lifo")


@dataclass(frozen=True)
class GoodputResult:
    """Indices of the requests that were answered in time, how many were run, and how many were not."""

    good: tuple[int, ...]
    completed: int
    rejected: int


def simulate_goodput(arrivals_s: ArrayLike, service_s: float, deadline_s: float, policy: str,
                     capacity: int | None = None) -> GoodputResult:
    """One server with a constant service time; a request is good if it ends at most `deadline_s` after it came.

    "fifo" runs all in order. "shed" skips a request, at no cost, that can't end in time when its turn comes. "lifo"
    takes the newest that waits, and never interrupts. `capacity` is the largest number that may wait: an arrival that
    finds so many is refused. What comes at t is queued before the server picks at t. Raises ValueError for another
    policy, unsorted arrivals, or times that are not positive.
    """
    arrivals = np.asarray(arrivals_s, np.float64).tolist()
    _check_policy(policy)
    positive(service_s=service_s, deadline_s=deadline_s)
    if any(b < a for a, b in itertools.pairwise(arrivals)):
        raise ValueError("arrivals_s must be sorted, got a time before the one ahead of it")
    room = len(arrivals) if capacity is None else capacity
    waiting: deque[int] = deque()
    good, completed, rejected, i, free = [], 0, 0, 0, float("-inf")
    while waiting or i < len(arrivals):
        now = free if waiting else max(free, arrivals[i])
        while i < len(arrivals) and arrivals[i] <= now:
            if len(waiting) < room or (not waiting and arrivals[i] >= free):  # the server itself is a place
                waiting.append(i)
            else:
                rejected += 1
            i += 1
        if not waiting:
            continue
        k = waiting.pop() if policy == "lifo" else waiting.popleft()
        if policy == "shed" and now + service_s > arrivals[k] + deadline_s:
            rejected += 1
            free = max(free, now)
            continue
        free, completed = now + service_s, completed + 1
        if free <= arrivals[k] + deadline_s:
            good.append(k)
    return GoodputResult(tuple(sorted(good)), completed, rejected)


def goodput(arrivals: list[float], service: float, deadline: float, policy: str) -> list[int]:
    """Indices, ascending, of the requests that end within `deadline` of their arrival, at one server.

    See `simulate_goodput`; all times in one unit. Raises ValueError for a policy other than "fifo", "shed", "lifo".

    >>> goodput([0, 5, 10, 15], 10, 25, "shed")
    [0, 1, 2, 3]
    """
    return list(simulate_goodput(arrivals, service, deadline, policy).good)


def _check_policy(policy: str) -> None:
    if policy not in DEADLINE_POLICIES:
        raise ValueError(f"policy must be one of {DEADLINE_POLICIES}, got {policy!r}")


# --- clients that try again -------------------------------------------------------------------


@dataclass(frozen=True)
class OverloadRun:
    """Times in s of every try, of every answer in time, and the number of tries in the queue at each arrival of one."""

    tries_s: np.ndarray
    good_s: np.ndarray
    queue_len: np.ndarray  # as long as tries_s


def simulate_overload(arrivals_s: Sequence[float], service_s: float, deadline_s: float, policy: str,
                      retries: int = 0) -> OverloadRun:
    """One server whose clients give up after `deadline_s` and try again at once, up to `retries` times each.

    The server does not hear that a client has given up. Under "fifo" and "lifo" it runs the try all the same; "shed"
    skips what can't end in time. Raises ValueError as `simulate_goodput` does, and for negative retries.
    """
    _check_policy(policy)
    positive(service_s=service_s, deadline_s=deadline_s)
    non_negative(retries=retries)
    # (time, order, tries left): a try that is not answered comes back at its deadline
    tries = [(t, i, retries) for i, t in enumerate(np.asarray(arrivals_s, np.float64).tolist())]
    heapq.heapify(tries)
    waiting: deque[tuple[float, int]] = deque()  # (sent, number of the try)
    sent_s, good_s, queue, answered, number, free = [], [], [], set(), len(tries), float("-inf")
    back: list[tuple[float, int, int]] = []  # (deadline, number of the try, tries left)
    while tries or waiting or back:
        nexts = [heap[0][0] for heap in (tries, back) if heap]
        if waiting and (not nexts or free <= min(nexts)):
            sent, k = waiting.pop() if policy == "lifo" else waiting.popleft()
            start = max(free, sent)
            if policy == "shed" and start + service_s > sent + deadline_s:
                continue
            free = start + service_s
            if free <= sent + deadline_s:
                answered.add(k)
                good_s.append(free)
            continue
        if back and (not tries or back[0][0] <= tries[0][0]):
            due, k, left = heapq.heappop(back)
            if k not in answered:
                number += 1
                heapq.heappush(tries, (due, number, left))
            continue
        now, k, left = heapq.heappop(tries)
        sent_s.append(now)
        queue.append(len(waiting))
        waiting.append((now, k))
        if left:
            heapq.heappush(back, (now + deadline_s, k, left - 1))
    return OverloadRun(np.array(sent_s), np.array(good_s), np.array(queue))
