"""Heat: a device as one thermal resistance and one time constant, and what it can sustain below its limit.

A first-order (RC) model. Real devices have several time constants and lower clocks in steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative, positive


def time_to_throttle(power_w: float, r_k_per_w: float, tau_s: float, ambient_c: float, limit_c: float,
                     start_c: float | None = None) -> float:
    """Seconds until the limit is reached at a constant power; inf if never, 0 if it starts there.

    The temperature goes from `start_c` (None: ambient) towards ambient + power · R, and the gap shrinks by a factor
    e in each time constant. Raises ValueError for R or tau that are not positive, or a negative power.

    >>> round(time_to_throttle(15, 5, 120, 25, 85), 2)
    193.13
    """
    positive(r_k_per_w=r_k_per_w, tau_s=tau_s)
    non_negative(power_w=power_w)
    start = ambient_c if start_c is None else start_c
    if start >= limit_c:
        return 0.0
    settles_c = ambient_c + power_w * r_k_per_w
    if settles_c <= limit_c:
        return math.inf
    return tau_s * math.log((settles_c - start) / (settles_c - limit_c))


@dataclass(frozen=True)
class ThermalModel:
    """A device of thermal resistance `r_k_per_w` (K/W) and time constant `tau_s`, in an ambient and with a limit (°C).

    Raises ValueError for a resistance or a time constant that is not positive.
    """

    r_k_per_w: float
    tau_s: float
    ambient_c: float
    limit_c: float

    def __post_init__(self) -> None:
        positive(r_k_per_w=self.r_k_per_w, tau_s=self.tau_s)

    def steady_state(self, power_w: float) -> float:
        """The temperature (°C) that a constant power ends at."""
        return self.ambient_c + power_w * self.r_k_per_w

    def temperature(self, power_w: float, t_s: ArrayLike, start_c: float | None = None) -> np.ndarray | float:
        """Temperature (°C) after `t_s` seconds of a constant power; an array for an array of times."""
        start = self.ambient_c if start_c is None else start_c
        settles_c = self.steady_state(power_w)
        told = settles_c + (start - settles_c) * np.exp(-np.asarray(t_s, dtype=np.float64) / self.tau_s)
        return told if told.ndim else float(told)

    def time_to_throttle_s(self, power_w: float, start_c: float | None = None) -> float:
        """Seconds until the limit is reached; inf if never."""
        return time_to_throttle(power_w, self.r_k_per_w, self.tau_s, self.ambient_c, self.limit_c, start_c)

    def sustained_power_w(self) -> float:
        """The largest power (W) that never crosses the limit; 0 where the ambient alone does."""
        return max(0.0, (self.limit_c - self.ambient_c) / self.r_k_per_w)

    def simulate(self, power_fn: Callable[[float, float], float], dt: float, steps: int,
                 start_c: float | None = None) -> np.ndarray:
        """Temperatures (°C) at 0, dt, ... steps · dt; `power_fn(t_s, temperature_c)` gives the watts of each step.

        Within a step the power is constant and the closed form is exact, so `dt` need not be small for the heat,
        only for the governor in `power_fn`. Returns shape (steps + 1,). Raises ValueError for dt that is not positive.
        """
        positive(dt=dt)
        told = [self.ambient_c if start_c is None else start_c]
        for k in range(steps):
            told.append(self.temperature(power_fn(k * dt, told[-1]), dt, told[-1]))
        return np.array(told)

    def governed(self, power_w: float, seconds: float, dt: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(times s, temperatures °C, watts) of a device that wants `power_w` and lowers it once the limit is reached.

        Its governor is ideal: at the limit the power falls to what can be sustained. Shapes (n + 1,), (n + 1,), (n,).
        """
        steps, watts = round(seconds / dt), []

        def power(_: float, temperature_c: float) -> float:
            next_c = self.temperature(power_w, dt, temperature_c)
            watts.append(power_w if next_c <= self.limit_c else min(power_w, self._power_to_limit(temperature_c, dt)))
            return watts[-1]

        temperatures = self.simulate(power, dt, steps)
        return np.arange(steps + 1) * dt, temperatures, np.array(watts)

    def _power_to_limit(self, temperature_c: float, dt: float) -> float:
        """The power that ends a step of `dt` exactly at the limit; not below 0."""
        left = math.exp(-dt / self.tau_s)
        settles_c = (self.limit_c - temperature_c * left) / (1 - left)
        return max(0.0, (settles_c - self.ambient_c) / self.r_k_per_w)


def sustained_fps(latency_ms: float, thermal: ThermalModel, active_w: float, idle_w: float) -> float:
    """Frames per second that never reach the limit: the device rests between frames as long as it must.

    At most 1000 / latency; 0 where idling alone is too hot. Raises ValueError for a latency that is not positive.

    >>> sustained_fps(25, ThermalModel(5, 120, 25, 85), active_w=15, idle_w=3)
    30.0
    """
    positive(latency_ms=latency_ms)
    most = 1000 / latency_ms
    room_w = thermal.sustained_power_w() - idle_w
    if room_w < 0:
        return 0.0
    needs_w = active_w - idle_w
    return most if needs_w <= room_w else most * room_w / needs_w
