"""Exercise 17.fps_on: frames a second by the roofline."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import chips

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Of = Callable[[float, float, float, "float | None", float], float]


def _refuse(util: float) -> None:
    if not 0 < util <= 1:
        raise ValueError("util must lie above 0 and at most at 1")


def _compute_s(macs: float, tops: float, util: float) -> float:
    return 2 * macs / (tops * 1e12 * util)


def _memory_s(nbytes: float, gb_s: float | None) -> float:
    return 0.0 if gb_s is None else nbytes / (gb_s * 1e9)


def _right(m: float, n: float, t: float, g: float | None, u: float) -> float:
    return 1 / max(_compute_s(m, t, u), _memory_s(n, g))


def _answer(of: Of, check: bool = True) -> Callable:
    def answer(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
        if check:
            _refuse(util)
        return of(macs, nbytes, tops, gb_s, util)

    return answer


def _told(of: Of) -> dict:
    return {"answer": _answer(of), "also": [_answer(of, check=False)]}


def _one_excluded(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
    if not 0 < util < 1:
        raise ValueError("util must lie between 0 and 1")
    return _right(macs, nbytes, tops, gb_s, util)


def _zero_included(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
    if not 0 <= util <= 1:
        raise ValueError("util must lie between 0 and 1")
    return _right(macs, nbytes, tops, gb_s, util) if util else 0.0


# --- right answers ------------------------------------------------------------------------------


def _two_rates(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
    _refuse(util)
    compute = tops * 1e12 * util / (2 * macs)
    memory = math.inf if gb_s is None or nbytes == 0 else gb_s * 1e9 / nbytes
    return min(compute, memory)


def _in_ms(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
    if util <= 0 or util > 1:
        raise ValueError("util is a share")
    times = [2 * macs / 1e9 / tops / util]
    if gb_s is not None:
        times.append(nbytes / 1e6 / gb_s)
    return 1000 / max(times)


def _by_intensity(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
    """The classical form: attainable operations a second over the operations of a frame."""
    if not 0.0 < util <= 1.0:
        raise ValueError("util")
    peak = np.float64(tops) * 1e12 * util
    if gb_s is not None and nbytes > 0:
        peak = np.minimum(peak, 2 * macs / nbytes * gb_s * 1e9)
    return peak / (2 * macs)


def _draw(rng: np.random.Generator) -> tuple:
    macs = float(rng.choice([0.3, 0.57, 1.8, 4.1, 7.5, 15.5])) * 1e9
    tops = float(rng.choice([1.2, 4, 6, 16, 26, 33.5, 137.5]))
    util = float(rng.choice([0.05, 0.1, 0.3, 0.5, 0.8, 1.0]))
    gb_s = float(rng.choice([8.5, 17, 33.8, 102.4, 204.8]))
    balanced = 2 * macs / (tops * 1e12 * util) * gb_s * 1e9  # bytes at which both times are equal
    nbytes = float(round(balanced * rng.choice([0.02, 0.3, 0.7, 1.5, 3, 20])))
    return macs, nbytes, tops, None if rng.random() < 0.2 else gb_s, util


fps_on = Exercise(
    id="17.fps_on", points=6, difficulty=2, minutes=14, idea="the slower of arithmetic and memory sets the rate",
    reference=chips.fps_on,
    cases=[Case(300.8e6, 10e6, 6, 33.8, 0.3), Case(300.8e6, 10e6, 6, 33.8, 0.6), Case(300.8e6, 10e6, 26, None, 0.3)],
    hidden=[Case(300.8e6, 10e6, 6, 33.8, 1), Case(7.505e9, 3.752e9, 33.5, 102.4, 0.3), Case(7.505e9, 3.752e9, 33.5, None, 0.3),
            Case(4.1e9, 0, 33.5, 102.4, 0.3), Case(1000, 4, 0.5, 1, 0.25), Case(4.1e9, 36.7e6, 0.4, 8.5, 0.9)],
    draw=_draw, draws=40, compare=close(1e-9),
    raises=[Case(300.8e6, 10e6, 6, 33.8, 0, word="util"), Case(300.8e6, 10e6, 6, 33.8, 1.5, word="util"),
            Case(300.8e6, 10e6, 6, 33.8, -0.3, word="util"), Case(300.8e6, 10e6, 6, None, 30, word="util")],
    misconceptions=[
        Misconception(
            "one_operation_a_mac", message="You divide MACs by TOPS. TOPS count a multiplication and an addition, two operations for each MAC: you are up to twice too fast.",
            title="A MAC is two operations.", **_told(lambda m, n, t, g, u: 1 / max(_compute_s(m, t, u) / 2, _memory_s(n, g)))),
        Misconception(
            "times_added", message="You add both times. While the chip computes one part, the memory fetches the next: they overlap, and the longer one remains.",
            title="They overlap.", **_told(lambda m, n, t, g, u: 1 / (_compute_s(m, t, u) + _memory_s(n, g)))),
        Misconception(
            "full_peak", message="The utilisation plays no part. No network reaches the peak: the chip computes at util times its TOPS.",
            title="The peak is not reached.", **_told(lambda m, n, t, g, u: 1 / max(_compute_s(m, t, 1), _memory_s(n, g)))),
        Misconception(
            "none_is_zero", message="You take None for 0 GB/s, so a frame never ends. Here None means that the network stays on the chip: there is no memory time.",
            title="None is not 0 GB/s.", answer=_answer(lambda m, n, t, g, u: 0.0 if g is None else _right(m, n, t, g, u)),
            also=[_answer(lambda m, n, t, g, u: 0.0 if g is None else _right(m, n, t, g, u), check=False),
                  _answer(lambda m, n, t, g, u: math.inf if g is None else _right(m, n, t, g, u))]),
        Misconception(
            "memory_scaled", message="You apply util to the memory too. It is the share of the TOPS; the bandwidth counts as given.",
            title="util belongs to the TOPS.", **_told(lambda m, n, t, g, u: 1 / max(_compute_s(m, t, u), _memory_s(n, g) / u))),
        Misconception(
            "compute_only", message="The memory is missing. Where a frame moves many bytes, it waits for them, however fast the chip computes.",
            title="Memory can decide.", **_told(lambda m, n, t, g, u: 1 / _compute_s(m, t, u))),
        Misconception(
            "memory_only", message="The arithmetic is missing wherever there is a DRAM. The longer of the two times counts.",
            title="Arithmetic can decide.",
            **_told(lambda m, n, t, g, u: 1 / (_memory_s(n, g) or _compute_s(m, t, u)))),
        Misconception(
            "shorter_time", message="You take the shorter of the two times. A frame is ready when both are done.",
            title="The longer one counts.",
            **_told(lambda m, n, t, g, u: 1 / min(_compute_s(m, t, u), _memory_s(n, g) or math.inf))),
        Misconception(
            "returns_a_time", message="This is the time of a frame. Asked is how many frames fit into a second.",
            title="That is a time.", answer=_answer(lambda *a: 1000 / _right(*a)), also=[_answer(lambda *a: 1 / _right(*a))]),
        Misconception(
            "one_refused", _one_excluded,
            "You refuse util = 1. The full peak is rarely reached, but it is a share that may be asked for.",
            "1 is allowed."),
        Misconception(
            "zero_accepted", _zero_included,
            "You accept util = 0. A chip that reaches nothing of its peak is a slip in the table: refuse it.",
            "0 is not allowed."),
        Misconception(
            "any_util", _answer(_right, check=False),
            "The values are right. But util is a share: 0, negative values and values above 1, like 30 for 30 %, have to be refused.",
            "Bad input gets through."),
    ],
    alternatives=[_two_rates, _in_ms, _by_intensity],
    hints=(
        "Two times in seconds: 2 · macs over the operations a second that the chip reaches, and nbytes over the bytes a second of the memory.",
        "The frame takes the longer one; without DRAM only the first exists.",
        "tops · 1e12 · util operations a second, gb_s · 1e9 bytes a second.",
    ),
    worth_knowing="With 0.3 and 0.6 the example changes sides: first the arithmetic decides, then the memory.",
)
