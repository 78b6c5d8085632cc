"""Exercise 18.buffers_needed: frames in flight by Little's law."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from utils.hardware import soc

from ...exercise import Case, Exercise, Misconception


def _by_fractions(stage_ms: list[float], jitter_ms: float, fps: float) -> int:
    exact = (sum(Fraction(str(s)) for s in stage_ms) + Fraction(str(jitter_ms))) * Fraction(str(fps)) / 1000
    return math.ceil(exact - Fraction(1, 10**9))


def _counting(stage_ms: list[float], jitter_ms: float, fps: float) -> int:
    n = 0
    while n + 1e-9 < (sum(stage_ms) + jitter_ms) * fps / 1000:
        n += 1
    return n


def _exact(stage_ms: list[float], jitter_ms: float, fps: float) -> float:
    return (sum(stage_ms) + jitter_ms) * fps / 1000


def _up(value: float) -> int:
    return math.ceil(value - 1e-9)


def _draw(rng: np.random.Generator) -> Case:
    stages = [int(v) / 10 for v in rng.integers(0, 500, int(rng.integers(1, 6)))]
    fps = float(rng.choice([15, 24, 25, 30, 60, 120]))
    jitter = int(rng.integers(0, 200)) / 10
    if rng.random() < 0.4:  # a whole number of frames
        jitter = math.ceil(sum(stages) * fps / 1000 + 0.01) * 1000 / fps - sum(stages)
    return Case(stages, jitter, fps)


buffers_needed = Exercise(
    id="18.buffers_needed", points=3, difficulty=1, minutes=8, idea="items inside = rate x time inside",
    reference=soc.buffers_needed,
    cases=[Case([5, 12, 4], 10, 30), Case([8, 30, 12], 20, 30)],
    hidden=[
        Case([0.1] * 3, 0.0, 10000), Case([40, 60], 0, 30), Case([40, 50], 10, 30), Case([1.1, 2.2], 0.0, 10000), Case([20], 0, 50), Case([20], 0.5, 50), Case([0], 0, 30), Case([33.3], 0, 30), Case([10], 23.4, 30),
        Case([100, 200, 300], 0, 25), Case([5.0, 5.0], 0.0, 300), Case([7], 0.0, 1000), Case([0.7], 0.0, 10000), Case([100.05], 0, 30), Case([50, 50], 0.001, 30),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("floor", lambda s, j, f: math.floor(_exact(s, j, f) + 1e-9),
                      "You round down. 0.93 frames in flight still need a whole buffer.", "Part of a frame needs a buffer.",
                      also=(lambda s, j, f: int(_exact(s, j, f)),)),
        Misconception("nearest", lambda s, j, f: round(_exact(s, j, f)),
                      "You round to the nearest number. Any part of a frame needs a buffer: round up.", "Round up, not to the nearest."),
        Misconception("plain_ceil", lambda s, j, f: math.ceil(_exact(s, j, f)),
                      "A product that should be a whole number came out a little larger, such as 3.0000000000000004, and you rounded it up to the next. "
                      "Treat what lies within 1e-9 of a whole number as that number.", "A whole number was rounded up."),
        Misconception("longest", lambda s, j, f: _up((max(s) + j) * f / 1000),
                      "You count the longest stage. Little's law asks for the whole time in the system: all stages.", "A frame passes all stages."),
        Misconception("no_jitter", lambda s, j, f: _up(sum(s) * f / 1000),
                      "The jitter is missing. While a frame is late it still holds its buffer.", "The jitter is missing."),
        Misconception("seconds", lambda s, j, f: _up((sum(s) + j) * f),
                      "Your result is a thousand times too large: milliseconds times frames a second.", "Milliseconds are not seconds."),
        Misconception("jitter_seconds", lambda s, j, f: _up((sum(s) / 1000 + j) * f),
                      "Only the stages are converted to seconds, the jitter is not.", "The jitter is in ms as well."),
        Misconception("one_more", lambda s, j, f: math.floor(_exact(s, j, f) + 1e-9) + 1,
                      "You always add one. A whole number of frames needs no further buffer here.", "A whole number needs no more.",
                      also=(lambda s, j, f: _up(_exact(s, j, f)) + 1,)),
        Misconception("per_stage", lambda s, j, f: sum(_up(x * f / 1000) for x in s) + _up(j * f / 1000),
                      "You round each stage by itself. Frames are counted in the whole line: add the times first.", "Add first, then round."),
        Misconception("at_least_one", lambda s, j, f: max(1, _up(_exact(s, j, f))),
                      "You never return 0. If nothing takes time, nothing is in flight.", "Zero is possible."),
        Misconception("inverse", lambda s, j, f: _up(1000 / f / max(sum(s) + j, 1e-9)),
                      "You divide the frame interval by the time. It is the other way round: how many intervals fit into the time in the system.", "The quotient is upside down."),
    ],
    alternatives=[_by_fractions, _counting],
    hints=("How long is a frame in the system, in seconds? How many come in a second?", "math.ceil(x - 1e-9) keeps whole numbers whole."),
    worth_knowing="Little's law needs no assumption about order or distribution: only that what goes in comes out.",
)
