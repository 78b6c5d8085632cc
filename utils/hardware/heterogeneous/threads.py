"""A real pipeline on this machine: a thread a stage, bounded queues between them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Stage = Callable[[Any], Any]
_END = object()


@dataclass(frozen=True)
class PipelineRun:
    """What came out, in order; how long it took in all, and how long each stage worked (s)."""

    outputs: tuple[Any, ...]
    wall_s: float
    busy_s: tuple[float, ...]

    @property
    def frames_per_s(self) -> float:
        """Frames that came out, per second of the whole run (filling and draining included)."""
        return len(self.outputs) / self.wall_s

    @property
    def stage_ms(self) -> tuple[float, ...]:
        """Mean time of each stage for one frame, in ms."""
        return tuple(1000 * busy / max(len(self.outputs), 1) for busy in self.busy_s)


class RealPipeline:
    """Stages as functions of one argument, each in a thread of its own.

    Threads help where a stage releases Python's global lock, as NumPy's large operations and ONNX Runtime do.
    `depth` frames at most wait before each stage, so a fast stage can't fill the memory.
    Raises ValueError for no stages or a depth below 1.
    """

    def __init__(self, stages: Sequence[Stage], depth: int = 2) -> None:
        if not stages:
            raise ValueError("stages must have at least one function, got none")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self.stages, self.depth = tuple(stages), depth

    def run_sequential(self, frames: Sequence[Any]) -> PipelineRun:
        """One frame after the other through all stages."""
        busy, outputs = [0.0] * len(self.stages), []
        began = time.perf_counter()
        for frame in frames:
            for i, stage in enumerate(self.stages):
                start = time.perf_counter()
                frame = stage(frame)
                busy[i] += time.perf_counter() - start
            outputs.append(frame)
        return PipelineRun(tuple(outputs), time.perf_counter() - began, tuple(busy))

    def run(self, frames: Sequence[Any]) -> PipelineRun:
        """All stages at the same time, on different frames. An error of a stage ends the run and is raised here."""
        queues = [queue.Queue(self.depth) for _ in range(len(self.stages) + 1)]
        workers = [_Worker(stage, *ends) for stage, ends in zip(self.stages, pairwise(queues))]
        feeder = threading.Thread(target=self._feed, args=(frames, queues[0], workers), daemon=True)
        began = time.perf_counter()
        for thread in (*workers, feeder):
            thread.start()
        outputs = list(_until_end(queues[-1]))
        wall_s = time.perf_counter() - began
        for thread in (*workers, feeder):
            thread.join()
        failed = next((w.error for w in workers if w.error is not None), None)
        if failed is not None:
            raise failed
        return PipelineRun(tuple(outputs), wall_s, tuple(w.busy_s for w in workers))

    @staticmethod
    def _feed(frames: Sequence[Any], first: queue.Queue, workers: Sequence[_Worker]) -> None:
        for frame in frames:
            if any(w.error is not None for w in workers):
                break
            first.put(frame)
        first.put(_END)


def _until_end(source: queue.Queue) -> Iterator[Any]:
    """What comes out of a queue before the end mark; by identity, because arrays can't be compared by ==."""
    while (frame := source.get()) is not _END:
        yield frame


class _Worker(threading.Thread):
    """Runs one stage; after an error it only empties its queue, so that nobody waits for it for ever."""

    def __init__(self, stage: Stage, source: queue.Queue, target: queue.Queue) -> None:
        super().__init__(daemon=True)
        self.stage, self.source, self.target = stage, source, target
        self.busy_s, self.error = 0.0, None

    def run(self) -> None:
        for frame in _until_end(self.source):
            if self.error is not None:
                continue
            start = time.perf_counter()
            try:
                result = self.stage(frame)
            except BaseException as error:
                self.error = error
                continue
            self.busy_s += time.perf_counter() - start
            self.target.put(result)
        self.target.put(_END)
