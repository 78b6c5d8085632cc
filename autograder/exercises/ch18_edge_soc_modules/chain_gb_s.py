"""Exercise 18.chain_gb_s: what a chain of passes moves over the memory bus."""

from __future__ import annotations

import numpy as np

from utils.hardware import soc

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Passes = list[tuple[int, int]]
_FRAME, _TENSOR = 3_110_400, 1_228_800
_CHAIN = [(0, _FRAME), (_FRAME, _TENSOR), (_TENSOR, 0), (_FRAME + _FRAME // 2, _FRAME), (_FRAME, 0)]


def _with_numpy(passes: Passes, fps: float, streams: int = 1) -> float:
    return float(np.sum(np.array(passes, float)) * fps * streams / 1e9)


def _by_columns(passes: Passes, fps: float, streams: int = 1) -> float:
    reads, writes = (sum(p[i] for p in passes) for i in (0, 1))
    return fps * streams * (reads / 1e9) + fps * streams * (writes / 1e9)


def _total(passes: Passes) -> int:
    return sum(r + w for r, w in passes)


def _draw(rng: np.random.Generator) -> Case:
    passes = [tuple(int(v) for v in rng.integers(0, 10**7, 2)) for _ in range(int(rng.integers(0, 7)))]
    return Case(passes, float(rng.choice([7.5, 15, 25, 30, 60, 120])), int(rng.integers(0, 33)))


chain_gb_s = Exercise(
    id="18.chain_gb_s", points=3, difficulty=1, minutes=8, idea="every crossing of the bus counts",
    reference=soc.chain_gb_s,
    cases=[Case(_CHAIN, 30), Case(_CHAIN, 30, 16)],
    hidden=[Case([], 30), Case([], 30, 4), Case([(5_000_000, 0)], 25.0, 2), Case([(0, 5_000_000)], 25.0, 2), Case(_CHAIN[:1], 60), Case(_CHAIN, 0), Case(_CHAIN, 29.97, 3), Case(_CHAIN, 30, 0)],
    draw=_draw, draws=30, compare=close(1e-9, 1e-15),
    misconceptions=[
        Misconception("reads", lambda passes, fps, streams=1: sum(r for r, _ in passes) * fps * streams / 1e9,
                      "You count what is read. Writes go over the same bus.", "Writes are missing."),
        Misconception("writes", lambda passes, fps, streams=1: sum(w for _, w in passes) * fps * streams / 1e9,
                      "You count what is written. Reads go over the same bus.", "Reads are missing."),
        Misconception("larger", lambda passes, fps, streams=1: sum(max(p) for p in passes) * fps * streams / 1e9,
                      "You take the larger one of reads and writes of a pass. A bus carries one thing at a time: both take their turn.", "Reads and writes don't overlap."),
        Misconception("gib", lambda passes, fps, streams=1: _total(passes) * fps * streams / 2**30,
                      "You divide by 2^30. Bandwidths are given in decimal GB/s: 1e9 bytes.", "GB/s are decimal."),
        Misconception("no_fps", lambda passes, fps, streams=1: _total(passes) * streams / 1e9,
                      "Your result is GB for one frame. How many frames are there in a second?", "The frame rate is missing."),
        Misconception("one_stream", lambda passes, fps, streams=1: _total(passes) * fps / 1e9,
                      "Your result does not grow with the number of streams. Every stream moves frames of its own.", "Only one stream is counted.",
                      also=(lambda passes, fps, streams=1: _total(passes) * fps / 1e9 + streams - 1,)),
        Misconception("megabytes", lambda passes, fps, streams=1: _total(passes) * fps * streams / 1e6,
                      "Your result is in MB/s. A GB is 1e9 bytes.", "These are megabytes."),
        Misconception("bits", lambda passes, fps, streams=1: 8 * _total(passes) * fps * streams / 1e9,
                      "Your result is in Gbit/s. It should be in GB/s, bytes.", "These are bits."),
        Misconception("last_pass", lambda passes, fps, streams=1: sum(passes[-1]) * fps * streams / 1e9 if passes else 0.0,
                      "You count one pass. The frame crosses the bus in each of them: add all.", "One pass is not the chain.",
                      also=(lambda passes, fps, streams=1: max(map(sum, passes), default=0) * fps * streams / 1e9,)),
        Misconception("empty", lambda passes, fps, streams=1: (sum(passes[0]) + _total(passes[1:])) * fps * streams / 1e9,
                      "An empty chain ends in an error. It moves nothing: the result is 0.", "An empty chain moves nothing."),
    ],
    alternatives=[_with_numpy, _by_columns],
    hints=("Bytes of one frame first: all reads plus all writes.", "Then frames a second, then streams, then 1e9."),
    worth_knowing="Chips spread the traffic over several memory channels, but all engines share all of them.",
)
