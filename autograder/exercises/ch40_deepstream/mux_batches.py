"""Exercise 40.mux_batches: when a stream muxer pushes, and what is in the batch."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from utils.delivery.streaming import muxer

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

Events = list[tuple[int, int]]
Batches = list[tuple[int, list[int]]]
INF = float("inf")


def _refuse(events: Events, batch_size: int, timeout_us: int) -> None:
    if batch_size < 1 or timeout_us < -1 or any(b[0] < a[0] for a, b in pairwise(events)):
        raise ValueError("bad input")


def _answer(*, late: Callable[[int, float], bool] = lambda t, deadline: t >= deadline, pushed: Callable[[int, float], float] = lambda t, deadline: deadline,
            filled: Callable[[int, int, float], float] = lambda t, first, deadline: t, restart: bool = False,
            deadline_of: Callable[[int, int], float] = lambda t, timeout: t + timeout if timeout >= 0 else INF,
            last: Callable[[int, float], float | None] = lambda t, deadline: deadline if deadline < INF else t,
            closes: Callable[[int, list[int]], bool] = lambda source, batch: False, checks: bool = True) -> Callable[..., Batches]:
    """An answer with one mistake; with its defaults it is right."""

    def answer(events: Events, batch_size: int, timeout_us: int) -> Batches:
        if checks:
            _refuse(events, batch_size, timeout_us)
        batches: Batches = []
        batch: list[int] = []
        deadline, first, t = INF, 0, 0
        for t, source in events:
            if batch and late(t, deadline):
                batches.append((pushed(t, deadline), batch))
                batch = []
            if batch and closes(source, batch):
                batches.append((t, batch))
                batch = []
            if not batch or restart:
                deadline, first = deadline_of(t, timeout_us), t if not batch else first
            batch.append(source)
            if len(batch) == batch_size:
                batches.append((filled(t, first, deadline), batch))
                batch = []
        if batch and last(t, deadline) is not None:
            batches.append((last(t, deadline), batch))
        return batches

    return answer


def _pair(**rules: Any) -> tuple[Callable, Callable]:
    """The mistake with bad input refused, and without."""
    return _answer(**rules), _answer(checks=False, **rules)


def _ticking(from_first: bool) -> Callable[..., Batches]:
    """A clock that flushes once in `timeout_us`, whoever waits."""

    def answer(events: Events, batch_size: int, timeout_us: int) -> Batches:
        _refuse(events, batch_size, timeout_us)
        origin = events[0][0] if from_first and events else 0

        def tick(t: int, timeout: int) -> float:
            if timeout <= 0:
                return t if timeout == 0 else INF
            return origin + ((t - origin) // timeout + 1) * timeout

        return _answer(deadline_of=tick)(events, batch_size, timeout_us)

    return answer


def _held_back(events: Events, batch_size: int, timeout_us: int) -> Batches:
    found = muxer.mux_events([muxer.Event(t, s) for t, s in events], batch_size, timeout_us, 1)
    return [(b.push_us, b.sources) for b in found]


def _replaced(events: Events, batch_size: int, timeout_us: int) -> Batches:
    """A camera's newer frame takes the place of its older one in the batch."""
    _refuse(events, batch_size, timeout_us)
    batches, batch, deadline, t = [], [], INF, 0
    for t, source in events:
        if batch and t >= deadline:
            batches.append((deadline, batch))
            batch = []
        if not batch:
            deadline = t + timeout_us if timeout_us >= 0 else INF
        if source in batch:
            batch.remove(source)
        batch.append(source)
        if len(batch) == batch_size:
            batches.append((t, batch))
            batch = []
    if batch:
        batches.append((deadline if timeout_us >= 0 else t, batch))
    return batches


# --- other right answers ----------------------------------------------------------------------


def _by_slices(events: Events, batch_size: int, timeout_us: int) -> Batches:
    """From batch to batch: how many of the next `batch_size` arrive before the deadline of the first?"""
    _refuse(events, batch_size, timeout_us)
    batches, i = [], 0
    while i < len(events):
        deadline = events[i][0] + timeout_us if timeout_us >= 0 else INF
        group = [events[i]] + [e for e in events[i + 1 : i + batch_size] if e[0] < deadline]
        push = group[-1][0] if len(group) == batch_size or deadline == INF else deadline
        batches.append((push, [s for _, s in group]))
        i += len(group)
    return batches


def _by_heap(events: Events, batch_size: int, timeout_us: int) -> Batches:
    """An event queue in which deadlines come before arrivals of the same time; old deadlines are ignored."""
    _refuse(events, batch_size, timeout_us)
    moments: list[tuple[float, int, int, int]] = [(t, 1, i, s) for i, (t, s) in enumerate(events)]
    heapq.heapify(moments)
    batches, batch, number = [], [], 0
    while moments:
        now, kind, which, source = heapq.heappop(moments)
        if kind == 0:
            if which == number and batch:
                batches.append((now, batch))
                batch, number = [], number + 1
            continue
        batch.append(source)
        if len(batch) == batch_size:
            batches.append((now, batch))
            batch, number = [], number + 1
        elif len(batch) == 1 and timeout_us >= 0:
            heapq.heappush(moments, (now + timeout_us, 0, number, -1))
    if batch:
        batches.append((events[-1][0], batch))
    return batches


def _as_lists(events: Events, batch_size: int, timeout_us: int) -> list[list]:
    return [[push, list(sources)] for push, sources in _by_slices(events, batch_size, timeout_us)]


# --- cases ------------------------------------------------------------------------------------


def _draw(rng: np.random.Generator) -> tuple:
    """Multiples of 5, so that arrivals often fall on a deadline."""
    n = int(rng.integers(1, 24))
    gaps = 5 * rng.integers(0, int(rng.choice([2, 4, 9])), n) * (rng.random(n) > 0.15)
    times = (int(rng.integers(0, 40)) + np.cumsum(gaps)).tolist()
    sources = rng.integers(0, int(rng.integers(1, 5)), n).tolist()
    timeout = int(rng.choice([-1, 0, 5, 10, 20, 20, 35, 60]))
    return list(zip(times, sources)), int(rng.integers(1, 7)), timeout


def _show(value: Any) -> str:
    pairs = isinstance(value, list) and all(isinstance(b, (tuple, list)) and len(b) == 2 for b in value)
    if not pairs or len(value) < 6:
        return brief(value)
    return f"[{', '.join(brief(b) for b in value[:5])}, …]"


def _events(times: Iterable[int]) -> Events:
    return [(t, i % 2) for i, t in enumerate(times)]


TRAFFIC = [(0, 0), (5, 1), (33, 0), (38, 1), (66, 0)]

mux_batches = Exercise(
    id="40.mux_batches", points=4, difficulty=2, minutes=20, idea="a batch leaves when it is full or its first frame has waited enough",
    reference=muxer.mux_batches,
    cases=[Case(TRAFFIC, 2, 20), Case(TRAFFIC, 4, 20), Case(TRAFFIC, 4, 40)],
    hidden=[
        Case([], 3, 20), Case([(7, 2)], 3, 20), Case([(7, 2)], 1, 20), Case([(7, 2)], 3, -1), Case(TRAFFIC, 4, -1), Case(TRAFFIC, 9, -1),
        Case(TRAFFIC, 4, 0), Case(TRAFFIC, 4, 5), Case(TRAFFIC, 1, 20), Case([(0, 0), (20, 1), (40, 0), (60, 1)], 4, 20),
        Case([(0, 0), (0, 1), (0, 2), (0, 0), (0, 1)], 2, 0), Case([(3, 0), (3, 1), (3, 0)], 2, 0), Case(_events(range(0, 100, 10)), 16, 35),
        Case([(0, 0), (8, 0), (16, 0), (24, 1), (32, 0)], 4, 100), Case([(100, 1), (104, 0), (130, 1)], 3, 30), Case([(12, 0), (13, 1), (26, 1)], 4, 10),
        Case([(0, 0), (30, 1), (31, 0), (90, 1)], 3, 30), Case([(5, 0), (9, 0), (9, 1), (50, 1)], 3, -1),
    ],
    draw=_draw, draws=40, compare=exact(), show=_show, time_limit_s=2.0, pure=True,
    raises=[Case(TRAFFIC, 0, 20), Case(TRAFFIC, -1, 20), Case(TRAFFIC, 2, -2), Case([(5, 0), (4, 1)], 2, 20), Case([(0, 0), (9, 1), (8, 0), (10, 1)], 9, -1)],
    misconceptions=[
        Misconception(
            "counted_from_the_last", _pair(restart=True)[0],
            "Every arrival starts your timeout anew. A steady stream would then postpone the push for ever. The clock belongs to the first frame of "
            "the batch.",
            "The timeout is counted from the last frame.", also=_pair(restart=True)[1:]),
        Misconception(
            "fixed_tick", _ticking(False),
            "You push at the ticks of a fixed clock. A frame that comes just before a tick would go alone. The clock starts when the first frame "
            "of a batch arrives.",
            "The batch has no clock of its own.", also=(_ticking(True),)),
        Misconception(
            "next_arrival", _pair(pushed=lambda t, deadline: t)[0],
            "An overdue batch leaves only when the next frame arrives, and that may take long: a quiet camera must not delay the others. Push at "
            "the deadline itself.",
            "The deadline waits for an arrival.",
            also=(*_pair(pushed=lambda t, deadline: t)[1:], *_pair(pushed=lambda t, deadline: t, last=lambda t, deadline: t))),
        Misconception(
            "one_per_camera", _pair(closes=lambda source, batch: source in batch)[0],
            "You allow each camera one frame in a batch. Here a fast camera may take several places: only the size and the clock end a batch.",
            "A camera may come twice.",
            also=(*_pair(closes=lambda source, batch: source in batch)[1:], _held_back, _replaced)),
        Misconception(
            "last_batch_lost", _pair(last=lambda t, deadline: None)[0],
            "The frames that wait when the list ends are gone. Every frame leaves in exactly one batch: count what goes in and what comes out.",
            "The last batch is lost.", also=_pair(last=lambda t, deadline: None)[1:]),
        Misconception(
            "joins_at_the_deadline", _pair(late=lambda t, deadline: t > deadline)[0],
            "A frame that arrives exactly at the deadline joins the old batch. The text lets the old batch go first; look at arrivals and "
            "deadlines of the same time.",
            "The deadline itself is too late.", also=_pair(late=lambda t, deadline: t > deadline)[1:]),
        Misconception(
            "waits_though_full", _pair(filled=lambda t, first, deadline: deadline if deadline < INF else t)[0],
            "A full batch still waits for its deadline. Nobody else fits in: it leaves with the arrival that fills it.",
            "A full batch waits.",
            also=(*_pair(filled=lambda t, first, deadline: deadline if deadline < INF else t)[1:], *_pair(filled=lambda t, first, deadline: first))),
        Misconception(
            "ends_with_the_list", _pair(last=lambda t, deadline: t)[0],
            "The last batch leaves at the time of the last event. The muxer doesn't know that no frame follows: it waits until the deadline. Only "
            "without a timeout there is nothing else to go by.",
            "The end comes too early.", also=_pair(last=lambda t, deadline: t)[1:]),
        Misconception(
            "minus_one_as_a_time", _pair(deadline_of=lambda t, timeout: t + timeout, last=lambda t, deadline: deadline)[0],
            "You compute with -1 as if it were a time. It means: no deadline.",
            "-1 is no time.",
            also=(*_pair(deadline_of=lambda t, timeout: t + timeout, last=lambda t, deadline: deadline)[1:],
                  *_pair(deadline_of=lambda t, timeout: t + max(timeout, 0), last=lambda t, deadline: deadline))),
    ],
    alternatives=[_by_slices, _by_heap, _as_lists, _pair()[0]],
    hints=(
        "Keep two things: the sources in the current batch, and its deadline. Set the deadline when the batch gets its first frame.",
        "For each event: is there a batch whose deadline has come? Push that first, with the deadline as its time. Then add the frame. Is the batch full now?",
        "With `timeout_us=-1` a deadline of `float('inf')` saves a special case, apart from the last batch.",
    ),
    worth_knowing="With more places than frames that come within the timeout, no batch fills, and each waits for the whole timeout.",
)
