"""Stages in a line with few places between them: a full buffer stops the stage before it (blocking after service).

With deterministic times the whole schedule follows from one recurrence (Dallery and Gershwin, 1992, survey such
lines): start[k][i] = max(depart[k][i-1], depart[k-1][i]) and depart[k][i] = max(start[k][i] + t[i], start[k-B][i+1]).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real

from utils.cost.checks import non_negative
from utils.hardware.soc.budget import NEARLY

StageTimes = Sequence["float | Sequence[float]"]


@dataclass(frozen=True)
class PipelineTrace:
    """When each frame started, was ready, and left each stage (ms): tuples of frames, each a tuple of stages.

    latency_ms: from a frame's arrival to its departure from the last stage. fps: frames a second between the first
    and the last finished frame, None for fewer than two. blocked_ms: how long each stage held a finished frame.
    """

    start: tuple[tuple[float, ...], ...]
    ready: tuple[tuple[float, ...], ...]
    depart: tuple[tuple[float, ...], ...]
    latency_ms: tuple[float, ...]
    fps: float | None
    blocked_ms: tuple[float, ...]

    @property
    def finish(self) -> tuple[float, ...]:
        """When each frame left the last stage (ms)."""
        return tuple(frame[-1] for frame in self.depart)

    @property
    def starts_of_stage(self) -> tuple[tuple[float, ...], ...]:
        """For each stage, when it started each frame (ms)."""
        return tuple(zip(*self.start))


def simulate_pipeline(stage_ms: StageTimes, n_frames: int, buffers: int = 1, arrival_ms: float = 0.0) -> PipelineTrace:
    """The schedule of `n_frames` through stages in a line, at most `buffers` frames waiting between two stages.

    `stage_ms[i]` is the time of stage i, or a list with its time for each frame. Frame k arrives at k * arrival_ms
    and may wait outside. Raises ValueError without stages, for buffers < 1, negative times, and lists of another
    length than n_frames.
    """
    times = _times(stage_ms, n_frames)
    non_negative(arrival_ms=arrival_ms)
    if type(buffers) is not int or buffers < 1:
        raise ValueError(f"buffers must be a whole number of at least 1, got {buffers!r}")
    last = len(times) - 1
    start, ready, depart = [], [], []
    for k in range(n_frames):
        row = [[], [], []]
        for i in range(last + 1):
            begin = max(row[2][i - 1] if i else k * arrival_ms, depart[k - 1][i] if k else 0.0)
            done = begin + times[i][k]
            free = start[k - buffers][i + 1] if i < last and k >= buffers else 0.0
            for column, value in zip(row, (begin, done, max(done, free))):
                column.append(value)
        for rows, column in zip((start, ready, depart), row):
            rows.append(tuple(column))
    finish = [frame[-1] for frame in depart]
    spread = finish[-1] - finish[0] if n_frames > 1 else 0.0
    return PipelineTrace(
        tuple(start), tuple(ready), tuple(depart), tuple(f - k * arrival_ms for k, f in enumerate(finish)),
        1000 * (n_frames - 1) / spread if spread > 0 else None,
        tuple(sum(d[i] - r[i] for d, r in zip(depart, ready)) for i in range(last + 1)))


def pipeline_finish(stage_ms: StageTimes, n: int, buffers: int = 1) -> list[float]:
    """When each of n frames, all there at 0 ms, leaves the last stage.

    >>> pipeline_finish([4, 10, 3], 5)
    [17.0, 27.0, 37.0, 47.0, 57.0]
    >>> pipeline_finish([[1, 1, 1, 6], [9, 1, 1, 1]], 4), pipeline_finish([[1, 1, 1, 6], [9, 1, 1, 1]], 4, 2)
    ([10.0, 11.0, 12.0, 17.0], [10.0, 11.0, 12.0, 13.0])
    """
    return [float(t) for t in simulate_pipeline(stage_ms, n, buffers).finish]


def buffers_needed(stage_ms: Sequence[float], jitter_ms: float, fps: float) -> int:
    """Frames in flight by Little's law (1961): ceil of the time in the system times the rate.

    A product within 1e-9 of a whole number counts as that number.

    >>> buffers_needed([5, 12, 4], 10, 30), buffers_needed([8, 30, 12], 20, 30)
    (1, 3)
    """
    for value in stage_ms:
        non_negative(stage_ms=value)
    non_negative(jitter_ms=jitter_ms, fps=fps)
    return math.ceil((sum(stage_ms) + jitter_ms) * fps / 1000 - NEARLY)


def in_flight(trace: PipelineTrace, arrival_ms: float = 0.0) -> int:
    """The most frames that were in the line at once, from arrival to the last departure."""
    moves = sorted([(k * arrival_ms, 1) for k in range(len(trace.start))] + [(t, -1) for t in trace.finish])
    level, most = 0, 0
    for _, change in moves:
        level += change
        most = max(most, level)
    return most


def is_in_order(trace: PipelineTrace) -> bool:
    """Whether no frame overtakes another."""
    return all(a <= b for a, b in pairwise(trace.finish))


def _times(stage_ms: StageTimes, n_frames: int) -> list[list[float]]:
    if not stage_ms:
        raise ValueError("stage_ms must have at least one stage, got none")
    non_negative(n_frames=n_frames)
    times = []
    for i, entry in enumerate(stage_ms):
        values = [entry] * n_frames if isinstance(entry, Real) else list(entry)
        if len(values) != n_frames:
            raise ValueError(f"stage_ms[{i}] must have a time for each of the {n_frames} frames, got {len(values)}")
        for value in values:
            non_negative(stage_ms=value)
        times.append(values)
    return times
