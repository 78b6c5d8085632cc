"""Grading on many machines: batches of submissions as tasks of Dask.

The driver reads submissions and writes results; workers get bytes and give results back, so they share no file
system with it. A task may run twice (a worker that dies takes its tasks with it); recording by key makes of that
exactly one result. Every worker needs the course installed in the same version, and the `class` extra.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from ..chapters import ROOT
from .assignment import Assignment, exercises_digest
from .course import CourseError
from .grade import Graded
from .sandbox import NoSandbox, SandboxLost
from .submission import Submission
from .workers import LocalPool, Settings, failed, prepare

BATCH = 20
CONNECT_S = 15


class DaskEngine:
    """Grades on the workers of the Dask scheduler at an address ("tcp://host:8786"); use as a context manager.

    Raises CourseError when the scheduler can't be reached or its workers hold another version of the course.
    """

    def __init__(self, assignments: list[Assignment], settings: Settings, address: str, batch: int = BATCH) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise CourseError("Dask is missing: install the course with its class extra, "
                              "pip install -e '.[class]'") from error
        self.settings, self.batch, self.layers = settings, batch, []
        try:
            self.client = Client(address, timeout=CONNECT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise CourseError(_no_worker(address, error)) from error
        try:
            self._compare(address)
            self.shared = self.client.scatter((assignments, settings), broadcast=True)
        except BaseException:
            self.client.close()
            raise

    def _compare(self, address: str) -> None:
        """Raises CourseError when there is no worker, or one that holds another version of the course."""
        try:
            self.client.wait_for_workers(1, timeout=CONNECT_S)
            told = self.client.run(_about, on_error="return")
        except (OSError, TimeoutError, ValueError) as error:
            raise CourseError(_no_worker(address, error)) from error
        others = [worker for worker, digest in told.items() if digest != exercises_digest()]
        if others:
            raise CourseError(f"the workers {', '.join(others)} hold another version of the course, or none: install "
                              "the same one there")

    def __enter__(self) -> DaskEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()

    def run(self, submissions: Iterator[Submission]) -> Iterator[Graded]:
        """Grade all of them; what came of each, in the order in which batches are done."""
        from distributed import as_completed

        source = iter(submissions)
        held: dict[str, list[Submission]] = {}
        done = as_completed(with_results=False)
        room = 2 * max(1, len(self.client.nthreads()))
        for batch in islice(iter(lambda: list(islice(source, self.batch)), []), room):
            self._submit(batch, held, done)
        for future in done:
            batch = held.pop(future.key)
            if future.status == "finished":
                for graded in future.result():
                    self.layers = graded.result.layers
                    yield graded
            elif len(batch) > 1:  # one of them brings workers down: find out which
                for submission in batch:
                    self._submit([submission], held, done)
            else:
                yield failed(batch[0], str(future.exception()), self.layers)
            more = list(islice(source, self.batch))
            if more:
                self._submit(more, held, done)

    def _submit(self, batch: list[Submission], held: dict[str, list[Submission]], done: Any) -> None:
        future = self.client.submit(grade_batch, self.shared, batch, pure=False, retries=2)
        held[future.key] = batch
        done.add(future)


def _no_worker(address: str, error: Exception) -> str:
    cause = str(error).split("\n")[0] or "nothing listens there"
    return f"no Dask worker answers at {address} ({cause}): start a scheduler and workers first"


def _about() -> str:
    return exercises_digest()


_lock = threading.Lock()
_pool: LocalPool | None = None


def grade_batch(shared: tuple[list[Assignment], Settings], batch: list[Submission]) -> list[Graded]:
    """Grade a batch in this worker, one after the other; its fork server stays warm for the next batch.

    A submission that the grader fails on is graded again, then comes back with status "failed".
    """
    with _lock:
        pool = _warm_pool(*shared)
        return [_graded(pool, submission) for submission in batch]


def _graded(pool: LocalPool, submission: Submission) -> Graded:
    why = ""
    for _ in range(2):
        try:
            return pool.grade(submission)
        except SandboxLost as error:
            why = str(error)
            pool.mend()
    return failed(submission, why, pool.layers)


def _warm_pool(assignments: list[Assignment], settings: Settings) -> LocalPool:
    global _pool
    settings = replace(settings, hidden=(*settings.hidden, ROOT))  # the course may lie elsewhere on this machine
    if _pool is None or list(_pool.assignments.values()) != assignments or _pool.settings != settings:
        close_pool()
        try:
            _pool = LocalPool(assignments, settings, jobs=0)
        except NoSandbox as error:
            raise RuntimeError(str(error)) from error
        prepare(assignments)
    return _pool


def close_pool() -> None:
    """End this worker's fork server."""
    global _pool
    if _pool is not None:
        _pool.__exit__()
    _pool = None


atexit.register(close_pool)
