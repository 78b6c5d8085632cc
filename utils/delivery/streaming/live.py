"""A streaming pipeline with real threads: paced decoders, leaky queues, a muxer, ONNX Runtime, a tracker.

    decoder 0 ─ queue ─┐
    decoder 1 ─ queue ─┼─ muxer ─ hand-over ─ model and trackers ─ metadata
    decoder 2 ─ queue ─┘

Every thread ends by itself when the clips end, when one of them fails, or when `run` is interrupted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from utils.cost.checks import non_negative
from utils.cost.latency import percentile_linear
from utils.delivery.streaming.clips import Frame, decode, packets
from utils.delivery.streaming.detector import Detector
from utils.delivery.streaming.queues import MODES
from utils.delivery.streaming.stages import latency_breakdown
from utils.delivery.streaming.tracking import Box, IouTracker

STAGES = ("capture", "decoded", "muxed", "inferred", "out")
PATIENCE_S = 0.2  # how often a waiting thread looks whether it should stop


@dataclass(eq=False)  # compared by identity: an array has no single truth value
class Item:
    """A frame on its way, with the time in ms at which it passed each stage; `capture` is when it was due."""

    source: int
    number: int
    frame: Frame
    stamps: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Meta:
    """What is known of an object in a frame: camera, frame, name of the track, box, and whether a detector saw it."""

    source: int
    frame: int
    track: int
    box: Box
    detected: bool


@dataclass(frozen=True)
class PipelineReport:
    """What a run did. stamps: {stage: (frames,) ms since the start, NaN where a frame did not get}."""

    stamps: dict[str, np.ndarray]
    sources: np.ndarray
    dropped: int
    batch_sizes: tuple[int, ...]
    inferences: int
    metadata: tuple[Meta, ...]
    wall_s: float

    @property
    def frames(self) -> int:
        return len(self.sources)

    @property
    def done(self) -> int:
        return int(np.count_nonzero(~np.isnan(self.stamps["out"])))

    @property
    def fps(self) -> float:
        """Frames per second that came out, over all cameras."""
        return self.done / self.wall_s

    @property
    def mean_fill(self) -> float:
        return float(np.mean(self.batch_sizes)) if self.batch_sizes else 0.0

    @property
    def latency_ms(self) -> np.ndarray:
        """Latencies (done,) from the moment a frame was due to its metadata."""
        latency = self.stamps["out"] - self.stamps["capture"]
        return latency[~np.isnan(latency)]

    def p_ms(self, q: float) -> float:
        """A percentile of the end-to-end latency in ms, linearly interpolated; NaN if nothing came out."""
        return percentile_linear(self.latency_ms, q) if self.done else float("nan")

    def breakdown(self) -> dict[str, float]:
        """p95 of each hop, end to end, and the drop rate."""
        return latency_breakdown(self.stamps, list(STAGES))


class StreamPipeline:
    """Cameras (clips, paced to the wall clock), a muxer, a model and trackers, each with threads of its own.

    clips: a coded clip for each camera. detect: batch of lumas -> boxes of each. leaky: what a full queue before the
    muxer does: "no" keeps everything without bound, "upstream" drops the newest frame, "downstream" the oldest.
    interval: batches that are skipped between two inferences. slow_ms: (a, b), an artificial load: the model's thread
    sleeps for a + b n ms in addition. phases_ms: when each camera begins; None lets all begin at 0.
    Raises ValueError for another number of phases than clips, no clip, sizes below 1, an unknown mode, negative times
    or a negative interval.
    """

    def __init__(self, clips: Sequence[bytes], detect: Detector, *, batch_size: int,
                 timeout_ms: float, queue_size: int = 4, leaky: str = "downstream", interval: int = 0,
                 slow_ms: tuple[float, float] = (0.0, 0.0), phases_ms: Sequence[float] | None = None) -> None:
        if not clips or batch_size < 1 or queue_size < 1:
            raise ValueError(f"clips, batch_size and queue_size must be at least 1, got {len(clips)}, {batch_size} and "
                             f"{queue_size}")
        if leaky not in MODES:
            raise ValueError(f"leaky must be one of {', '.join(MODES)}, got {leaky!r}")
        non_negative(timeout_ms=timeout_ms, interval=interval, slow_a_ms=slow_ms[0], slow_b_ms=slow_ms[1])
        self.phases_ms = [0.0] * len(clips) if phases_ms is None else list(phases_ms)
        if len(self.phases_ms) != len(clips):
            raise ValueError(f"phases_ms must have {len(clips)} entries, one a clip, got {len(self.phases_ms)}")
        non_negative(phases_ms=min(self.phases_ms))
        self.clips, self.detect, self.interval, self.slow_ms = list(clips), detect, interval, slow_ms
        self.inbox = _Inbox(len(clips), queue_size, leaky, batch_size, timeout_ms / 1e3)
        self.handover = _HandOver()
        self.items: list[Item] = []
        self.metadata: list[Meta] = []
        self.batch_sizes: list[int] = []
        self.inferences = 0
        self._stop = threading.Event()
        self._ended = threading.Semaphore(0)  # released by each thread at its end
        self._error: BaseException | None = None
        self._start = 0.0
        self._used = False

    def run(self) -> PipelineReport:
        """Play all clips to their end. Raises what a thread raised; RuntimeError for a second run."""
        if self._used:
            raise RuntimeError("a pipeline runs once: build another one")
        self._used = True
        jobs = [(self._decode, i) for i in range(len(self.clips))] + [(self._mux,), (self._infer,)]
        threads = [threading.Thread(target=self._guarded, args=job, daemon=True) for job in jobs]
        self._start = time.monotonic() + 0.02  # the first frame is due when all threads are up
        try:
            for thread in threads:
                thread.start()
            # Not Thread.join: a KeyboardInterrupt in it marks a thread as ended that still runs (Python 3.11 and 3.12).
            for _ in threads:
                self._ended.acquire()
        finally:
            self._halt()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._error is not None:
            raise self._error
        return self._report(time.monotonic() - self._start)

    # --- the threads ---------------------------------------------------------------------------

    def _guarded(self, work: Callable, *args: int) -> None:
        try:
            work(*args)
        except BaseException as error:
            self._error = self._error or error
            self._halt()
        finally:
            self._ended.release()

    def _halt(self) -> None:
        self._stop.set()
        self.inbox.stop()
        self.handover.stop()

    def _now_ms(self) -> float:
        return 1e3 * (time.monotonic() - self._start)

    def _decode(self, source: int) -> None:
        """One camera: a frame becomes due at its timestamp, is decoded, and goes into the camera's queue."""
        clip = self.clips[source]
        frames = decode(clip)
        for number, pts_us in enumerate(sorted(packet.pts_us for packet in packets(clip))):
            due_ms = self.phases_ms[source] + pts_us / 1e3
            if not self._wait_until(self._start + due_ms / 1e3):
                return
            item = Item(source, number, next(frames), {"capture": due_ms})
            item.stamps["decoded"] = self._now_ms()
            self.items.append(item)
            self.inbox.put(item)
        self.inbox.close(source)

    def _wait_until(self, due_s: float) -> bool:
        """Whether the time has come; False after a stop."""
        while (left := due_s - time.monotonic()) > 0:
            if self._stop.wait(left):
                return False
        return not self._stop.is_set()

    def _mux(self) -> None:
        while (batch := self.inbox.collect()) is not None:
            muxed = self._now_ms()
            for item in batch:
                item.stamps["muxed"] = muxed
            if not self.handover.put(batch):
                return
        self.handover.close()

    def _infer(self) -> None:
        trackers = [IouTracker() for _ in self.clips]
        number = 0
        while (batch := self.handover.get()) is not None:
            detected = number % (self.interval + 1) == 0
            boxes = self._detect(batch) if detected else [None] * len(batch)
            if self._stop.is_set():
                return
            inferred = self._now_ms()
            for item, found in zip(batch, boxes):
                item.stamps["inferred"] = inferred
                tracks = trackers[item.source].skip() if found is None else trackers[item.source].update(found)
                self.metadata += [Meta(item.source, item.number, t.number, t.box, detected) for t in tracks]
                item.stamps["out"] = self._now_ms()
            self.batch_sizes.append(len(batch))
            number += 1

    def _detect(self, batch: list[Item]) -> list[list[Box]]:
        found = self.detect([item.frame.array for item in batch])
        self.inferences += 1
        pause_s = (self.slow_ms[0] + self.slow_ms[1] * len(batch)) / 1e3
        if pause_s:
            self._stop.wait(pause_s)
        return found

    def _report(self, wall_s: float) -> PipelineReport:
        items = sorted(self.items, key=lambda item: (item.stamps["capture"], item.source))
        stamps = {stage: np.array([item.stamps.get(stage, np.nan) for item in items]) for stage in STAGES}
        sources = np.array([item.source for item in items], int)
        return PipelineReport(stamps, sources, self.inbox.dropped, tuple(self.batch_sizes), self.inferences,
                              tuple(self.metadata), wall_s)


# --- where threads meet -----------------------------------------------------------------------


class _Inbox:
    """A queue for each camera, and the muxer's rule: full, or timed out since the first frame was collected."""

    def __init__(self, sources: int, size: int, leaky: str, batch_size: int, timeout_s: float) -> None:
        self.size, self.leaky, self.batch_size, self.timeout_s = size, leaky, batch_size, timeout_s
        self.queues: list[deque[Item]] = [deque() for _ in range(sources)]
        self.open = set(range(sources))
        self.dropped = 0
        self.stopped = False
        self.turn = 0
        self.changed = threading.Condition()

    def put(self, item: Item) -> None:
        with self.changed:
            queue = self.queues[item.source]
            if self.leaky != "no" and len(queue) >= self.size:
                self.dropped += 1
                if self.leaky == "upstream":
                    return
                queue.popleft()
            queue.append(item)
            self.changed.notify_all()

    def close(self, source: int) -> None:
        with self.changed:
            self.open.discard(source)
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    def collect(self) -> list[Item] | None:
        """The next batch, or None at the end. Goes round the cameras; a frame that is collected can't be dropped."""
        batch: list[Item] = []
        deadline = None
        with self.changed:
            while True:
                while len(batch) < self.batch_size and (item := self._next()) is not None:
                    batch.append(item)
                    deadline = time.monotonic() + self.timeout_s if deadline is None else deadline
                if self.stopped:
                    return None
                if len(batch) == self.batch_size or (not self.open and batch):
                    return batch
                if not self.open:
                    return None
                left = PATIENCE_S if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return batch
                self.changed.wait(min(left, PATIENCE_S))

    def _next(self) -> Item | None:
        for step in range(len(self.queues)):
            source = (self.turn + step) % len(self.queues)
            if self.queues[source]:
                self.turn = source + 1
                return self.queues[source].popleft()
        return None


class _HandOver:
    """One place between muxer and model: a muxer that finds it taken waits, so back-pressure reaches the queues."""

    def __init__(self) -> None:
        self.batch: list[Item] | None = None
        self.closed = self.stopped = False
        self.changed = threading.Condition()

    def put(self, batch: list[Item]) -> bool:
        """Whether the batch was handed over; False after a stop."""
        with self.changed:
            while self.batch is not None and not self.stopped:
                self.changed.wait(PATIENCE_S)
            if self.stopped:
                return False
            self.batch = batch
            self.changed.notify_all()
            return True

    def get(self) -> list[Item] | None:
        with self.changed:
            while self.batch is None and not self.closed and not self.stopped:
                self.changed.wait(PATIENCE_S)
            if self.stopped:
                return None
            batch, self.batch = self.batch, None
            self.changed.notify_all()
            return batch

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
