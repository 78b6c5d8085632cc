"""A batcher with real threads: requests come from any thread, one worker runs them in batches."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from utils.cost.checks import non_negative, positive
from utils.serving.batching.batcher import Batch

JOIN_S = 10.0  # how long `close` waits for the batch that is running


@dataclass(frozen=True)
class _Waiting:
    row: np.ndarray
    answer: Future
    came_s: float


class LiveBatcher:
    """Merges single requests into batches by the rule of `simulate_batcher`, and runs them on one worker thread.

    `run` takes an array (n, ...) with n from 1 to `max_batch` and returns n rows. `submit` may be called from any
    thread. A batch whose run fails hands the error to all its requests, and the next batch is served.
    Use it in a `with` block: at its end the waiting requests are served, or cancelled if an error is passing.
    `batches` holds what was run, in ms since `begin_s` (time.perf_counter).
    """

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], max_batch: int, max_delay_ms: float = 0.0) -> None:
        positive(max_batch=max_batch)
        non_negative(max_delay_ms=max_delay_ms)
        self._run, self.max_batch, self._delay_s = run, max_batch, max_delay_ms / 1e3
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.batches: list[Batch] = []
        self.begin_s = time.perf_counter()
        self._worker = threading.Thread(target=self._serve, name="batcher", daemon=True)
        self._worker.start()

    # --- for the callers ----------------------------------------------------------------------

    def submit(self, row: np.ndarray) -> Future:
        """Queue one request, an array without the batch dimension; the future of its output row.

        Raises RuntimeError after `close`.
        """
        waiting = _Waiting(row, Future(), time.perf_counter())
        with self._changed:
            if self._closing:
                raise RuntimeError("the batcher is closed: make a new one")
            self._queue.append(waiting)
            # between the first request and the one that fills the batch there is nothing to wake up for
            if len(self._queue) in (1, self.max_batch):
                self._changed.notify()
        return waiting.answer

    def __call__(self, row: np.ndarray) -> np.ndarray:
        """Queue one request and wait for its output row."""
        return self.submit(row).result()

    def close(self, cancel: bool = False) -> None:
        """Take no more requests, serve those that wait (or cancel them), and end the worker."""
        with self._changed:
            self._closing = True
            while cancel and self._queue:
                self._queue.popleft().answer.cancel()
            self._changed.notify()
        self._worker.join(JOIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close(cancel=kind is not None)

    # --- the worker ---------------------------------------------------------------------------

    def _serve(self) -> None:
        while batch := self._take():
            self._answer(batch)

    def _take(self) -> list[_Waiting]:
        """The next batch, when it is full or its oldest request has waited long enough; empty at the end."""
        with self._changed:
            while True:
                if not self._queue:
                    if self._closing:
                        return []
                    self._changed.wait()
                    continue
                left_s = self._queue[0].came_s + self._delay_s - time.perf_counter()
                if len(self._queue) >= self.max_batch or left_s <= 0 or self._closing:
                    return [self._queue.popleft() for _ in range(min(len(self._queue), self.max_batch))]
                self._changed.wait(left_s)

    def _answer(self, batch: list[_Waiting]) -> None:
        asked = [w for w in batch if w.answer.set_running_or_notify_cancel()]
        if not asked:
            return
        start = time.perf_counter()
        try:
            rows = self._run(np.stack([w.row for w in asked]))
            if len(rows) != len(asked):
                raise ValueError(f"run must return a row for each request, got {len(rows)} for {len(asked)}")
        except Exception as error:
            for w in asked:
                w.answer.set_exception(error)
            return
        begin = self.begin_s
        self.batches.append(Batch(1e3 * (start - begin), len(asked), 1e3 * (time.perf_counter() - begin)))
        for w, row in zip(asked, rows):
            w.answer.set_result(row)
