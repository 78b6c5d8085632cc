"""A stream muxer: frames of many cameras become batches, and no frame waits longer than the timeout for a dead camera.

The rules are those of NVIDIA's nvstreammux: a batch is pushed when it is full, or when its timeout has passed since
its first frame was collected. One thing is simpler here: frames join in the order in which they arrive, while
nvstreammux goes round the sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from utils.cost.checks import non_negative, positive
from utils.cost.latency import percentile_linear
from utils.serving.queueing import simulate_fifo

US_PER_S = 1_000_000


@dataclass(frozen=True)
class Event:
    """A decoded frame that reaches the muxer: time in us, number of the camera, number of the frame."""

    t_us: int
    source: int
    frame: int = 0


@dataclass(frozen=True)
class MuxedBatch:
    """What the muxer pushes at once."""

    push_us: int
    events: tuple[Event, ...]

    @property
    def sources(self) -> list[int]:
        return [event.source for event in self.events]

    @property
    def waits_us(self) -> list[int]:
        """How long each frame waited for the batch, in us."""
        return [self.push_us - event.t_us for event in self.events]


@dataclass(frozen=True)
class MuxReport:
    """A muxer and the model behind it: frames, mean fill, waits in ms, share of time in which the model runs."""

    frames: int
    batches: int
    mean_fill: float
    mean_wait_ms: float
    p95_wait_ms: float
    busy: float
    p95_latency_ms: float

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def camera_events(n: int, fps: float | Sequence[float], phase_us: Sequence[int] | None = None, duration_s: float = 1.0,
                  jitter_us: int = 0, seed: int = 0) -> list[Event]:
    """Frames of n cameras, sorted by time. Each camera delivers from its phase on, once in 1 / fps.

    fps: one rate, or one for each camera. phase_us: each camera's first frame; None spreads the cameras evenly over a
    frame period. jitter_us: each frame comes later by a random whole number from 0 to that many us.
    Raises ValueError for no camera, a rate that is not positive, or another number of rates or phases than cameras.
    """
    positive(n=n, duration_s=duration_s)
    non_negative(jitter_us=jitter_us)
    rates = [float(fps)] * n if isinstance(fps, (int, float)) else [float(f) for f in fps]
    positive(fps=min(rates))
    phases = [round(i * US_PER_S / rate / n) for i, rate in enumerate(rates)] if phase_us is None else list(phase_us)
    if len(rates) != n or len(phases) != n:
        raise ValueError(f"fps and phase_us must have {n} entries, one a camera, got {len(rates)} and {len(phases)}")
    rng = np.random.default_rng(seed)
    events = []
    for source, (rate, phase) in enumerate(zip(rates, phases)):
        count = math.ceil((duration_s * US_PER_S - phase) * rate / US_PER_S - 1e-9)
        late = rng.integers(0, jitter_us + 1, max(count, 0))
        events += [Event(phase + round(i * US_PER_S / rate) + int(late[i]), source, i) for i in range(count)]
    return sorted(events, key=lambda event: (event.t_us, event.source, event.frame))


def mux_events(events: Sequence[Event], batch_size: int, timeout_us: int,
               max_same_source: int | None = None) -> list[MuxedBatch]:
    """Batches in the order in which they are pushed.

    A batch is pushed at the arrival that fills it, or `timeout_us` after its first frame was collected; a frame that
    arrives exactly then finds the batch gone. With -1 it waits for ever, and what is left at the end is pushed at the
    time of the last event. With `max_same_source` a camera has at most that many frames in a batch; further ones are
    held back, and join the next batch when this one is pushed.
    Raises ValueError for a batch size below 1, a timeout below -1, a cap below 1, or times that are not sorted.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if timeout_us < -1:
        raise ValueError(f"timeout_us must be at least -1, got {timeout_us}")
    if max_same_source is not None and max_same_source < 1:
        raise ValueError(f"max_same_source must be at least 1, got {max_same_source}")
    muxer, last_us = _Muxer(batch_size, timeout_us, max_same_source), 0
    for i, event in enumerate(events):
        if i and event.t_us < last_us:
            raise ValueError(f"events must be sorted by time, got {event.t_us} after {last_us}")
        last_us = event.t_us
        muxer.arrive(event)
    return muxer.finish(last_us)


class _Muxer:
    """The batch that is being filled, the frames that are held back, and what has been pushed."""

    def __init__(self, batch_size: int, timeout_us: int, cap: int | None) -> None:
        self.batch_size, self.timeout_us, self.cap = batch_size, timeout_us, cap
        self.batch: list[Event] = []
        self.held: list[Event] = []
        self.pushed: list[MuxedBatch] = []
        self.opened_us = 0

    @property
    def deadline_us(self) -> float:
        return math.inf if self.timeout_us < 0 else self.opened_us + self.timeout_us

    def arrive(self, event: Event) -> None:
        while self.batch and event.t_us >= self.deadline_us:
            self.push(int(self.deadline_us))
        self.take(event, event.t_us)

    def take(self, event: Event, now_us: int) -> None:
        if self.cap is not None and sum(e.source == event.source for e in self.batch) >= self.cap:
            self.held.append(event)
            return
        if not self.batch:
            self.opened_us = now_us
        self.batch.append(event)
        if len(self.batch) == self.batch_size:
            self.push(now_us)

    def push(self, now_us: int) -> None:
        self.pushed.append(MuxedBatch(now_us, tuple(self.batch)))
        self.batch, held, self.held = [], self.held, []
        for event in held:
            self.take(event, now_us)

    def finish(self, last_us: int) -> list[MuxedBatch]:
        while self.batch:
            self.push(last_us if self.timeout_us < 0 else int(self.deadline_us))
        return self.pushed


def mux_batches(events: list[tuple[int, int]], batch_size: int, timeout_us: int) -> list[tuple[int, list[int]]]:
    """Batches (push time, sources in order) of frames (time, source) that are sorted by time.

    >>> mux_batches([(0, 0), (5, 1), (33, 0), (38, 1), (66, 0)], 2, 20)
    [(5, [0, 1]), (38, [0, 1]), (86, [0])]
    """
    batches = mux_events([Event(t, source) for t, source in events], batch_size, timeout_us)
    return [(batch.push_us, batch.sources) for batch in batches]


def staggered_wait_us(n: int, fps: float) -> float:
    """Mean wait in us of n evenly staggered cameras whose batch of n has no timeout: (n - 1) / (2 n) of a period."""
    positive(n=n, fps=fps)
    return (n - 1) / (2 * n) * US_PER_S / fps


def mux_report(batches: Sequence[MuxedBatch], infer_a_ms: float, infer_b_ms: float) -> MuxReport:
    """What the batches cost, with one model behind the muxer that takes a + b n ms for a batch of n.

    Latency is the wait for the batch, the wait for the model, and the model. Busy is counted up to the last result.
    """
    if not batches:
        raise ValueError("batches must not be empty, got none")
    waits = np.concatenate([batch.waits_us for batch in batches]) / 1e3
    fills = np.array([len(batch.events) for batch in batches])
    first_us = batches[0].events[0].t_us
    pushes_s = np.array([batch.push_us - first_us for batch in batches]) / US_PER_S
    services_s = (infer_a_ms + infer_b_ms * fills) / 1e3
    model_s = simulate_fifo(pushes_s, services_s) + services_s
    latencies = waits + np.repeat(1e3 * model_s, fills)
    span_s = float((pushes_s + model_s)[-1])
    return MuxReport(len(waits), len(batches), float(fills.mean()), float(waits.mean()), percentile_linear(waits, 95),
                     float(services_s.sum() / span_s) if span_s else 0.0, percentile_linear(latencies, 95))
