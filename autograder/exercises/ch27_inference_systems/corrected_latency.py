"""Exercise 27.corrected_latency: one client on a schedule, timed in two ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.serving import queueing

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Pair = tuple[list[float], list[float]]
Answer = Callable[[float, list[float]], Pair]


def _require(period: float, services: list[float]) -> None:
    if not period > 0 or any(s < 0 for s in services):
        raise ValueError("bad input")


def _checked(rule: Answer) -> Answer:
    """The same answer with the refusals."""

    def checked(period: float, services: list[float]) -> Pair:
        _require(period, services)
        return rule(period, services)

    return checked


def _both(rule: Answer) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""
    return {"answer": _checked(rule), "also": (rule,)}


def _right(period: float, services: list[float]) -> list[float]:
    return queueing.corrected_latency(period, services)[1]


def _adds_period(period: float, services: list[float]) -> Pair:
    return list(services), [s + period for s in services]


def _stall_only(period: float, services: list[float]) -> Pair:
    """Nobody but the slow ones is late."""
    return list(services), list(services)


def _drops_missed(period: float, services: list[float]) -> Pair:
    """Requests that were due while the client waited are left out."""
    free, kept, told = 0.0, [], []
    for k, s in enumerate(services):
        if k * period < free:
            continue
        free = k * period + s
        kept.append(s)
        told.append(s)
    return kept, told


def _resets(period: float, services: list[float]) -> Pair:
    """After a late request the schedule starts anew from it."""
    due, free, told = 0.0, 0.0, []
    for s in services:
        sent = max(due, free)
        told.append(sent + s - due)
        free, due = sent + s, sent + period
    return list(services), told


def _one_before(period: float, services: list[float]) -> Pair:
    """Only the request directly before is looked at, as if it had been sent on time."""
    told = [s + max(0, (services[k - 1] if k else 0) - period) for k, s in enumerate(services)]
    return list(services), told


def _backfilled(period: float, services: list[float]) -> Pair:
    """Puts in samples as HdrHistogram does, which knows no schedule."""
    told = list(services)
    for s in services:
        missing = s - period
        while missing >= period:
            told.append(missing)
            missing -= period
    return list(services), told


def _early(period: float, services: list[float]) -> Pair:
    """Sends as soon as the answer is there: a closed loop that never waits for its schedule."""
    free, told = 0, []
    for k, s in enumerate(services):
        free += s
        told.append(free - k * period)
    return list(services), told


def _reversed(period: float, services: list[float]) -> Pair:
    return _right(period, services), list(services)


def _lateness(period: float, services: list[float]) -> Pair:
    return list(services), [r - s for r, s in zip(_right(period, services), services)]


def _ends(period: float, services: list[float]) -> Pair:
    return list(services), [r + k * period for k, r in enumerate(_right(period, services))]


def _from_period(period: float, services: list[float]) -> Pair:
    """The first request is due one period after the start, and the client may send before."""
    free, told = 0, []
    for k, s in enumerate(services):
        free = max(free, k * period) + s
        told.append(free - (k + 1) * period)
    return list(services), told


def _accepts(period: float, services: list[float]) -> Pair:
    free, told = 0, []
    for k, s in enumerate(services):
        free = max(free, k * period) + s
        told.append(free - k * period)
    return list(services), told


def _recursion(period: float, services: list[float]) -> Pair:
    """How late each request is sent: last time's lateness and service, less one period."""
    _require(period, services)
    late, told = 0.0, []
    for s in services:
        told.append(late + s)
        late = max(0.0, late + s - period)
    return [float(s) for s in services], told


def _maximum(period: float, services: list[float]) -> Pair:
    """All work so far, put off by the latest time at which the client was on schedule."""
    _require(period, services)
    s = np.asarray(services, float)
    due, done = np.arange(len(s)) * period, np.cumsum(s)
    return list(services), (np.maximum.accumulate(due - done + s) + done - due).tolist()


def _from_times(period: float, services: list[float]) -> Pair:
    """Schedule, sending times and ends as three lists."""
    _require(period, services)
    sent: list[float] = []
    for k in range(len(services)):
        sent.append(max(k * period, sent[-1] + services[k - 1]) if sent else 0)
    naive = [t + s - t for t, s in zip(sent, services)]
    return naive, [t + s - k * period for k, (t, s) in enumerate(zip(sent, services))]


def _told(expected: Any, got: Any, case: Any = None) -> str | None:
    """As `close`, with the place named in the words of the text."""
    found = close(1e-9, 1e-9)(expected, got, case)
    place = re.match(r"item ([01]): (?:item (\d+): )?", found or "")
    if place is None:
        return found
    request = f", request {place[2]}" if place[2] else ""
    return f"{('first', 'second')[int(place[1])]} list{request}: {found[place.end():]}"


_told.same = close(1e-9, 1e-9)


def _draw(rng: np.random.Generator) -> Case:
    n, period = int(rng.integers(2, 16)), int(rng.integers(4, 80)) / 4
    services = rng.integers(1, int(4 * period) + 2, n) / 4
    stalls = rng.random(n) < 0.25
    return Case(period, np.where(stalls, services + period * rng.integers(1, 5, n), services).tolist())


corrected_latency = Exercise(
    id="27.corrected_latency", points=4, difficulty=2, minutes=12, idea="count from when it was due",
    reference=queueing.corrected_latency,
    cases=[Case(10, [1, 35, 1, 1, 1, 1]), Case(10, [4, 4, 4])],
    hidden=[
        Case(10, []), Case(5, [7]), Case(10, [10, 10, 10]), Case(10, [11, 11, 11, 11]), Case(2, [9, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
        Case(10, [1] * 50 + [1000] + [1] * 149, label="200 requests every 10, one of 1,000"), Case(0.5, [0.25, 2, 0.25, 0.25, 0.25]),
        Case(10, [0, 0, 25, 0, 0]), Case(10, [30, 1, 30, 1, 1, 1, 1, 1, 1]),
    ],
    draw=_draw, draws=30, compare=_told,
    raises=[Case(0, [1, 2]), Case(-10, [1]), Case(0, []), Case(10, [1, -1]), Case(10, [-3, 40, 1])],
    misconceptions=[
        Misconception(
            "adds_the_period", **_both(_adds_period),
            message="You add a period to every latency. A request that was not kept back was sent on time: nothing is added to it.",
            title="Most requests were on schedule."),
        Misconception(
            "stall_only", **_both(_stall_only),
            message="Only the stalled request is slow in your second list. Those that were due during the stall were sent after it: "
                    "they waited too.",
            title="The others waited too."),
        Misconception(
            "drops_the_missed", **_both(_drops_missed),
            message="Requests that were due during the stall are missing. Users did send them. Both lists have one entry for each "
                    "scheduled request.",
            title="The worst requests were left out."),
        Misconception(
            "resets_the_schedule", _checked(_resets),
            "A stall is forgiven after one request: either your schedule starts anew from a late request, or you look at the request "
            "before as if it had been sent on time. Request k is due at k times the period, whatever happened before, and lateness is "
            "carried along.",
            "The schedule was moved.", also=(_resets, _checked(_one_before), _one_before)),
        Misconception(
            "back_filled", **_both(_backfilled),
            message="You put in samples, as HdrHistogram does where the schedule is lost. Here it is known: there is one "
                    "latency for each request.",
            title="Nothing has to be guessed."),
        Misconception(
            "sends_too_early", **_both(_early),
            message="Your client sends the next request at once. It waits until request k is due: at k times the period, or later "
                    "if the answer before it is late.",
            title="The client ran ahead of its schedule."),
        Misconception(
            "lists_reversed", **_both(_reversed),
            message="The two lists are right, in the wrong order. First comes the latency from when a request was sent.",
            title="The lists changed places."),
        Misconception(
            "lateness", **_both(_lateness),
            message="The second list holds how late each request was sent. The latency has the service as well.",
            title="The service time is missing."),
        Misconception(
            "end_times", **_both(_ends),
            message="The second list holds the times at which the answers came. Subtract when each request was due.",
            title="The schedule was not subtracted."),
        Misconception(
            "first_due_later", **_both(_from_period),
            message="You take the first request to be due one period after the start. It is due at 0: request k at k times the period.",
            title="The schedule begins at 0."),
        Misconception(
            "bad_input_accepted", _accepts,
            "A period that is not positive, or a negative service, is a mistake of the caller: raise ValueError.",
            "Bad input was accepted."),
    ],
    alternatives=[_recursion, _maximum, _from_times],
    hints=(
        "Keep one number: when the answer before came.",
        "Request k is sent at the later of k * period and that time. It is answered one service later.",
        "The second latency is the answer's time minus k * period.",
    ),
    worth_knowing="The load generator wrk2 times this way. Its author, Gil Tene, gave coordinated omission its name.",
)
