"""Exercise 21.batcher_schedule: when a dynamic batcher starts, and whom it takes along."""

from __future__ import annotations

import bisect
import heapq
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.serving.batching import batcher

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception

PROBE = "ch21_static_vs_dynamic_batching.schedule"
INF = float("inf")
Service = Callable[[int], float]


def _full_at(arrivals: list[float], first: int, max_batch: int) -> float:
    """When the request comes that fills the batch."""
    return arrivals[first + max_batch - 1] if first + max_batch <= len(arrivals) else INF


def _start(arrivals: list[float], first: int, free: float, max_batch: int, max_delay: float) -> float:
    return max(free, min(arrivals[first] + max_delay, _full_at(arrivals, first, max_batch)))


def _come(arrivals: list[float], first: int, start: float, max_batch: int) -> int:
    return min(max_batch, bisect.bisect_right(arrivals, start) - first)


def _batches(*, start: Callable[..., float] = _start, come: Callable[..., int] = _come, cost: Callable[[Service, int], float] = lambda s, n: s(n),
             told: Callable[[float, int, float], tuple] = lambda start, size, finish: (start, size, finish)) -> Callable:
    """An answer with one mistake; with its defaults it is right."""

    def answer(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> list[tuple]:
        found, first, free = [], 0, 0.0
        while first < len(arrivals):
            begun = start(arrivals, first, free, max_batch, max_delay)
            size = max(1, come(arrivals, first, begun, max_batch))
            free = begun + cost(service, size)
            found.append(told(begun, size, free))
            first += size
        return found

    return answer


def _delay_after_free(arrivals: list[float], first: int, free: float, max_batch: int, max_delay: float) -> float:
    return max(free, min(max(free, arrivals[first]) + max_delay, _full_at(arrivals, first, max_batch)))


def _debounced(arrivals: list[float], first: int, free: float, max_batch: int, max_delay: float) -> float:
    """Every arrival starts the delay anew, until the batch is full."""
    last = first
    while last + 1 < len(arrivals) and arrivals[last + 1] <= arrivals[last] + max_delay and last - first + 1 < max_batch:
        last += 1
    return max(free, arrivals[last] if last - first + 1 == max_batch else arrivals[last] + max_delay)


def _when_full(arrivals: list[float], first: int, free: float, max_batch: int, max_delay: float) -> float:
    return max(free, arrivals[min(first + max_batch, len(arrivals)) - 1])


def _only_full(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> list[tuple]:
    """Full batches alone; what is left over is never served."""
    return [b for b in _batches(start=_when_full)(arrivals, max_batch, max_delay, service) if b[1] == max_batch]


def _filler_too_late(arrivals: list[float], first: int, free: float, max_batch: int, max_delay: float) -> float:
    return max(free, min(arrivals[first] + max_delay, arrivals[first + max_batch] if first + max_batch < len(arrivals) else INF))


def _filler_too_soon(arrivals: list[float], first: int, free: float, max_batch: int, max_delay: float) -> float:
    return max(free, min(arrivals[first] + max_delay, _full_at(arrivals, first, max(max_batch - 1, 1))))


def _until_the_end(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> list[tuple]:
    """Requests may join a batch that is running."""
    found, first, free = [], 0, 0.0
    while first < len(arrivals):
        start = _start(arrivals, first, free, max_batch, max_delay)
        size = _come(arrivals, first, start, max_batch)
        size = _come(arrivals, first, start + service(size), max_batch)
        free = start + service(size)
        found.append((start, size, free))
        first += size
    return found


def _nothing_for_nothing(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> Any:
    return batcher.batcher_schedule(arrivals, max_batch, max_delay, service) or None


def _latencies(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> list[float]:
    rest, told = list(arrivals), []
    for _, size, finish in batcher.batcher_schedule(arrivals, max_batch, max_delay, service):
        told += [finish - a for a in rest[:size]]
        del rest[:size]
    return told


def _with_a_queue(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> list[tuple]:
    """Requests move from the future into a queue, and from there into batches."""
    future, queue, found, free = deque(arrivals), deque(), [], 0.0
    while future or queue:
        if not queue:
            queue.append(future.popleft())
        # up to the moment at which the oldest has waited long enough, or the server is free, whichever is later
        limit = max(free, queue[0] + max_delay)
        while future and len(queue) < max_batch and future[0] <= limit:
            queue.append(future.popleft())
        start = max(free, queue[-1] if len(queue) == max_batch else limit)
        while future and len(queue) < max_batch and future[0] <= start:
            queue.append(future.popleft())
        size = len(queue)
        free = start + service(size)
        found.append((start, size, free))
        queue.clear()
    return found


def _with_events(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> list[list[float]]:
    """A heap of moments at which something may start; at each of them the state is looked at."""
    moments = [*arrivals, *(a + max_delay for a in arrivals)]
    heapq.heapify(moments)
    found, served, free = [], 0, -INF
    while served < len(arrivals):
        now = heapq.heappop(moments)
        waiting = sum(1 for a in arrivals[served:] if a <= now)
        if waiting and free <= now and (waiting >= max_batch or now >= arrivals[served] + max_delay):
            size = min(waiting, max_batch)
            free = now + service(size)
            found.append([now, size, free])
            served += size
            heapq.heappush(moments, free)
    return found


def _with_searchsorted(arrivals: list[float], max_batch: int, max_delay: float, service: Service) -> list[tuple]:
    times, found, i, free = np.array(arrivals, float), [], 0, 0.0
    latest = times + max_delay
    filled = np.append(times[max_batch - 1 :], np.full(min(max_batch - 1, len(times)), np.inf))
    ready = np.minimum(latest, filled)
    while i < len(times):
        start = max(free, float(ready[i]))
        j = min(i + max_batch, int(np.searchsorted(times, start, side="right")))
        free = start + service(j - i)
        found.append((start, j - i, free))
        i = j
    return found


def _case(arrivals: list[float], max_batch: int, max_delay: float, costs: list[float], service: str = "") -> Case:
    told = service or ", ".join(f"{c:g}" for c in costs)
    times = ", ".join(f"{a:g}" for a in arrivals[:10]) + (", …" if len(arrivals) > 10 else "")
    return Case(arrivals=arrivals, max_batch=max_batch, max_delay=max_delay, costs=costs,
                label=f"arrivals {times or 'none'}; max_batch {max_batch}, max_delay {max_delay:g}, service {told}")


def _affine(arrivals: list[float], max_batch: int, max_delay: float, a: float = 4, b: float = 1) -> Case:
    return _case(arrivals, max_batch, max_delay, [a + b * n for n in range(1, max_batch + 1)], f"{a:g} + {b:g}·n")


def _draw(rng: np.random.Generator) -> Case:
    """Quarters, which binary floats hold exactly: whether a request comes just in time is never in doubt."""
    n, max_batch = int(rng.integers(1, 22)), int(rng.integers(1, 6))
    gaps = rng.integers(0, int(rng.choice([6, 16, 40])), n) * (rng.random(n) > 0.2)
    delay = float(rng.choice([0, 0.25, 1, 2.5, 4, 8, 20]))
    costs = rng.integers(1, 20) / 4 + np.cumsum(rng.integers(0, 8, max_batch)) / 4
    return _case((np.cumsum(gaps) / 4).tolist(), max_batch, delay, costs.tolist())


def _show(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(b, (tuple, list)) and len(b) == 3 for b in value):
        shown = ", ".join(f"({', '.join(f'{v:g}' if isinstance(v, (int, float)) else brief(v) for v in b)})" for b in value[:5])
        return f"[{shown}{', …' if len(value) > 5 else ''}]"
    return brief(value)


TRAFFIC = [0, 1, 2, 3, 10, 11, 30]

batcher_schedule = Exercise(
    id="21.batcher_schedule", points=5, difficulty=3, minutes=22, idea="a batch starts when it is full or its oldest request is impatient",
    reference=batcher.batcher_schedule, probe=PROBE,
    cases=[_affine(TRAFFIC, 4, 5), _affine(TRAFFIC, 4, 0)],
    hidden=[
        _affine([], 4, 5), _affine([7], 4, 5), _affine([7], 1, 5), _affine([0, 0, 0, 0, 0], 2, 3), _affine([0, 0, 0, 0, 0], 5, 0), _affine([0, 0], 4, 3),
        _affine([0, 1, 2, 3, 4, 5, 6, 7, 8], 3, 2, 5, 0.5), _affine([0, 2, 4, 6, 8], 8, 4), _affine([0, 4, 8], 8, 4, 1, 0.25), _affine([0, 5, 6], 4, 5),
        _affine([0, 3, 6, 9, 12, 15], 4, 3.5, 0.5, 0), _affine([0, 0.25, 9, 9.25, 9.5], 3, 2, 8, 0.25), _affine([0, 1, 5, 5.5, 6, 6.5], 3, 2, 5, 0),
        _case([0, 1, 2, 3, 4, 5], 3, 10, [9.0, 2.0, 7.5]), _affine([0, 1, 2, 3], 1, 4, 0.5, 0.5), _affine([0, 1, 20, 21, 22, 40], 3, 6, 0, 1),
        _affine([0, 10, 10.25, 10.5, 11], 4, 1, 10, 0),
    ],
    draw=_draw, draws=40, compare=close(1e-9), show=_show, time_limit_s=2.0,
    misconceptions=[
        Misconception(
            "waits_though_full", _batches(start=lambda arrivals, first, free, max_batch, max_delay: max(free, arrivals[first] + max_delay)),
            "You wait for the whole delay even when the batch is full. Nobody else fits in, so there is nothing to wait for: look at "
            "when the request comes that fills it.",
            "A full batch waits."),
        Misconception(
            "delay_after_free", _batches(start=_delay_after_free),
            "Your delay begins when the server becomes free. A request has been waiting since it came: count from its arrival. If the "
            "server was busy that long, the batch starts at once.",
            "The delay starts too late.",
            also=(_batches(start=lambda arrivals, first, free, max_batch, max_delay: max(free, arrivals[first]) + max_delay),)),
        Misconception(
            "takes_the_future", _batches(come=lambda arrivals, first, start, max_batch: min(max_batch, len(arrivals) - first)),
            "You always take `max_batch` requests along. Some of them have not come yet when the batch starts. Compare their arrivals "
            "with the start.",
            "The batch holds requests of the future."),
        Misconception(
            "joins_while_running", _until_the_end,
            "Requests join a batch that is running already. Its input was put together at the start; who comes later waits for the next "
            "one.",
            "Too late for this batch."),
        Misconception(
            "only_full", _batches(start=_when_full),
            "You start only when a batch is full (the last one apart), however long the oldest request has waited. After `max_delay` it "
            "starts with those who are there.",
            "The delay has no end.", also=(_only_full,)),
        Misconception(
            "newest_counts", _batches(start=_debounced),
            "Each arrival starts your delay anew. With steady traffic the oldest request may wait without end. The delay belongs to the "
            "oldest request.",
            "The delay is counted from the newest request."),
        Misconception(
            "not_at_the_start", _batches(come=lambda arrivals, first, start, max_batch: min(max_batch, bisect.bisect_left(arrivals, start) - first)),
            "A request that comes at the very start of a batch is left behind. It is in, as the text says.",
            "The start itself counts."),
        Misconception(
            "ignores_the_server", _batches(start=lambda arrivals, first, free, max_batch, max_delay: min(
                arrivals[first] + max_delay, _full_at(arrivals, first, max_batch))),
            "Your batches overlap. There is one server: a batch can't start before the one ahead of it has ended.",
            "Two batches at once.",
            also=(_batches(start=lambda arrivals, first, free, max_batch, max_delay: _start(arrivals, first, 0.0, max_batch, max_delay)),)),
        Misconception(
            "filler_too_late", _batches(start=_filler_too_late),
            "Your batch waits for one request more than it can hold. Count: if the oldest is number i in the list, which index has the request "
            "that fills the batch?",
            "The filler is off by one."),
        Misconception(
            "filler_too_soon", _batches(start=_filler_too_soon),
            "Your batch starts as soon as one place is left. Count: if the oldest is number i in the list, which index has the request "
            "that fills the batch?",
            "The filler is off by one."),
        Misconception(
            "no_limit", _batches(come=lambda arrivals, first, start, max_batch: bisect.bisect_right(arrivals, start) - first),
            "You take everyone who waits. A batch holds at most `max_batch` requests; the others stay in the queue.",
            "The batch is too large."),
        Misconception(
            "pays_for_full", lambda arrivals, max_batch, max_delay, service: _batches(cost=lambda s, n: s(max_batch))(
                arrivals, max_batch, max_delay, service),
            "Each batch takes as long as a full one. That is a model with a fixed batch, padded. Here a batch of n takes `service(n)`.",
            "A smaller batch costs less."),
        Misconception(
            "one_after_the_other", _batches(cost=lambda s, n: n * s(1)),
            "You pay for every request by itself. A batch of n takes `service(n)`: to share the fixed cost is what it is for.",
            "The batch saves nothing."),
        Misconception(
            "duration_for_finish", _batches(told=lambda start, size, finish: (start, size, finish - start)),
            "The third entry is how long the batch takes. Asked is when it ends.",
            "A duration is not a time."),
        Misconception(
            "latencies", _latencies,
            "You return latencies of requests. Asked is a tuple for each batch: start, size, finish.",
            "Batches are asked, not requests."),
        Misconception(
            "none_for_nothing", _nothing_for_nothing,
            "Without arrivals there are no batches: the answer is an empty list, not None.",
            "No arrivals, no batches."),
    ],
    alternatives=[_with_a_queue, _with_events, _with_searchsorted],
    hints=(
        "Keep two numbers: the index i of the oldest request that waits, and the time at which the server is free.",
        "On a free server the batch would start at the earlier of arrivals[i] + max_delay and arrivals[i + max_batch − 1], if there is such a "
        "request. If the server is busy then, it starts when the server is free.",
        "Count from i on while the arrival is at most the start, up to `max_batch`. That is the size. Then i moves on by it.",
    ),
    worth_knowing="At high load the delay hardly matters: while one batch runs, the next one fills up by itself.",
)
