"""Many submissions at a time on one machine: worker processes that judge, one fork server that runs learners' code.

Whatever is killed, each submission comes back exactly once: a worker that dies is replaced and its submission is
given to another, a fork server that dies is started again.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..remote import OwnProcess, Remote
from .assignment import Assignment
from .grade import Graded, grade_submission
from .results import FAILED, Result
from .sandbox import ForkServer, Limits, SandboxLost
from .submission import Submission

TRIES = 3


@dataclass
class Settings:
    """What every worker of a run needs. secret: the course's; without: walls to leave out; trusted: run learners'
    code without walls, in a plain process."""

    secret: str
    limits: Limits = field(default_factory=Limits)
    hidden: tuple[Path, ...] = ()
    without: tuple[str, ...] = ()
    trusted: bool = False


@dataclass
class _Task:
    submission: Submission
    tries: int = 0


class _Worker:
    """A forked process that grades what it is sent, one at a time."""

    def __init__(self, pool: LocalPool) -> None:
        self.socket, inner = socket.socketpair()
        self.task: _Task | None = None
        driver = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                if pool.server is not None:  # else it has to end a process that nothing else would
                    _end_with(driver)
                self.socket.close()
                for other in pool.workers:
                    other.socket.close()
                _serve(inner, pool)
                if pool.spare is not None:
                    pool.spare.close()
                code = 0
            except KeyboardInterrupt:
                code = 130
            finally:
                os._exit(code)
        inner.close()

    def send(self, task: _Task) -> None:
        self.task, self.since = task, time.monotonic()
        task.tries += 1
        with contextlib.suppress(OSError):  # a worker that is gone is noticed where its answer is read
            _write(self.socket, task.submission)

    def stop(self) -> None:
        self.socket.close()
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self.pid, 0)


def _end_with(driver: int) -> None:
    """End this process when the driver ends, also in the middle of a submission."""
    if sys.platform.startswith("linux"):
        from .inside.walls import die_with_parent

        die_with_parent()
        if os.getppid() != driver:  # it ended before it was asked for
            os._exit(1)


def _serve(sock: socket.socket, pool: LocalPool) -> None:
    """A worker's life: read a submission, grade it, write what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (submission := _read(sock)) is not None:
        try:
            _write(sock, pool.grade(submission))
        except SandboxLost as error:
            _write(sock, str(error))


def _write(sock: socket.socket, value: object) -> None:
    data = pickle.dumps(value, protocol=5)
    sock.sendall(struct.pack("<Q", len(data)) + data)


def _read(sock: socket.socket) -> object:
    head = _exactly(sock, 8)
    return None if head is None else pickle.loads(_exactly(sock, struct.unpack("<Q", head)[0]) or b"N.")


def _exactly(sock: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        part = sock.recv(min(count - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return bytes(data)


class LocalPool:
    """Grades submissions of some assignments with `jobs` workers.

    Use as a context manager; `run` yields what came of each submission in the order in which they are done.
    """

    def __init__(self, assignments: Sequence[Assignment], settings: Settings, jobs: int) -> None:
        self.assignments = {a.name: a for a in assignments}
        self.preload = sorted({m for a in assignments for m in a.preload})
        self.settings, self.jobs = settings, jobs
        self.workers: list[_Worker] = []
        self.server = self._start_server()
        self.spare: OwnProcess | None = None
        self.restarts = 0

    def _start_server(self) -> ForkServer | None:
        if self.settings.trusted:
            return None
        return ForkServer(self.preload, hidden=self.settings.hidden, without=self.settings.without)

    @property
    def layers(self) -> list[str]:
        return list(self.server.layers) if self.server is not None else ["none: all submissions are trusted"]

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(self, *exc: object) -> None:
        for worker in self.workers:
            worker.stop()
        self.workers = []
        if self.spare is not None:
            self.spare.close()
        if self.server is not None:
            self.server.close()

    def grade(self, submission: Submission) -> Graded:
        """Grade one submission in this process."""
        return grade_submission(
            self.assignments[submission.assignment], submission, self.open_box, secret=self.settings.secret,
            wall_s=self.settings.limits.wall_s, layers=self.layers)

    def open_box(self, seed: int) -> Remote:
        """A fresh sandbox; without walls a process that was started, and warmed up, while the last one was used."""
        if self.server is not None:
            return self.server.open(seed, self.settings.limits)
        ready = self.spare or OwnProcess(self.preload)
        self.spare = OwnProcess(self.preload)
        return ready

    def run(self, submissions: Iterable[Submission]) -> Iterator[Graded]:
        """Grade all of them. A submission that the grader itself can't grade comes back with status "failed"."""
        prepare(self.assignments.values())
        if self.server is not None:
            self.server.wait()
        if not hasattr(os, "fork"):
            yield from map(self.grade, submissions)
            return
        waiting, source = deque(), iter(submissions)
        for _ in range(self.jobs):
            self.workers.append(_Worker(self))  # one by one: each closes the driver's ends of those before it
        while True:
            for worker in self.workers:
                self._feed(worker, waiting, source)
            busy = [w for w in self.workers if w.task is not None]
            if not busy:
                return
            late = 2 * self.settings.limits.wall_s + 60  # the sandbox has long ended: it is the judge that hangs
            for worker in busy:
                if time.monotonic() - worker.since > late:
                    os.kill(worker.pid, signal.SIGKILL)
            for worker in _readable(busy):
                if worker not in self.workers:  # replaced a moment ago with the fork server: its task waits again
                    continue
                graded = self._received(worker, waiting)
                if graded is not None:
                    self._feed(worker, waiting, source)  # it works on while the driver records this one
                    yield graded

    def _feed(self, worker: _Worker, waiting: deque[_Task], source: Iterator[Submission]) -> None:
        """Give a worker that has nothing to do the next submission, if there is one."""
        if worker.task is None and worker in self.workers:
            task = waiting.popleft() if waiting else next((_Task(s) for s in source), None)
            if task is not None:
                worker.send(task)

    def _received(self, worker: _Worker, waiting: deque[_Task]) -> Graded | None:
        """What a worker sent; None when its submission has to be graded again."""
        task = worker.task
        try:
            answer = _read(worker.socket)
        except (OSError, pickle.UnpicklingError, EOFError):
            answer = None
        if isinstance(answer, Graded):
            worker.task = None
            return answer
        why = answer if isinstance(answer, str) else "the process that judged it was ended"
        worker.task = None
        lost = self.server is not None and not self.server.alive
        if answer is None or lost:
            self._replace(worker, waiting)
        if task.tries < TRIES or lost:  # where the fork server was ended, it was not by this submission
            waiting.append(task)
            return None
        return failed(task.submission, why, self.layers)

    def mend(self) -> bool:
        """Start the fork server again if it is gone; whether it was."""
        if self.server is None or self.server.alive:
            return False
        self.server.close()
        self.server = self._start_server()
        self.server.wait()
        self.restarts += 1
        return True

    def _replace(self, worker: _Worker, waiting: deque[_Task]) -> None:
        """A new worker for one that is gone; a new fork server, and workers that know it, where that is gone."""
        lost = [worker]
        if self.mend():
            lost = list(self.workers)
        for each in lost:
            if each.task is not None:
                each.task.tries -= 1  # it was not this submission that ended the fork server
                waiting.append(each.task)
            each.stop()
            self.workers.remove(each)
        for _ in lost:
            self.workers.append(_Worker(self))


def _readable(workers: list[_Worker]) -> list[_Worker]:
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.socket, selectors.EVENT_READ, worker)
        return [key.data for key, _ in selector.select(timeout=5.0)]


def prepare(assignments: Iterable[Assignment]) -> None:
    """Import exercises and references once, before workers are forked, with one thread each."""
    from ..exercises import find_exercise

    for assignment in assignments:
        for released in assignment.notebooks:
            for asked in released.asked:
                find_exercise(asked.exercise)
    torch = sys.modules.get("torch")
    if torch is not None:
        import torch._dynamo  # a second that the first optimizer would cost each worker

        torch.set_num_threads(1)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def failed(submission: Submission, why: str, layers: list[str]) -> Graded:
    """The result of a submission that the grader could not grade."""
    reason = f"The grader failed on this submission, {TRIES} times: {why}. A person has to look at it."
    result = Result(submission.assignment, submission.student, submission.digest, FAILED, reason, layers=layers)
    return Graded(result, {}, {})


