"""Chapter 47's probe: misconceptions that say where they hang end as their twins that do hang, without the wait."""

import threading

import pytest

from autograder.exercises import find_exercise
from autograder.probes.ask import ask
from autograder.probes.ch47_caching_models_in_memory import (
    Meeting,
    NeverReturns,
    _barks,
    _Call,
    together,
    two_keys,
    will_not_arrive,
)

EXERCISE = find_exercise("47.SingleFlight")
WRONG = {m.tag: m.variants for m in EXERCISE.misconceptions}


class GlobalLock:
    lock_type = threading.Lock

    def __init__(self):
        self.lock = self.lock_type()

    def do(self, key, fn):
        with self.lock:
            return fn()


class GlobalRLock(GlobalLock):
    lock_type = threading.RLock


class Flights:
    """Right, unless a subclass overrides a step. A flight is [event, value, error]."""

    def __init__(self):
        self.lock, self.table = threading.Lock(), {}

    def do(self, key, fn):
        key = self.key(key)
        with self.lock:
            flight = self.table.get(key)
            if flight is None:
                mine = self.table[key] = [threading.Event(), None, None]
        if flight is None:
            return self.lead(key, mine, fn)
        flight[0].wait()
        if flight[2] is not None:
            raise flight[2]
        return flight[1]

    def key(self, key):
        return key

    def lead(self, key, mine, fn):
        try:
            mine[1] = fn()
        except Exception as error:
            mine[2] = error
            raise
        finally:
            self.forget(key)
            mine[0].set()
        return mine[1]

    def forget(self, key):
        with self.lock:
            del self.table[key]


class LeavesTheFlight(Flights):
    def lead(self, key, mine, fn):
        mine[1] = fn()
        self.forget(key)
        mine[0].set()
        return mine[1]


class LeavesThemWaiting(LeavesTheFlight):
    def lead(self, key, mine, fn):
        try:
            return super().lead(key, mine, fn)
        except Exception:
            self.forget(key)
            raise


class ByText(Flights):
    def key(self, key):
        return str(key)


class ByHash(Flights):
    def key(self, key):
        return hash(key)


class OneForAll(Flights):
    def key(self, key):
        return hash(key) * 0


TWINS = [(GlobalLock, "global_lock", 0), (GlobalRLock, "global_lock", 1), (LeavesThemWaiting, "never_woken", 0),
         (LeavesTheFlight, "never_woken", 1), (ByText, "text_of_the_key", 0), (ByHash, "hash_of_the_key", 0), (OneForAll, "one_flight", 0)]


def outcomes(answer):
    """Of the visible cases, and of the hidden ones with two keys; the other ones hang no one in another way."""
    two = [case for case in EXERCISE.hidden if case.probe.endswith(("two_keys", "nested"))]
    assert len(two) == 4
    return [ask(answer, EXERCISE.question(case)).get("value") for case in (*EXERCISE.cases, *two)]


@pytest.mark.parametrize(("twin", "tag", "variant"), TWINS, ids=lambda v: v.__name__ if isinstance(v, type) else None)
def test_a_misconception_ends_as_its_twin_that_hangs(twin, tag, variant):
    told = outcomes(WRONG[tag][variant])
    assert None not in told and told == outcomes(twin)
    assert WRONG[tag][variant] not in _barks, "it has waited for a watchdog"
    assert twin in _barks


def test_a_wait_ends_when_somebody_gives_up():
    meeting = Meeting(Flights)
    meeting.patience_s = 60
    call = _Call(will_not_arrive, meeting)
    call.start()
    meeting.wait_for(9)
    call.thread.join(10)
    assert call.ended and call.error is None and Flights not in _barks


def test_a_call_that_never_returns_is_stuck_at_once():
    class Stuck:
        def do(self, key, fn):
            raise NeverReturns

    assert together(Stuck, 3) == {"ran": "several times", "got": [], "stuck": True, "next call": "not asked"}
    assert two_keys(Stuck) == {"got": ["stuck", "stuck"], "stuck": True}
    assert Stuck not in _barks
