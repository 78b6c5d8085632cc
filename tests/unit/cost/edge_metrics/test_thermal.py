"""Heat: small Euler steps against the closed form, limits, and a governor that holds its limit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.edge_metrics.energy import average_power_w
from utils.cost.edge_metrics.thermal import ThermalModel, sustained_fps, time_to_throttle

BOX = ThermalModel(r_k_per_w=5, tau_s=120, ambient_c=25, limit_c=85)


def test_golden():
    assert time_to_throttle(15, 5, 120, 25, 85) == pytest.approx(193.13, abs=0.005)
    assert BOX.steady_state(15) == 100 and BOX.sustained_power_w() == 12
    assert BOX.time_to_throttle_s(12) == math.inf  # settles at the limit, and never crosses it
    assert BOX.time_to_throttle_s(0, start_c=85) == BOX.time_to_throttle_s(99, start_c=90) == 0


def euler(power_w, seconds, start_c, dt):
    """C dT/dt = P - (T - ambient) / R, in small steps."""
    c = start_c
    for _ in range(round(seconds / dt)):
        c += dt / 120 * (25 + power_w * 5 - c)
    return c


@pytest.mark.parametrize(("power_w", "start_c"), [(15, 25), (3, 70), (0, 85)])
def test_temperature_against_euler_steps(power_w, start_c):
    # the error of Euler's method is about dt / (2 tau) of the change: 75 K / 2000 = 0.04 K
    assert BOX.temperature(power_w, 300, start_c) == pytest.approx(euler(power_w, 300, start_c, 0.12), abs=0.1)
    assert BOX.temperature(power_w, 0.0, start_c) == pytest.approx(start_c)


@given(st.floats(12.1, 80), st.floats(-10, 84))
def test_at_that_time_it_is_at_the_limit(power_w, start_c):
    t = BOX.time_to_throttle_s(power_w, start_c)
    assert BOX.temperature(power_w, t, start_c) == pytest.approx(85, abs=1e-6)
    assert BOX.time_to_throttle_s(power_w + 1, start_c) < t or t == 0


def test_simulate_asks_for_the_power_of_each_step():
    asked = []

    def power(t, c):
        asked.append((t, c))
        return 15.0 if t < 60 else 0.0

    told = BOX.simulate(power, 20, 6)
    assert told.shape == (7,) and [t for t, _ in asked] == [0, 20, 40, 60, 80, 100]
    assert told[3] == pytest.approx(BOX.temperature(15, 60)) and [c for _, c in asked] == told[:-1].tolist()
    assert told[6] == pytest.approx(BOX.temperature(0, 60, told[3]))


def test_the_governor_holds_the_limit_at_the_sustained_power():
    times, temperatures, watts = BOX.governed(15, 600, dt=2)
    assert len(times) == len(temperatures) == len(watts) + 1 == 301
    assert temperatures.max() <= 85 + 1e-9 and watts[0] == 15
    first = times[np.flatnonzero(watts < 15)[0]]
    assert first <= 193.13 < first + 4
    assert watts[-1] == pytest.approx(12) and temperatures[-1] == pytest.approx(85)
    assert set(BOX.governed(9, 100)[2]) == {9}  # never reaches the limit
    hot = ThermalModel(5, 120, 90, 85)
    assert set(hot.governed(15, 10)[2]) == {0.0} and hot.sustained_power_w() == 0


def test_sustained_fps_draws_the_sustained_power():
    fps = sustained_fps(25, BOX, 15, 3)
    assert fps == 30 and average_power_w(15, 3, 25, fps) == pytest.approx(12)
    assert sustained_fps(25, BOX, 12, 3) == 40  # never hot: 1000 / latency
    assert sustained_fps(25, BOX, 15, 12.5) == 0  # idling is too hot already


@pytest.mark.parametrize(("call", "word"), [
    (lambda: ThermalModel(0, 1, 25, 85), "r_k_per_w"),
    (lambda: ThermalModel(1, -1, 25, 85), "tau_s"),
    (lambda: time_to_throttle(-1, 5, 120, 25, 85), "power_w"),
    (lambda: BOX.simulate(lambda t, c: 1, 0, 3), "dt"),
    (lambda: sustained_fps(0, BOX, 1, 1), "latency_ms"),
])
def test_errors(call, word):
    with pytest.raises(ValueError, match=word):
        call()
