"""Exercise 14.time_to_throttle: when a device reaches its temperature limit."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.cost.edge_metrics import thermal

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _time(rise: Callable[[float, float, float, float], float], *,
          settles: Callable[[float, float, float], float] = lambda p, r, ambient: ambient + p * r,
          start_of: Callable[[float | None, float], float] = lambda start, ambient: ambient if start is None else start,
          never: Callable[[], float] = lambda: math.inf, already: bool = True) -> Callable:
    """An answer: `rise(start, settles, limit, tau)` is the time where there is one."""

    def answer(power_w: float, r_k_per_w: float, tau_s: float, ambient_c: float, limit_c: float,
               start_c: float | None = None) -> float:
        start, end = start_of(start_c, ambient_c), settles(power_w, r_k_per_w, ambient_c)
        if already and start >= limit_c:
            return 0.0
        if end <= limit_c:
            return never()
        return rise(start, end, limit_c, tau_s)

    return answer


def _log(start: float, end: float, limit: float, tau: float) -> float:
    return tau * math.log((end - start) / (end - limit))


def _linear(start: float, end: float, limit: float, tau: float) -> float:
    return tau * (limit - start) / (end - start)


def _raise() -> float:
    raise ValueError("the limit is never reached")


def _raise_domain() -> float:
    return math.log(-1.0)


def _never_first(power_w: float, r_k_per_w: float, tau_s: float, ambient_c: float, limit_c: float,
                 start_c: float | None = None) -> float:
    """Asks about the end before the start: a hot device that cools gets inf."""
    start, end = ambient_c if start_c is None else start_c, ambient_c + power_w * r_k_per_w
    if end <= limit_c:
        return math.inf
    return 0.0 if start >= limit_c else _log(start, end, limit_c, tau_s)


def _with_log1p(power_w: float, r_k_per_w: float, tau_s: float, ambient_c: float, limit_c: float,
                start_c: float | None = None) -> float:
    """From the decay of the gap to the steady state."""
    start_c = ambient_c if start_c is None else start_c
    if limit_c <= start_c:
        return 0
    gap = ambient_c + power_w * r_k_per_w - start_c
    share = (limit_c - start_c) / gap if gap > 0 else 1.0
    return float("inf") if share >= 1 else -tau_s * math.log1p(-share)


def _in_steps(power_w: float, r_k_per_w: float, tau_s: float, ambient_c: float, limit_c: float,
              start_c: float | None = None) -> float:
    """Small steps of a two-thousandth of the time constant, with the last one cut."""
    c, t, dt = (ambient_c if start_c is None else start_c), 0.0, tau_s / 4000
    end = ambient_c + r_k_per_w * power_w
    if c >= limit_c:
        return 0.0
    if end <= limit_c:
        return np.inf
    while True:
        step = (end - c) * dt / tau_s * (1 - 0.5 * dt / tau_s)
        if c + step >= limit_c:
            return t + dt * (limit_c - c) / step
        c, t = c + step, t + dt


def _in_numpy(power_w: float, r_k_per_w: float, tau_s: float, ambient_c: float, limit_c: float,
              start_c: float | None = None) -> float:
    """A fine table of times, searched."""
    start = ambient_c if start_c is None else start_c
    end = ambient_c + power_w * r_k_per_w
    if start >= limit_c:
        return 0.0
    if limit_c - end >= 0:
        return math.inf
    return float(tau_s * (np.log(end - start) - np.log(end - limit_c)))


def _draw(rng: np.random.Generator) -> Case:
    """The steady state stays 1 K or more away from the limit."""
    while True:
        power, r = int(rng.integers(0, 61)) / 4, int(rng.integers(4, 40)) / 4
        ambient, limit = int(rng.integers(-10, 56)), int(rng.integers(60, 100))
        if abs(ambient + power * r - limit) >= 1:
            break
    tau = int(rng.integers(20, 400))
    start = [] if rng.random() < 0.4 else [int(rng.integers(-20, limit - 2)) if rng.random() < 0.8 else limit + 3]
    return Case(power, r, tau, ambient, limit, *start)


time_to_throttle = Exercise(
    id="14.time_to_throttle", points=4, difficulty=2, minutes=9, idea="the gap to the final temperature shrinks exponentially",
    reference=thermal.time_to_throttle,
    cases=[Case(15, 5, 120, 25, 85), Case(15, 5, 120, 25, 85, 60), Case(9, 5, 120, 25, 85)],
    hidden=[Case(12, 5, 120, 25, 85), Case(15, 5, 120, 25, 85, 85), Case(15, 5, 120, 25, 85, 90), Case(3, 5, 120, 25, 85, 88),
            Case(3, 5, 120, 25, 85, 85),
            Case(0, 5, 120, 25, 85), Case(30, 5, 120, 25, 85), Case(15, 5, 120, 25, 85, 0), Case(15, 5, 120, 25, 85, 25),
            Case(15, 5, 120, -10, 60), Case(15, 5, 120, 0, 60, 0), Case(40, 2, 60, 20, 70, -20)],
    draw=_draw, draws=25, compare=close(5e-3),
    misconceptions=[
        Misconception(
            "linear", _time(_linear),
            "You let the temperature rise at its first speed all the way. The hotter the device is, the more heat it gives off, "
            "so the rise slows down: the gap to the final temperature shrinks by the same factor in each time constant.",
            "Heating slows down.",
            also=(_time(lambda s, e, limit, tau: (limit - s) / (e / tau)), _time(lambda s, e, limit, tau: tau * (limit - s) / (e - s) * math.log(2)))),
        Misconception(
            "wrong_ratio", _time(lambda s, e, limit, tau: tau * math.log((e - limit) / (e - s))),
            "The ratio in your logarithm is not that of the two gaps. Write down the gap to the final temperature at the start, and "
            "the gap when the limit is reached. The second is the smaller one, and the time must be positive.",
            "Which two gaps?",
            also=(_time(lambda s, e, limit, tau: tau * math.log(e / limit)), _time(lambda s, e, limit, tau: -tau * math.log((limit - s) / (e - s))),
                  _time(lambda s, e, limit, tau: tau * math.log((limit - s) / (e - s))), _time(lambda s, e, limit, tau: tau * math.log(e / (e - limit))),
                  _time(lambda s, e, limit, tau: tau * math.log(limit / s) if s > 0 else 0.0))),
        Misconception(
            "another_base", _time(lambda s, e, limit, tau: tau * math.log10((e - s) / (e - limit))),
            "Your logarithm has the wrong base. In one time constant the gap shrinks by a factor of e, so it is the natural one.",
            "Not the natural logarithm.",
            also=(_time(lambda s, e, limit, tau: tau * math.log2((e - s) / (e - limit))),)),
        Misconception(
            "without_ambient", _time(_log, settles=lambda p, r, ambient: p * r),
            "You let the device settle at power × resistance. That is how far it ends *above* the ambient.",
            "The ambient is missing.",
            also=(_time(_log, settles=lambda p, r, ambient: p * r, start_of=lambda start, ambient: start or 0.0),)),
        Misconception(
            "error_for_never", _time(_log, never=_raise),
            "A device that settles below its limit is a good device, and you raise an error for it. The answer is that it takes "
            "forever.",
            "Never is an answer.",
            also=(_time(_log, never=_raise_domain), _time(_log, never=lambda: math.nan), _time(_log, never=lambda: -1.0),
                  _time(_log, never=lambda: None), _time(_log, never=lambda: 0.0))),
        Misconception(
            "start_ignored", _time(_log, start_of=lambda start, ambient: ambient),
            "You always start at the ambient temperature. A device that has just been busy is warm already.",
            "The start is not the ambient.",
            also=(_time(_log, start_of=lambda start, ambient: ambient, already=False),)),
        Misconception(
            "zero_is_no_start", _time(_log, start_of=lambda start, ambient: start or ambient),
            "A start of 0 °C is taken for no start at all. 0 is false in Python: ask whether it is None.",
            "0 °C is a temperature."),
        Misconception(
            "hot_start_missed", _never_first,
            "A device that starts at the limit, or above it, is throttled at once, whatever the power. Ask that before you look at "
            "where it will settle.",
            "It starts at the limit.",
            also=(_time(_log, already=False), _time(lambda s, e, limit, tau: abs(_log(s, e, limit, tau)) if s < e else 0.0, already=False),
                  _time(lambda s, e, limit, tau: _log(s, e, limit, tau) if s < e else 0.0, already=False))),
    ],
    alternatives=[_with_log1p, _in_steps, _in_numpy],
    hints=(
        "The device ends at ambient + power · R. Call the gap to that temperature g. After t seconds it is g · exp(−t / tau).",
        "At the limit the gap is the final temperature minus the limit. Solve for t with `math.log`.",
        "Check two cases first: starts at the limit or above (0), and settles at or below the limit (`math.inf`).",
    ),
    worth_knowing="A benchmark shorter than this time says nothing about the device in operation.",
)
