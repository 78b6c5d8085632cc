"""Exercise 47.SingleFlight: one run for all who ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

import numpy as np

from utils.serving import model_cache

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception
from ...probes.ch47_caching_models_in_memory import NeverReturns, will_not_arrive

MODULE = "ch47_caching_models_in_memory"


# Where a misconception hangs it says so at once (NeverReturns, will_not_arrive): a diagnosis asks all of them, and
# would wait for many watchdogs. A test compares their outcomes with those of twins that do hang.


class _Flight:
    lost = False  # nobody will end it

    def __init__(self) -> None:
        self.done, self.value, self.error = threading.Event(), None, None


class _Flights:
    """An answer in steps; subclasses get one of them wrong."""

    def __init__(self) -> None:
        self.lock, self.table = threading.Lock(), {}

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        key = self.key(key)
        with self.lock:
            flight = self.table.get(key)
            leads = flight is None
            if leads:
                flight = self.table[key] = _Flight()
        return self.lead(key, flight, fn) if leads else self.follow(key, flight)

    def key(self, key: Hashable) -> Hashable:
        return key

    def lead(self, key: Hashable, flight: _Flight, fn: Callable[[], Any]) -> Any:
        try:
            flight.value = fn()
        except Exception as error:
            flight.error = error
            raise
        finally:
            self.forget(key, flight)
            flight.done.set()
        return flight.value

    def forget(self, key: Hashable, flight: _Flight) -> None:
        with self.lock:
            self.table.pop(key)

    def follow(self, key: Hashable, flight: _Flight) -> Any:
        flight.done.wait()
        if flight.error is not None:
            raise flight.error
        return flight.value


class _GlobalLock:
    """Everyone waits for everyone."""

    reentrant = False

    def __init__(self) -> None:
        self.lock, self.holder = threading.RLock(), 0

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        if self.holder == threading.get_ident() and not self.reentrant:
            raise NeverReturns
        if not self.lock.acquire(blocking=False):
            will_not_arrive()
            self.lock.acquire()
        self.holder = threading.get_ident()
        try:
            return fn()
        finally:
            self.holder = 0
            self.lock.release()


class _GlobalRLock(_GlobalLock):
    reentrant = True


class _LockPerKey:
    """Calls of one key go one after the other, each with a run of its own."""

    def __init__(self) -> None:
        self.guard, self.locks = threading.Lock(), {}

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        with self.guard:
            lock = self.locks.setdefault(key, threading.Lock())
        with lock:
            return fn()


class _Alone:
    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        return fn()


class _ByIdentity(_Flights):
    def key(self, key: Hashable) -> Hashable:
        return id(key)


class _CheckThenAct(_Flights):
    """Looks, and writes a moment later; nobody keeps others out in between."""

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        flight = self.table.get(key)
        if flight is not None:
            return self.follow(key, flight)
        flight = _Flight()
        self.table[key] = flight
        return self.lead(key, flight, fn)

    def forget(self, key: Hashable, flight: _Flight) -> None:
        self.table.pop(key, None)


class _ChecksUnderLock(_CheckThenAct):
    """The same with a lock around the look and another around the write."""

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        with self.lock:
            flight = self.table.get(key)
        if flight is not None:
            return self.follow(key, flight)
        flight = _Flight()
        with self.lock:
            self.table[key] = flight
        return self.lead(key, flight, fn)


class _KeepsFailures(_Flights):
    def forget(self, key: Hashable, flight: _Flight) -> None:
        if flight.error is None:
            super().forget(key, flight)


class _KeepsEverything(_Flights):
    def forget(self, key: Hashable, flight: _Flight) -> None:
        pass


class _KeepsResults(_Flights):
    def forget(self, key: Hashable, flight: _Flight) -> None:
        if flight.error is not None:
            super().forget(key, flight)


class _NoneOnFailure(_Flights):
    def follow(self, key: Hashable, flight: _Flight) -> Any:
        flight.done.wait()
        return flight.value


class _NewErrorOnFailure(_Flights):
    def follow(self, key: Hashable, flight: _Flight) -> Any:
        flight.done.wait()
        if flight.error is not None:
            raise RuntimeError("the load failed")
        return flight.value


class _NobodyFails(_Flights):
    """The exception is returned, or None."""

    def lead(self, key: Hashable, flight: _Flight, fn: Callable[[], Any]) -> Any:
        try:
            return super().lead(key, flight, fn)
        except Exception:
            return None

    def follow(self, key: Hashable, flight: _Flight) -> Any:
        flight.done.wait()
        return flight.value


class _SetsTooEarly(_Flights):
    """Wakes the others, and stores the result after that."""

    def lead(self, key: Hashable, flight: _Flight, fn: Callable[[], Any]) -> Any:
        try:
            value = fn()
        except Exception as error:
            flight.error = error
            self.forget(key, flight)
            flight.done.set()
            raise
        self.forget(key, flight)
        flight.done.set()
        flight.value = value
        return value


class _SetsBothTooEarly(_Flights):
    def lead(self, key: Hashable, flight: _Flight, fn: Callable[[], Any]) -> Any:
        value = error = None
        try:
            value = fn()
        except Exception as caught:
            error = caught
        self.forget(key, flight)
        flight.done.set()
        flight.value = value
        flight.error = error
        if error is not None:
            raise error
        return value


class _SetsBeforeItRuns(_Flights):
    """Wakes the others before fn has run at all."""

    def lead(self, key: Hashable, flight: _Flight, fn: Callable[[], Any]) -> Any:
        flight.done.set()
        return super().lead(key, flight, fn)


class _LeavesThemWaiting(_Flights):
    """The others are woken only if fn succeeds."""

    def lead(self, key: Hashable, flight: _Flight, fn: Callable[[], Any]) -> Any:
        try:
            flight.value = fn()
        except Exception:
            self.failed(key, flight)
            flight.lost = True
            flight.done.set()
            raise
        self.forget(key, flight)
        flight.done.set()
        return flight.value

    def failed(self, key: Hashable, flight: _Flight) -> None:
        self.forget(key, flight)

    def follow(self, key: Hashable, flight: _Flight) -> Any:
        flight.done.wait()
        if flight.lost:
            raise NeverReturns
        return flight.value


class _LeavesTheFlight(_LeavesThemWaiting):
    """After a failure the flight stays in the table, and is never done."""

    def failed(self, key: Hashable, flight: _Flight) -> None:
        pass


class _Mixes(_Flights):
    """Takes different keys for one, and a call waits for the run of another key: for ever, if that is its own run."""

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        mine = self.key(key)
        with self.lock:
            flight = self.table.get(mine)
            leads = flight is None
            if leads:
                flight = self.table[mine] = _Flight()
                flight.begun_by = key, threading.get_ident()
        if leads:
            return self.lead(mine, flight, fn)
        led_for, leader = flight.begun_by
        if leader == threading.get_ident():
            raise NeverReturns
        if led_for != key:
            will_not_arrive()
        return self.follow(mine, flight)


class _ByText(_Mixes):
    def key(self, key: Hashable) -> Hashable:
        return str(key)


class _Alike:
    """A key for a table that finds keys of one mark alike. It compares the keys too, and ignores what comes of it: that
    tells the check that its thread has come this far."""

    def __init__(self, key: Hashable, mark: Hashable) -> None:
        self.key, self.mark = key, mark

    def __hash__(self) -> int:
        return hash(self.mark)

    def __eq__(self, other: object) -> bool:
        _ = self.key == other.key
        return self.mark == other.mark


class _ByHash(_Mixes):
    def key(self, key: Hashable) -> Hashable:
        return _Alike(key, hash(key))


class _OneForAll(_Mixes):
    def key(self, key: Hashable) -> Hashable:
        return _Alike(key, None)


class _ReadsTheKeysSlot(_Flights):
    """One result a key, read when the waiting thread gets to it."""

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[Hashable, Any] = {}

    def lead(self, key: Hashable, flight: _Flight, fn: Callable[[], Any]) -> Any:
        try:
            self.results[key] = fn(), None
        except Exception as error:
            self.results[key] = None, error
            raise
        finally:
            self.forget(key, flight)
            flight.done.set()
        return self.results[key][0]

    def follow(self, key: Hashable, flight: _Flight) -> Any:
        flight.done.wait()
        value, error = self.results[key]
        if error is not None:
            raise error
        return value


class _ForgetsTooLate(_Flights):
    """The table is tidied up by the last who leaves: until then a new call gets the old result."""

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        with self.lock:
            flight = self.table.get(key)
            leads = flight is None
            if leads:
                flight = self.table[key] = _Flight()
                flight.inside = 0
            flight.inside += 1
        try:
            return self.lead(key, flight, fn) if leads else self.follow(key, flight)
        finally:
            with self.lock:
                flight.inside -= 1
                if not flight.inside:
                    del self.table[key]

    def forget(self, key: Hashable, flight: _Flight) -> None:
        pass


# --- other right answers ----------------------------------------------------------------------------


class _WithFuture:
    def __init__(self) -> None:
        self._lock, self._futures = threading.Lock(), {}

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        mine = Future()
        with self._lock:
            future = self._futures.setdefault(key, mine)
        if future is mine:
            try:
                mine.set_result(fn())
            except Exception as error:
                mine.set_exception(error)
            with self._lock:
                del self._futures[key]
        return future.result()


class _WithCondition:
    def __init__(self) -> None:
        self._changed, self._running = threading.Condition(), {}

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        with self._changed:
            if key in self._running:
                outcome = self._running[key]
                while not outcome:
                    self._changed.wait()
                return self._tell(outcome)
            outcome = self._running[key] = []
        try:
            ended = ("result", fn())
        except Exception as error:
            ended = ("error", error)
        with self._changed:
            outcome.extend(ended)
            del self._running[key]
            self._changed.notify_all()
        return self._tell(outcome)

    @staticmethod
    def _tell(outcome: list) -> Any:
        if outcome[0] == "error":
            raise outcome[1]
        return outcome[1]


class _WithLockPerFlight:
    """Each flight's lock is taken by its leader before anyone can see it; to wait is to pass through it."""

    def __init__(self) -> None:
        self.guard, self.flights = threading.Lock(), {}

    def do(self, key: Hashable, fn: Callable[[], Any]) -> Any:
        with self.guard:
            box = self.flights.get(key)
            first = box is None
            if first:
                box = self.flights[key] = {"lock": threading.Lock()}
                box["lock"].acquire()
        if first:
            try:
                box["value"] = fn()
            except BaseException as error:
                box["error"] = error
            with self.guard:
                del self.flights[key]
            box["lock"].release()
        else:
            with box["lock"]:
                pass
        if "error" in box:
            raise box["error"]
        return box["value"]


# --- cases ------------------------------------------------------------------------------------------


def _threads(threads: int, result: str = "an object", late: bool = False) -> Case:
    ending = {"an object": "", "an error": ", the function raises ValueError"}.get(result, f", the function returns a falsy object ({result})")
    when = "the others while the first one runs" if late else "at the same time"
    return Case(probe=f"{MODULE}.together", threads=threads, result=result, late=late, compare=_SAME,
                label=f"{threads} thread{'s' * (threads > 1)} with one key, {when}{ending}; then one more call")


def _keys(first: Any, second: Any, fail: bool = False) -> Case:
    return Case(probe=f"{MODULE}.two_keys", first=first, second=second, fail=fail, compare=_SAME,
                label=f"keys {first!r} and {second!r} at the same time, each function ends when both run" + ", one raises" * fail)


def _script(script: list, label: str) -> Case:
    return Case(probe=f"{MODULE}.one_by_one", script=script, compare=_SAME, label=label)


def _nested(fail: bool = False) -> Case:
    return Case(probe=f"{MODULE}.nested", fail=fail, compare=_SAME,
                label="a function that calls do with another key" + ", which raises" * fail)


def _handover(threads: int) -> Case:
    return Case(probe=f"{MODULE}.handover", threads=threads, compare=_SAME,
                label=f"{threads} threads share a run; a new call begins while the slow ones still wake")


def _told(case: Case, expected: Any, got: Any) -> str | None:
    """The first difference in words."""
    if isinstance(expected, dict) and isinstance(got, dict):
        if got.get("stuck") or got.get("got") == "stuck":
            return "some of the calls never return"
        words = {"ran": "the function ran", "got": "the calls got", "next call": "the next call got"}
        for key, e in expected.items():
            if exact()(e, got.get(key)):
                return f"{words.get(key, key)} {_list(got.get(key))}, expected {_list(e)}"
    if exact()(expected, got) is None:
        return None
    if isinstance(got, list) and got and got[-1] == "stuck":
        return f"call {len(got)} never returns"
    if isinstance(expected, list) and isinstance(got, list):
        number = next(i for i, (e, g) in enumerate(zip(expected, got), 1) if exact()(e, g))
        return f"call {number}: {_show([got[number - 1]])}, expected {_show([expected[number - 1]])}"
    return exact()(expected, got)


def _list(value: Any) -> str:
    return " and ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


_SAME = prop(_told, same=exact())


def _draw(rng: np.random.Generator) -> Case:
    kind = int(rng.integers(0, 4))
    outcomes = ["an object", "an error", "none", "zero"]
    if kind == 0:
        return _threads(int(rng.integers(4, 7)), outcomes[int(rng.integers(0, 4))], late=bool(rng.random() < 0.4))
    if kind == 1:
        return _handover(int(rng.integers(2, 5)))
    if kind == 2:
        first, second = (f"k{n}" for n in rng.choice(9, 2, replace=False))
        return _keys(first, second, bool(rng.random() < 0.5))
    script = [[str(rng.choice(["a", "b"])), str(rng.choice(["x", "y", "an error", "none", "empty"]))] for _ in range(int(rng.integers(2, 7)))]
    return _script(script, f"{len(script)} calls, one after the other")


def _show(value: Any) -> str:
    if isinstance(value, dict) and "ran" in value:
        return f"ran {value['ran']}; got {_list(value['got'])}; next call: {value['next call']}" + "; some stuck" * bool(value["stuck"])
    if isinstance(value, dict) and "got" in value:
        return f"got {_list(value['got'])}" + (f"; next call: {value['next call']}" if "next call" in value else "")
    if isinstance(value, list):
        return "; ".join(f"{'ran' if step.get('ran') else 'not run'}, {step.get('got')}" if isinstance(step, dict) else str(step) for step in value)
    return brief(value)


single_flight = Exercise(
    id="47.SingleFlight", points=5, difficulty=3, minutes=20, idea="one leader, many followers, and a result that reaches them all",
    reference=model_cache.SingleFlight, probe=f"{MODULE}.together", time_limit_s=15, draw=_draw, draws=3, show=_show,
    cases=[
        _threads(8), _threads(4, "an error"), _keys("a", "b"),
        _script([["m", "first"], ["m", "an error"], ["m", "none"]], 'three calls with "m", one after the other: "first", ValueError, None'),
    ],
    hidden=[  # the quick ones first: a diagnosis asks in this order and stops where an idea is ruled out
        _keys(1, "1"), _keys(-1, -2), _nested(fail=True), _keys("a", "b", fail=True), _threads(1),
        _script([["m", "an error"], ["m", "an error"], ["n", "x"], ["m", "y"], ["m", "y"]], "five calls, two of them fail"),
        _handover(4), _threads(4, "none"), _threads(4, late=True),
    ],
    misconceptions=[
        Misconception(
            "global_lock", _GlobalLock,
            "One lock is held while the function runs. Calls with other keys wait for it, though they could run at the same time. "
            "Hold the lock for the look into the table only.",
            "All keys wait for one lock.", also=(_GlobalRLock,)),
        Misconception(
            "one_after_the_other", _LockPerKey,
            "Calls with equal keys each run the function. A call that comes while a run is under way is to wait for it and get its result. If your calls "
            "share runs: are they found by an equal key, or by the same object?",
            "Each call has a run of its own.", also=(_Alone, _ByIdentity)),
        Misconception(
            "check_then_act", _CheckThenAct,
            "Between the look into the table and the entry another thread looks too, and finds nothing. Look and enter under one lock.",
            "Several threads lead.", also=(_ChecksUnderLock,)),
        Misconception(
            "keeps_failures", _KeepsFailures,
            "After a failure the next call gets the old exception without trying. A disk that was busy may be ready now: forget the flight however it "
            "ended.",
            "A failure is kept."),
        Misconception(
            "keeps_results", _KeepsEverything,
            "After a run the next call gets the old result. This is not a cache: a flight ends when its run ends.",
            "Results are kept.", also=(_KeepsResults,)),
        Misconception(
            "none_on_failure", _NoneOnFailure,
            "When the function fails, those that wait get None, or another error. The exception itself has to reach all of them.",
            "The waiting calls do not learn of the failure.", also=(_NewErrorOnFailure,)),
        Misconception(
            "nobody_fails", _NobodyFails,
            "The exception is swallowed: the call that ran the function returns None too. Let it pass.",
            "The failure is lost."),
        Misconception(
            "set_too_early", _SetsTooEarly,
            "The others are woken before the result is stored, so some of them read what is not there yet. Store first, then wake.",
            "Woken before there is a result.", also=(_SetsBothTooEarly, _SetsBeforeItRuns)),
        Misconception(
            "never_woken", _LeavesThemWaiting,
            "When the function raises, nobody wakes those that wait, and they wait for ever. `finally` runs in both cases.",
            "A failure leaves threads waiting.", also=(_LeavesTheFlight,)),
        Misconception(
            "text_of_the_key", _ByText,
            "You use the key's text. 1 and \"1\" are different keys with the same text, and equal keys may print differently. Use the key itself.",
            "The key is not its text."),
        Misconception(
            "hash_of_the_key", _ByHash,
            "You use the hash of the key. Different keys may have the same hash: -1 and -2 have. A dict compares the keys too; give it the key itself.",
            "The key is not its hash."),
        Misconception(
            "one_flight", _OneForAll,
            "A call gets the result of a run with another key. There has to be one flight for each key.",
            "One flight for all keys."),
        Misconception(
            "slot_of_the_key", _ReadsTheKeysSlot,
            "Results are stored by key, and a thread that wakes late reads what a newer run has left there. Keep the result in the flight that the "
            "thread has waited for.",
            "The result of another run."),
        Misconception(
            "forgets_late", _ForgetsTooLate,
            "The flight stays in the table until the waiting threads have woken. A call that begins after the run has ended must start a new one: "
            "forget the flight before you wake the others.",
            "A finished flight takes passengers."),
    ],
    alternatives=[_WithFuture, _WithCondition, _WithLockPerFlight],
    hints=(
        "A flight is an object with a place for the result, one for the exception, and a `threading.Event`. A dict goes from keys to flights.",
        "Under the lock: is there a flight for this key? If not, enter a new one, and you are its leader. Then let go of the lock.",
        "The leader runs `fn`, stores what came of it, takes the flight out of the dict (under the lock), and sets the event. `finally` does the last "
        "two in every case. The others wait for the event and then return or raise.",
    ),
    worth_knowing="Go's x/sync module has this as `singleflight.Group`. The model cache of this chapter adds pins to it.",
)
