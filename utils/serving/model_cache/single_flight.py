"""Single flight: many callers at once, one run, one result for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class SingleFlight:
    """Runs a function once for all the calls that come with the same key while it is running.

    >>> SingleFlight().do("m", lambda: 42)
    42
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, tuple[Future, int]] = {}

    def do(self, key: Hashable, fn: Callable[[], T]) -> T:
        """The result of `fn()`, or of the run that another call with an equal key has begun and not ended.

        An exception of the run is raised in every call that shares it. Nothing is kept: the next call runs again.
        Raises RuntimeError when `fn` calls `do` with its own key, which would wait for itself.
        """
        me = threading.get_ident()
        with self._lock:
            flight, leader = self._flights.get(key, (None, 0))
            if flight is None:
                flight = Future()
                self._flights[key] = flight, me
            elif leader == me:
                raise RuntimeError(f"the run for {key!r} must not wait for itself")
            else:
                leader = -1
        return flight.result() if leader == -1 else self._lead(key, fn, flight)

    def _lead(self, key: Hashable, fn: Callable[[], T], flight: Future) -> T:
        try:
            result = fn()
        except BaseException as error:
            self._land(key)
            flight.set_exception(told_to_others(error))
            raise
        self._land(key)
        flight.set_result(result)
        return result

    def _land(self, key: Hashable) -> None:
        """Who asks from now on begins a flight of its own."""
        with self._lock:
            del self._flights[key]


def told_to_others(error: BaseException) -> Exception:
    """The exception for the threads that wait: a stop button pressed in one thread must not stop the others."""
    if isinstance(error, Exception):
        return error
    told = RuntimeError(f"the thread that ran this for all was stopped by {type(error).__name__}")
    told.__cause__ = error
    return told
