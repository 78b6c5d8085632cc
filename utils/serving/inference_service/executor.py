"""Worker threads behind a queue that refuses: it takes so many requests and no more, and skips those that come late."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from utils.cost.checks import non_negative, positive


class QueueFull(RuntimeError):
    """The waiting room is full: try later (HTTP 429)."""


class DeadlineMissed(RuntimeError):
    """The answer can't be finished within the request's deadline (HTTP 504)."""


@dataclass(eq=False)
class _Job:
    call: Callable[[], Any]
    needs_s: Callable[[], float]
    due_s: float
    done: Future = field(default_factory=Future)


class Executor:
    """`workers` threads that take jobs first come, first served; at most `queue_limit` jobs wait.

    `close` serves what has been taken and joins the threads.
    """

    def __init__(self, workers: int = 1, queue_limit: int | None = None) -> None:
        positive(workers=workers)
        non_negative(queue_limit=0 if queue_limit is None else queue_limit)
        self.workers, self.queue_limit = workers, math.inf if queue_limit is None else queue_limit
        self._waiting: deque[_Job] = deque()
        self._idle, self._open = workers, True
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, name="inference", daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that no worker has begun."""
        return len(self._waiting)

    def submit(self, call: Callable[[], Any], needs_s: Callable[[], float], deadline_s: float | None) -> Any:
        """Run `call` on a worker and return what it returns; its errors are raised here.

        `needs_s()` estimates its time when its turn comes: a job that can't end before its deadline (s from now) is
        then skipped. Raises QueueFull at once if too many wait, DeadlineMissed, and RuntimeError after `close`.
        """
        job = _Job(call, needs_s, math.inf if deadline_s is None else time.perf_counter() + deadline_s)
        with self._changed:
            if not self._open:
                raise RuntimeError("the executor is closed")
            if len(self._waiting) >= self.queue_limit + self._idle:
                raise QueueFull(f"{len(self._waiting)} requests wait already")
            self._waiting.append(job)
            self._changed.notify_all()
        try:
            return job.done.result(None if deadline_s is None else max(0.0, deadline_s))
        except TimeoutError as error:
            if job.done.done() and job.done.exception() is error:
                raise  # the call's own error
            self._give_up(job)
            raise DeadlineMissed("the deadline passed") from None

    def close(self, timeout_s: float = 10.0) -> None:
        """Take no more jobs, finish those that were taken, join the workers."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        until = time.perf_counter() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.perf_counter()))

    def _work(self) -> None:
        while (job := self._take()) is not None:
            try:
                if job.done.set_running_or_notify_cancel():
                    self._run(job)
            finally:
                with self._changed:
                    self._idle += 1

    def _give_up(self, job: _Job) -> None:
        """Take a job out of the queue, where it would hold a place; one that runs goes on."""
        with self._changed, contextlib.suppress(ValueError):
            self._waiting.remove(job)
        job.done.cancel()

    def _take(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
            if not self._waiting:
                return None
            self._idle -= 1
            return self._waiting.popleft()

    @staticmethod
    def _run(job: _Job) -> None:
        if time.perf_counter() + job.needs_s() > job.due_s:
            job.done.set_exception(DeadlineMissed("the deadline can't be met any more"))
            return
        try:
            job.done.set_result(job.call())
        except BaseException as error:  # a worker outlives every model's error
            job.done.set_exception(error)
