"""The cockpit's state: each part against a direct computation."""

import pytest

from utils.cost.edge_metrics import frame_energy
from utils.cost.edge_metrics.cockpit import cockpit_state, heat_of


def cand(name, accuracy, active_w, latency_ms, **more):
    return {"name": name, "accuracy": accuracy, "p99_ms": 1.5 * latency_ms, "peak_mb": 50, "storage_mb": 5, "price_usd": 10,
            "active_w": active_w, "idle_w": 1, "latency_ms": latency_ms, "r_k_per_w": 10, "tau_s": 100, "limit_c": 85, **more}


CANDS = [cand("walker", 0.97, 4, 60), cand("sprinter", 0.97, 9, 20, price_usd=30), cand("sloth", 0.99, 3, 200),
         cand("sketch", 0.90, 2, 10)]
LIMITS = {"p99_ms": 200, "peak_mb": 64, "storage_mb": 8, "avg_w": 5, "accuracy": 0.94}


def test_state():
    state = cockpit_state(CANDS, LIMITS, fps=10, ambient_c=25, samples_n=500)
    assert state["broken"] == {"walker": [], "sprinter": [], "sloth": ["p99_ms", "fps"], "sketch": ["accuracy"]}
    assert state["survivors"] == ["walker", "sprinter"] and state["choice"] == "sprinter"
    assert state["energy_mj"]["sloth"] is None
    assert state["energy_mj"]["walker"] == pytest.approx(100 * 1 + 3 * 60)
    assert state["front"] == ["sprinter", "sketch"]  # the sloth cannot keep up, the walker costs more for the same
    assert state["heat"].power_w == pytest.approx(frame_energy(9, 1, 20, 10)["avg_w"])
    assert state["flat_out"].power_w == 9 and state["flat_out"].throttles_s < float("inf") == state["heat"].throttles_s
    assert cockpit_state(CANDS, LIMITS, 10, 25, "price_usd", 500)["choice"] == "walker"


def test_nobody():
    state = cockpit_state(CANDS, {**LIMITS, "accuracy": 0.995}, 10, 25, samples_n=500)
    assert state["survivors"] == [] and state["choice"] is state["heat"] is state["flat_out"] is None


def test_heat():
    hot = heat_of(CANDS[1], 9, 25)
    assert len(hot.times_s) == len(hot.temperatures_c) == 301 and hot.temperatures_c[-1] == pytest.approx(85)
    assert hot.sustained_fps == pytest.approx(50 * (6 - 1) / (9 - 1))  # 6 W end at 85 °C
