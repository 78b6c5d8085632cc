"""Exercise 38.radio_energy: what a radio takes that stays awake after each transmission."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from utils.delivery import placement

from ...compare import close
from ...exercise import Case, Exercise, Misconception

LTE = (0.1, 1.2, 11.6, 1.06)


def _refuse(times: list, tx: float) -> None:
    if any(b < a + tx for a, b in pairwise(times)):
        raise ValueError("unsorted or overlapping")


def _unsorted_only(times: list, tx: float) -> None:
    if any(b < a for a, b in pairwise(times)):
        raise ValueError("unsorted")


def _no_touching(times: list, tx: float) -> None:
    if any(b <= a + tx for a, b in pairwise(times)):
        raise ValueError("unsorted or overlapping")


def _answer(gap: Callable = lambda gap, tail, tx: min(gap, tail), last: Callable = lambda tail, tx: tail,
            check: Callable = _refuse, send: float = 1.0) -> Callable:
    """An answer by gaps between transmissions; right by default. gap, last: seconds in the tail's power."""

    def answer(times_s: list, tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
        check(times_s, tx_s)
        if not times_s:
            return 0.0
        gaps = [b - (a + tx_s) for a, b in pairwise(times_s)]
        tails = sum(gap(g, tail_s, tx_s) for g in gaps) + last(tail_s, tx_s)
        return send * len(times_s) * tx_s * p_tx_w + tails * p_tail_w

    return answer


def _crashes_when_empty(times_s: list, tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
    times_s[0]
    return _answer()(times_s, tx_s, p_tx_w, tail_s, p_tail_w)


def _tail_when_empty(times_s: list, tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
    return _answer()(times_s, tx_s, p_tx_w, tail_s, p_tail_w) if times_s else tail_s * p_tail_w


# --- right answers ------------------------------------------------------------------------------


def _by_intervals(times_s: list, tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
    """The union of [start, end + tail] is awake; what is not sending of it is tail."""
    awake = busy = 0.0
    ends = float("-inf")
    before = float("-inf")
    for t in times_s:
        if t < before:
            raise ValueError("unsorted or overlapping")
        before = t + tx_s
        awake += before + tail_s - max(t, ends)
        busy += tx_s
        ends = before + tail_s
    return busy * p_tx_w + (awake - busy) * p_tail_w


def _arrays(times_s: list, tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
    starts = np.asarray(times_s, float)
    idle = np.append(np.diff(starts) - tx_s, np.inf)[: len(starts)]
    if (np.diff(starts) < tx_s).any():
        raise ValueError("unsorted or overlapping")
    return float(len(starts) * tx_s * p_tx_w + np.minimum(idle, tail_s).sum() * p_tail_w)


def _recursive(times_s: list, tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
    if not times_s:
        return 0
    one = tx_s * p_tx_w
    if len(times_s) == 1:
        return one + tail_s * p_tail_w
    idle = times_s[1] - times_s[0] - tx_s
    if idle < 0:
        raise ValueError("unsorted or overlapping")
    return one + min(idle, tail_s) * p_tail_w + _recursive(times_s[1:], tx_s, p_tx_w, tail_s, p_tail_w)


def _draw(rng: np.random.Generator) -> Case:
    tx = float(rng.choice([0.25, 0.5, 1.0]))
    tail = float(rng.choice([0, 0.25, 2, 5, 10, 11.5]))
    t, times = float(rng.integers(0, 40)) / 4, []
    for _ in range(int(rng.integers(1, 9))):
        times.append(t)
        t += tx + float(rng.choice([0, 0.25, 1, 3, 7, 12, 40]))
    return Case(times, tx, float(rng.integers(2, 20)) / 8, tail, float(rng.integers(1, 12)) / 8)


radio_energy = Exercise(
    id="38.radio_energy", points=3, difficulty=1, minutes=8, idea="the tail costs more than the bytes",
    reference=placement.radio_energy_j, compare=close(1e-9, 1e-12), pure=True,
    cases=[Case([0, 5, 60], *LTE), Case([0], *LTE), Case([], *LTE)],
    hidden=[
        Case([0, 0.5, 1.0], 0.5, 2.0, 4.0, 1.0), Case([0, 100, 200], 0.5, 2.0, 4.0, 1.0), Case([0, 4.5], 0.5, 2.0, 4.0, 1.0),
        Case([0, 4.25], 0.5, 2.0, 4.0, 1.0), Case([0, 3], 0.5, 2.0, 0.0, 1.0), Case([1e6], 0.25, 1.0, 10.0, 0.5),
        Case([-8, -4, 0], 1.0, 1.5, 2.5, 0.75), Case([0, 2, 4], 2.0, 1.0, 0.25, 3.0), Case([0, 2], 1.0, 0.0, 5.0, 1.0),
        Case([0.0, 6.0, 12.0, 18.0], 1.0, 0.5, 5.0, 0.25), Case([3.0], 1.0, 2.0, 0.5, 1.0), Case([0, 8], 2.0, 1.0, 1.0, 1.0),
    ],
    draw=_draw, draws=25,
    raises=[Case([5, 0], 0.5, 1.0, 2.0, 1.0), Case([0, 0.25], 0.5, 1.0, 2.0, 1.0), Case([0, 5, 5.25], 0.5, 1.0, 2.0, 1.0),
            Case([0, 9, 4], 0.5, 1.0, 2.0, 1.0), Case([3, 3], 0.5, 1.0, 2.0, 1.0), Case([0, 5, 5.25, 20], 0.5, 1.0, 2.0, 1.0)],
    misconceptions=[
        Misconception(
            "no_tail", _answer(gap=lambda g, tail, tx: 0.0, last=lambda tail, tx: 0.0),
            "You count the sending alone. In the example that is 0.36 J of 30.146 J: after each transmission the radio stays awake.",
            "The tail dominates."),
        Misconception(
            "full_tail_each", _answer(gap=lambda g, tail, tx: tail),
            "You give each request a whole tail. A request that comes within a tail cuts it short, and a new one begins after it.",
            "Tails don't add up."),
        Misconception(
            "tail_from_the_start", _answer(gap=lambda g, tail, tx: max(0.0, min(g + tx, tail) - tx),
                                           last=lambda tail, tx: max(0.0, tail - tx)),
            "Your tail begins with the sending. It begins when the transmission ends.",
            "The tail begins afterwards."),
        Misconception(
            "no_last_tail", _answer(last=lambda tail, tx: 0.0),
            "Nothing follows the last request, but the radio doesn't know that: it stays awake after it too.",
            "The last tail is missing."),
        Misconception(
            "never_asleep", _answer(gap=lambda g, tail, tx: g),
            "You keep the radio awake until the next request. After `tail_s` it goes to sleep.",
            "The radio does go to sleep."),
        Misconception(
            "both_powers", _answer(gap=lambda g, tail, tx: min(g + tx, tail + tx), last=lambda tail, tx: tail + tx),
            "During a transmission you count both powers. Only `p_tx_w` counts there.",
            "One power at a time.", also=(_answer(gap=lambda g, tail, tx: min(g + tx, tail)),)),
        Misconception(
            "all_or_nothing_tail", _answer(gap=lambda g, tail, tx: tail if g >= tail else 0.0),
            "You drop a tail that is cut short. Until the next request comes the radio is awake.",
            "A short tail counts too."),
        Misconception(
            "empty", _crashes_when_empty,
            "Without a request the radio sleeps. That is 0.0 J, not an error, and no tail.",
            "No request is allowed.", also=(_tail_when_empty,)),
        Misconception(
            "overlap_not_checked", _answer(check=_unsorted_only),
            "Two transmissions at once get through. The next one may begin as one ends, not earlier.",
            "Overlaps get through.", also=(_answer(check=lambda times, tx: None),)),
        Misconception(
            "touching_refused", _answer(check=_no_touching),
            "You refuse a transmission that begins as another ends. That is allowed.",
            "Touching is allowed."),
    ],
    alternatives=[_answer(), _by_intervals, _arrays, _recursive],
    hints=(
        "Look at the gap from the end of one transmission to the start of the next.",
        "In a gap of g seconds the tail takes the smaller of g and tail_s. A negative gap is an overlap or unsorted.",
        "Add one whole tail after the last request, if there is one.",
    ),
    worth_knowing="Sending the same requests together, a minute's worth at a time, saves most tails: that is why phones batch their traffic.",
)
