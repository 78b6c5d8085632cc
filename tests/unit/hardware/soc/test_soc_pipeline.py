"""The recurrence against a simulation by events with explicit places, and against closed forms."""

import math
from fractions import Fraction

import numpy as np
import pytest

from utils.hardware.soc import buffers_needed, pipeline_finish, simulate_pipeline
from utils.hardware.soc.pipeline import in_flight, is_in_order


def by_ticks(times, n, buffers, arrivals=None):
    """Whole milliseconds, one after the other: stages are slots, buffers are lists. No formula of the recurrence."""
    stages = len(times)
    outside = list(range(n))
    waiting = [[] for _ in range(stages)]  # before stage i
    inside, left = [None] * stages, {}
    now = 0
    while len(left) < n:
        moved = True
        while moved:
            moved = False
            for i in reversed(range(stages)):
                if inside[i] and inside[i][1] <= now:  # finished: leave, if there is a place
                    if i == stages - 1:
                        left[inside[i][0]] = now
                        inside[i], moved = None, True
                    elif len(waiting[i + 1]) < buffers or (not inside[i + 1] and not waiting[i + 1]):
                        waiting[i + 1].append(inside[i][0])
                        inside[i], moved = None, True
                if inside[i] is None:
                    source = waiting[i] if i else [k for k in outside if arrivals is None or arrivals[k] <= now][:1]
                    if source:
                        k = source[0]
                        (waiting[i] if i else outside).remove(k)
                        inside[i], moved = (k, now + times[i][k]), True
        now += 1
    return [left[k] for k in range(n)]


def test_examples():
    assert pipeline_finish([4, 10, 3], 5) == [17, 27, 37, 47, 57]
    assert pipeline_finish([[1, 1, 1, 6], [9, 1, 1, 1]], 4) == [10, 11, 12, 17]
    assert pipeline_finish([[1, 1, 1, 6], [9, 1, 1, 1]], 4, 2) == [10, 11, 12, 13]
    assert pipeline_finish([7], 3) == [7, 14, 21] and pipeline_finish([1, 2], 0) == []
    assert simulate_pipeline([4, 10, 3], 5).starts_of_stage[0] == (0, 4, 8, 14, 24)
    assert simulate_pipeline([4, 10, 3], 5, 9).starts_of_stage[0] == (0, 4, 8, 12, 16)


def test_against_a_simulation_by_ticks():
    rng = np.random.default_rng(0)
    for _ in range(150):
        stages, n, buffers = int(rng.integers(1, 5)), int(rng.integers(0, 9)), int(rng.integers(1, 4))
        times = rng.integers(1, 9, (stages, n)).tolist()
        assert pipeline_finish(times, n, buffers) == by_ticks(times, n, buffers)
        gap = int(rng.integers(0, 6))
        assert list(simulate_pipeline(times, n, buffers, gap).finish) == by_ticks(times, n, buffers, [gap * k for k in range(n)])


@pytest.mark.parametrize("buffers", [1, 2, 7])
def test_constant_times_have_a_closed_form(buffers):
    for stages in ([5, 12, 4], [3], [1, 1, 9], [9, 1, 1]):
        expected = [sum(stages) + k * max(stages) for k in range(12)]
        assert pipeline_finish(stages, 12, buffers) == expected
    trace = simulate_pipeline([5, 12, 4], 50, buffers)
    assert trace.latency_ms[0] == 21 and trace.fps == pytest.approx(1000 / 12)


def test_blocking_and_flight():
    trace = simulate_pipeline([4, 10, 3], 5)
    # frame 2 is ready at 12 and leaves at 14, frame 3 at 18 and 24, frame 4 at 28 and 34
    assert trace.blocked_ms == (2 + 6 + 6, 0, 0)
    assert in_flight(simulate_pipeline([5, 5], 10, arrival_ms=5), 5) == 2  # one in each stage
    assert in_flight(simulate_pipeline([5, 5], 10, arrival_ms=20), 20) == 1 and is_in_order(trace)
    assert simulate_pipeline([5], 1).fps is None and simulate_pipeline([0], 3).fps is None


def test_bad_input():
    for bad, word in (({"buffers": 0}, "buffers"), ({"buffers": 1.5}, "buffers"), ({"stage_ms": []}, "stage_ms"), ({"n_frames": -1}, "n_frames"),
                      ({"stage_ms": [-1]}, "stage_ms"), ({"stage_ms": [[1, 2]]}, "3 frames"), ({"arrival_ms": -1}, "arrival_ms")):
        with pytest.raises(ValueError, match=word):
            simulate_pipeline(**{"stage_ms": [1], "n_frames": 3, **bad})


def test_little():
    assert buffers_needed([5, 12, 4], 10, 30) == 1 and buffers_needed([8, 30, 12], 20, 30) == 3
    rng = np.random.default_rng(1)
    for _ in range(300):
        stages = [int(v) for v in rng.integers(0, 400, 3)]  # tenths of ms
        jitter, fps = int(rng.integers(0, 300)), int(rng.integers(1, 120))
        exact = Fraction(sum(stages) + jitter, 10) * fps / 1000
        assert buffers_needed([v / 10 for v in stages], jitter / 10, fps) == math.ceil(exact)
    with pytest.raises(ValueError, match="negative"):
        buffers_needed([-1], 0, 30)
