"""Exercise 18.pipeline_finish: a line of stages with little room between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import soc

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _rows(stage_ms: list, n: int) -> list[list[float]]:
    return [list(s) if isinstance(s, (list, tuple)) else [s] * n for s in stage_ms]


def _line(*, room: Callable[[int], int | None] = lambda buffers: buffers, freed: str = "start", one_at_a_time: bool = True, full: bool = False,
          last_blocks: bool = False) -> Callable:
    """The recurrence with its rules exchangeable; right by default.

    room(buffers): how many frames may wait, None for any number. freed: whether a place is free when the frame "start"s
    in the next stage or when it has left it ("depart"). full: wait for a free place before starting, not after.
    """

    def answer(stage_ms: list, n: int, buffers: int = 1) -> list[float]:
        times, places = _rows(stage_ms, n), room(buffers)
        m = len(times)
        start = [[0.0] * m for _ in range(n)]
        depart = [[0.0] * m for _ in range(n)]
        for k in range(n):
            for i in range(m):
                start[k][i] = max(depart[k][i - 1] if i else 0.0, depart[k - 1][i] if k and one_at_a_time else 0.0)
                free = 0.0
                if places is not None and i < m - 1 and k >= max(places, 1):
                    free = depart[k - 1][i + 1] if places == 0 else (start if freed == "start" else depart)[k - places][i + 1]
                if full:
                    start[k][i] = max(start[k][i], free)
                    depart[k][i] = start[k][i] + times[i][k]
                else:
                    depart[k][i] = max(start[k][i] + times[i][k], free)
        return [float(row[-1]) for row in depart]

    return answer


def _events(stage_ms: list, n: int, buffers: int = 1) -> list[float]:
    """By events: the next moment at which a frame is ready, and then everything that can move."""
    times, m = _rows(stage_ms, n), len(stage_ms)
    queues = [list(range(n)), *([] for _ in range(m - 1))]
    inside, finish, now = [None] * m, [0.0] * n, 0.0
    for _ in range(2 * n * m + 2):
        moved = True
        while moved:
            moved = False
            for i in range(m - 1, -1, -1):
                if inside[i] is not None and inside[i][1] <= now:
                    k = inside[i][0]
                    if i == m - 1:
                        finish[k], inside[i], moved = now, None, True
                    elif len(queues[i + 1]) < buffers:
                        queues[i + 1].append(k)
                        inside[i], moved = None, True
                if inside[i] is None and queues[i]:
                    k = queues[i].pop(0)
                    inside[i], moved = (k, now + times[i][k]), True
        later = [job[1] for job in inside if job is not None and job[1] > now]
        if not later:
            break
        now = min(later)
    return finish


def _by_stage(stage_ms: list, n: int, buffers: int = 1) -> list[float]:
    """Frame by frame, with a dict of departures; places are counted by index arithmetic."""
    times = _rows(stage_ms, n)
    begun: dict[tuple[int, int], float] = {}
    left: dict[tuple[int, int], float] = {}
    for k in range(n):
        for i, row in enumerate(times):
            begun[k, i] = max(left.get((k, i - 1), 0), left.get((k - 1, i), 0))
            left[k, i] = begun[k, i] + row[k]
            if (k - buffers, i + 1) in begun:
                left[k, i] = max(left[k, i], begun[k - buffers, i + 1])
    return [left[k, len(times) - 1] for k in range(n)]


def _totals(stage_ms: list, n: int) -> list[float]:
    return [sum(row[k] for row in _rows(stage_ms, n)) for k in range(n)]


def _one_by_one(stage_ms: list, n: int, buffers: int = 1) -> list[float]:
    return np.cumsum(_totals(stage_ms, n)).tolist() if n else []


def _slowest_only(stage_ms: list, n: int, buffers: int = 1) -> list[float]:
    return np.cumsum([max(row[k] for row in _rows(stage_ms, n)) for k in range(n)]).tolist() if n else []


def _fill_and_slowest(stage_ms: list, n: int, buffers: int = 1) -> list[float]:
    longest = max(max(row, default=0) for row in _rows(stage_ms, n))
    return [float(_totals(stage_ms, n)[0] + k * longest) for k in range(n)]


def _draw(rng: np.random.Generator) -> Case:
    m, n, buffers = int(rng.integers(1, 5)), int(rng.integers(1, 9)), int(rng.integers(1, 4))
    stages = [int(rng.integers(1, 10)) if rng.random() < 0.25 else [int(t) for t in rng.choice([1, 1, 2, 3, 9, 12], n)] for _ in range(m)]
    return Case(stages, n, buffers)


_BURST = [[1, 1, 1, 6], [9, 1, 1, 1]]

pipeline_finish = Exercise(
    id="18.pipeline_finish", points=6, difficulty=3, minutes=25, idea="a full buffer stops the stage before it",
    reference=soc.pipeline_finish,
    cases=[Case([4, 10, 3], 5, 1), Case(_BURST, 4, 1), Case(_BURST, 4, 2)],
    hidden=[
        Case(_BURST, 4), Case([5, 12, 4], 0, 1), Case([7], 4, 1), Case([[3, 1, 2]], 3, 2), Case([1, 1, 9], 5, 1), Case([9, 1, 1], 5, 1), Case([2, 2], 1, 1), Case([[1, 1, 1, 6], [9, 1, 1, 1]], 4, 9),
        Case([[1, 1, 1, 1, 8], [1, 1, 1, 1, 1], [9, 1, 1, 1, 1]], 5, 1), Case([[1, 1, 1, 1, 8], [1, 1, 1, 1, 1], [9, 1, 1, 1, 1]], 5, 2),
        Case([[1, 1, 1, 1, 1, 7], [12, 1, 1, 1, 1, 1]], 6, 3), Case([[1, 9, 1, 1], [5, 1, 9, 1], [1, 5, 1, 9]], 4, 1), Case([[0, 0, 0, 5], [8, 0, 0, 0]], 4, 1), Case([[2.5, 0.5, 0.5, 4.0], [6.0, 0.5, 0.5, 0.5]], 4, 1),
        Case([3, [1, 9, 1, 1, 1, 1], 2], 6, 1), Case([[1, 1, 1, 1, 1, 1], [9, 9, 1, 1, 1, 1], [1, 1, 12, 1, 1, 1]], 6, 2),
    ],
    draw=_draw, draws=60, compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception("one_by_one", _one_by_one,
                      "You send the next frame in when the last one has come out. The stages work at the same time: while one frame is in the second stage, the next is in the first.", "The frames don't overlap."),
        Misconception("slowest_only", _slowest_only,
                      "The first frame has to pass all stages before anything comes out. That time of filling is missing.", "Filling the line takes time."),
        Misconception("fill_and_slowest", _fill_and_slowest,
                      "Your formula holds for stages with one constant time. Where times differ from frame to frame, a burst fills the buffers and you have to follow each frame.", "The closed form is for constant times."),
        Misconception("unlimited", _line(room=lambda b: None),
                      "In your line any number of frames may wait between two stages. When `buffers` frames wait, the stage before keeps its finished frame and can't begin another.", "Nothing is ever blocked."),
        Misconception("several_at_once", _line(one_at_a_time=False, room=lambda b: None),
                      "A stage of yours begins a frame before it has finished the last one. It handles one at a time.", "A stage handles one frame.",
                      also=(_line(one_at_a_time=False),)),
        Misconception("one_place_less", _line(freed="depart"),
                      "Your line acts as if it had one place less between two stages. A place is free as soon as the next stage begins the frame, not when it has finished it. "
                      "And a stage needs no place in order to begin: it works first, and waits with the finished frame.", "One place is missing.",
                      also=(_line(full=True), _line(room=lambda b: b - 1))),
        Misconception("extra_place", _line(room=lambda b: b + 1),
                      "Your line has one place too many between stages. The frame that a stage works on has left its place, but it makes only one.", "One place too many."),
        Misconception("start_times", lambda stage_ms, n, buffers=1: [float(t - row) for t, row in zip(_line()(stage_ms, n, buffers), _rows(stage_ms, n)[-1])],
                      "These are the moments at which the last stage begins. Asked is when it has finished.", "The last stage takes time too."),
    ],
    alternatives=[_events, _by_stage],
    hints=(
        "Keep two tables, start[k][i] and depart[k][i], for frame k and stage i. Fill them frame by frame, stage by stage.",
        "A frame starts in a stage when it has left the stage before, and the frame before has left this stage.",
        "Frame k can leave stage i only when frame k - buffers has started in stage i + 1: then fewer than `buffers` frames wait there.",
    ),
    worth_knowing="For constant times the buffers change nothing in the finish times. They earn their memory when times vary.",
)
