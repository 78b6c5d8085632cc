"""Exercise 14.frame_energy: mean power and energy of one frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.cost.edge_metrics import energy

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _energy(*, refuse: Callable[[float], bool] = lambda busy_ms: busy_ms > 1000,
            **replaced: Callable[[float, float, float, float], float]) -> Callable:
    """An answer with some of its numbers replaced; `refuse` looks at the busy milliseconds a second."""

    def answer(active_w: float, idle_w: float, latency_ms: float, fps: float) -> dict:
        if refuse(latency_ms * fps):
            raise ValueError("the load exceeds 100 %")
        avg = idle_w + (active_w - idle_w) * latency_ms * fps / 1000
        found = {"avg_w": avg, "total_mj": 1000 * avg / fps, "marginal_mj": (active_w - idle_w) * latency_ms}
        return found | {key: value(active_w, idle_w, latency_ms, fps) for key, value in replaced.items()}

    return answer


def _never(_: float) -> bool:
    return False


def _scaled(factor: float, *keys: str, refuse: Callable[[float], bool] = lambda busy_ms: busy_ms > 1000) -> Callable:
    right = _energy(refuse=refuse)
    return lambda *args: {k: v * factor if k in keys else v for k, v in right(*args).items()}


def _by_duty_cycle(active_w: float, idle_w: float, latency_ms: float, fps: float) -> dict:
    duty = fps * latency_ms / 1000
    if duty > 1:
        raise ValueError("too many frames a second")
    avg = duty * active_w + (1 - duty) * idle_w
    return {"avg_w": avg, "total_mj": avg * (1000 / fps), "marginal_mj": latency_ms * active_w - latency_ms * idle_w}


def _by_period(active_w: float, idle_w: float, latency_ms: float, fps: float) -> dict:
    period_ms = 1000 / fps
    rest_ms = period_ms - latency_ms
    if rest_ms < 0:
        raise ValueError("a frame takes longer than its period")
    total = active_w * latency_ms + idle_w * rest_ms
    return {"avg_w": total / period_ms, "total_mj": total, "marginal_mj": total - idle_w * period_ms}


def _active(a: float, i: float, t: float, f: float) -> float:
    return a * t


def _draw(rng: np.random.Generator) -> Case:
    """Busy for at most 90 % of the time, so that no rounding decides about the refusal."""
    fps = int(rng.integers(1, 61))
    latency = max(0.5, round(1000 / fps * rng.uniform(0.05, 0.9) * 2) / 2)
    idle = int(rng.integers(0, 13)) / 4
    return Case(idle + int(rng.integers(1, 50)) / 4, idle, latency, fps)


frame_energy = Exercise(
    id="14.frame_energy", points=3, difficulty=1, minutes=6, idea="energy is power × time, also while waiting",
    reference=energy.frame_energy,
    cases=[Case(6, 1.5, 40, 5), Case(10, 1, 20, 10)],
    hidden=[Case(4, 1, 60, 10), Case(3, 0, 10, 30), Case(8, 2, 250, 4), Case(2.5, 0.5, 125, 8), Case(5, 5, 20, 10),
            Case(12, 0.25, 0.5, 1)],
    draw=_draw, draws=20, compare=close(1e-9),
    raises=[Case(6, 1.5, 40, 26), Case(6, 1.5, 1001, 1), Case(2, 1, 300, 4)],
    misconceptions=[
        Misconception(
            "no_idle", _energy(total_mj=_active),
            "Your total is active power × latency. Between two frames the device idles, and that energy is drawn from the "
            "battery as well. Look at one whole period, from the start of a frame to the start of the next.",
            "The device also idles between frames.",
            also=(_energy(total_mj=_active, refuse=_never),
                  _energy(total_mj=_active, avg_w=lambda a, i, t, f: a * t * f / 1000),
                  _energy(total_mj=_active, avg_w=lambda a, i, t, f: a * t * f / 1000, refuse=_never),
                  _energy(total_mj=_active, avg_w=lambda a, i, t, f: a),
                  _energy(total_mj=_active, marginal_mj=_active),
                  _energy(total_mj=_active, marginal_mj=_active, avg_w=lambda a, i, t, f: a * t * f / 1000),
                  _energy(total_mj=_active, marginal_mj=_active, avg_w=lambda a, i, t, f: a * t * f / 1000, refuse=_never))),
        Misconception(
            "marginal_is_active", _energy(marginal_mj=_active),
            "Your marginal energy is active power × latency. Without the frame the device would have idled in that time, at "
            "its idle power. What the frame costs is the difference.",
            "Idling was not free either.",
            also=(_energy(marginal_mj=_active, refuse=_never),)),
        Misconception(
            "idle_counted_twice", _energy(total_mj=lambda a, i, t, f: a * t + i * 1000 / f),
            "You add idle power over the whole period to active power over the latency. While it computes, the device draws "
            "the active power, and nothing on top.",
            "The idle power is counted twice.",
            also=(_energy(total_mj=lambda a, i, t, f: a * t + i * 1000 / f,
                          avg_w=lambda a, i, t, f: a * t * f / 1000 + i),
                  _energy(total_mj=lambda a, i, t, f: a * t + i * 1000 / f, refuse=_never))),
        Misconception(
            "watts_times_ms_in_joules", _scaled(1000, "total_mj", "marginal_mj"),
            "Your energies are off by a factor of 1,000. One watt for one second is a joule, so one watt for one "
            "millisecond is a millijoule.",
            "The unit of W × ms.",
            also=(_scaled(1e-3, "total_mj", "marginal_mj"), _scaled(1e-3, "total_mj"), _scaled(1000, "total_mj"),
                  _scaled(1000, "marginal_mj"), _scaled(1e-3, "marginal_mj"),
                  _scaled(1000, "total_mj", "marginal_mj", refuse=_never))),
        Misconception(
            "mean_of_two_powers", _energy(avg_w=lambda a, i, t, f: (a + i) / 2),
            "You average the two powers as if the device were active for half of the time. Weight each by its share of the "
            "period.",
            "Active for how long?",
            also=(_energy(avg_w=lambda a, i, t, f: (a + i) / 2, total_mj=lambda a, i, t, f: (a + i) / 2 * 1000 / f),
                  _energy(avg_w=lambda a, i, t, f: (a + i) / 2, refuse=_never))),
        Misconception(
            "a_second_not_a_frame", _energy(total_mj=lambda a, i, t, f: 1000 * i + (a - i) * t * f),
            "Your total is the energy of one second. Asked is the energy of one frame period.",
            "A frame is not a second.",
            also=(_energy(total_mj=lambda a, i, t, f: 1000 * i + (a - i) * t * f, refuse=_never),)),
        Misconception(
            "overload_accepted", _energy(refuse=_never),
            "The numbers are right, but 26 frames of 40 ms do not fit into a second, and you return a power for them. A load "
            "above 100 % must be refused.",
            "A second has 1,000 ms.",
            also=(_energy(refuse=lambda busy_ms: busy_ms > 2000),)),
        Misconception(
            "full_load_refused", _energy(refuse=lambda busy_ms: busy_ms >= 1000),
            "4 frames of 250 ms fill a second exactly, and you refuse them. Only more than that is too much.",
            "Exactly full is allowed."),
    ],
    alternatives=[_by_duty_cycle, _by_period],
    hints=(
        "Draw one period of 200 ms: 40 ms at 6 W, then 160 ms at 1.5 W. The area under this line is the energy.",
        "1 W × 1 ms = 1 mJ. The period is 1000 / fps milliseconds, and the mean power is the energy of a period over its length.",
        "marginal = (active − idle) · latency. total = marginal + idle · period.",
    ),
    worth_knowing="Total energy a frame decides how long the battery lasts; the marginal energy tells what a better network could save.",
)
