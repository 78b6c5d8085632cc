"""A load generator with real threads: requests on a schedule (open loop), or each after the last answer (closed).

In an open loop the arrivals are fixed beforehand, and a latency counts from the time at which its request was due.
A server that stalls is then charged for everyone who would have waited. In a closed loop a stalled server gets fewer
requests, so it can't be overloaded and its stalls hardly show.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import positive
from utils.cost.latency import LatencySummary, summarize

START_DELAY_S = 0.01  # time for the threads to get ready before the schedule begins


@dataclass(frozen=True)
class LoadResult:
    """One run: for each completed request when it was due, when it was begun and when it ended (s from the start).

    `dropped` counts the requests that were given up without being sent. `answers` holds what the function returned.
    In a closed loop a request is due when its client is free, so `arrivals_s` equals `starts_s`.
    """

    arrivals_s: np.ndarray  # (n,)
    starts_s: np.ndarray  # (n,)
    ends_s: np.ndarray  # (n,)
    dropped: int = 0
    answers: tuple[object, ...] = ()  # n, or none where they were not kept

    @property
    def latency_ms(self) -> np.ndarray:
        """Time (n,) in ms from when a request was due to its end."""
        return (self.ends_s - self.arrivals_s) * 1e3

    @property
    def service_ms(self) -> np.ndarray:
        """Time (n,) in ms from when a request was begun to its end."""
        return (self.ends_s - self.starts_s) * 1e3

    @property
    def wall_s(self) -> float:
        """Time in s from the first request due to the last end."""
        return float(self.ends_s.max() - self.arrivals_s.min())

    def only(self, keep: Callable[[object], bool]) -> LoadResult:
        """The requests whose answer `keep` accepts. The others count as neither completed nor dropped."""
        chosen = [i for i, answer in enumerate(self.answers) if keep(answer)]
        answers = tuple(self.answers[i] for i in chosen)
        return LoadResult(self.arrivals_s[chosen], self.starts_s[chosen], self.ends_s[chosen], self.dropped, answers)

    def in_flight(self, at_s: ArrayLike) -> np.ndarray:
        """Requests that are due and not yet ended at each of some instants."""
        due = np.searchsorted(np.sort(self.arrivals_s), at_s, side="right")
        return due - np.searchsorted(np.sort(self.ends_s), at_s, side="right")

    def summary(self) -> LatencySummary:
        """Percentiles of the latencies, and completed requests per second."""
        return summarize(self.latency_ms, self.wall_s)


class LoadGenerator:
    """Calls `fn` from `workers` threads, which take the requests in order.

    With one worker the thread is the server: a request waits until the ones before it are done. `give_up_s` drops a
    request that has waited for longer when its turn comes. Waiting is `time.sleep`, so a request may begin a
    fraction of a millisecond late; that lateness counts as latency. The first error of `fn` is raised again
    after the threads have ended.
    """

    def __init__(self, fn: Callable[[], object], workers: int = 1, *, give_up_s: float = float("inf")) -> None:
        positive(workers=workers, give_up_s=give_up_s)
        self.fn, self.workers, self.give_up_s = fn, workers, give_up_s

    def open_loop(self, schedule_s: ArrayLike) -> LoadResult:
        """One request at each of the sorted times (s from the start). Raises ValueError for none, or unsorted ones."""
        schedule = np.asarray(schedule_s, dtype=np.float64)
        if schedule.ndim != 1 or len(schedule) == 0 or np.any(np.diff(schedule) < 0):
            raise ValueError(f"schedule_s must be sorted and not empty, got an array of shape {schedule.shape}")
        return self._run(len(schedule), schedule)

    def closed_loop(self, requests: int) -> LoadResult:
        """`requests` requests in all; each worker is a client that sends the next one after its answer."""
        positive(requests=requests)
        return self._run(requests, None)

    def _run(self, n: int, schedule: np.ndarray | None) -> LoadResult:
        starts, ends, answers = np.full(n, np.nan), np.full(n, np.nan), [None] * n
        turns, errors, lock = itertools.count(), [], threading.Lock()
        begin = time.perf_counter() + START_DELAY_S

        def work() -> None:
            try:
                while not errors:
                    with lock:
                        k = next(turns)
                    if k >= n:
                        return
                    if schedule is None:
                        starts[k] = time.perf_counter() - begin
                    elif not self._wait_for(begin, schedule[k]):
                        continue
                    else:
                        starts[k] = time.perf_counter() - begin
                    answers[k] = self.fn()
                    ends[k] = time.perf_counter() - begin
            except Exception as error:
                errors.append(error)

        _join([threading.Thread(target=work, daemon=True) for _ in range(min(self.workers, n))])
        if errors:
            raise errors[0]
        done = ~np.isnan(ends)
        arrivals = starts if schedule is None else schedule
        kept = tuple(answers[k] for k in np.flatnonzero(done))
        return LoadResult(arrivals[done], starts[done], ends[done], int(n - done.sum()), kept)

    def _wait_for(self, begin: float, due_s: float) -> bool:
        """Sleep until a request is due; False if it has waited for too long already."""
        ahead = due_s - (time.perf_counter() - begin)
        if ahead > 0:
            time.sleep(ahead)
        return -ahead <= self.give_up_s


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def open_loop(fn: Callable[[], object], rate_per_s: float, requests: int, *, workers: int = 1,
              rng: np.random.Generator) -> LoadResult:
    """Poisson arrivals at `rate_per_s`, whatever the answers do; latencies count from the scheduled times."""
    positive(rate_per_s=rate_per_s, requests=requests)
    schedule = np.cumsum(rng.exponential(1 / rate_per_s, requests))
    return LoadGenerator(fn, workers).open_loop(schedule)


def closed_loop(fn: Callable[[], object], clients: int, requests: int) -> LoadResult:
    """`clients` clients that each wait for an answer before they send the next request; `requests` in all."""
    return LoadGenerator(fn, clients).closed_loop(requests)


def latency_from_schedule(schedule: ArrayLike, sent: ArrayLike, done: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Two latencies of each request: from when it was sent, and from when it should have been sent.

    The first is what a client measures that waits for its answers. Both have the unit of the times.
    """
    schedule, sent, done = (np.asarray(t, np.float64) for t in (schedule, sent, done))
    return done - sent, done - schedule
