"""What the edge cockpit shows: who survives the limits, accuracy against energy, the choice, and its heat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.cost.edge_metrics.candidates import energy_at_rate, pareto_front, ship_it, violations
from utils.cost.edge_metrics.thermal import ThermalModel, sustained_fps

MINUTES = 10


@dataclass(frozen=True)
class Heat:
    """Modelled temperatures (°C) of one device over ten minutes at a constant mean power, and what it can sustain."""

    power_w: float
    times_s: np.ndarray
    temperatures_c: np.ndarray
    throttles_s: float
    sustained_fps: float


def heat_of(cand: Mapping[str, Any], power_w: float, ambient_c: float) -> Heat:
    """The heat of a candidate's device, with an ideal governor; `cand` holds r_k_per_w, tau_s and limit_c."""
    model = ThermalModel(cand["r_k_per_w"], cand["tau_s"], ambient_c, cand["limit_c"])
    times, temperatures, _ = model.governed(power_w, 60 * MINUTES, dt=2)
    most = sustained_fps(cand["latency_ms"], model, cand["active_w"], cand["idle_w"])
    return Heat(power_w, times, temperatures, model.time_to_throttle_s(power_w), most)


def cockpit_state(candidates: Sequence[dict], limits: Mapping[str, float], fps: float, ambient_c: float,
                  objective: str = "energy_mj", samples_n: int = 497) -> dict:
    """Survivors, front, choice and temperatures of the candidates under limits at a frame rate.

    `limits` holds p99_ms, peak_mb, storage_mb, avg_w (upper) and accuracy (for the lower end of the interval).
    Returns a dict: "broken" (name -> the limits it breaks), "survivors" (names), "energy_mj" (name -> of one frame,
    or None where it cannot keep up), "front" (names that no candidate able to keep up beats in accuracy and energy),
    "choice" (name or None), "heat" and "flat_out" (`Heat` of the choice at the rate and without a pause, or None).
    """
    limits = {**limits, "fps": fps}
    broken = {c["name"]: violations(c, limits, samples_n) for c in candidates}
    energies = {c["name"]: energy_at_rate(c, fps) for c in candidates}
    rows = [{"accuracy": c["accuracy"], "mj": e["total_mj"] if (e := energies[c["name"]]) else None}
            for c in candidates]
    front = [candidates[i]["name"] for i in pareto_front(rows, maximize=["accuracy"], minimize=["mj"])]
    choice = ship_it(list(candidates), limits, objective, samples_n)
    chosen = next((c for c in candidates if c["name"] == choice), None)
    return {
        "broken": broken, "survivors": [name for name, found in broken.items() if not found],
        "energy_mj": {name: e["total_mj"] if e else None for name, e in energies.items()},
        "front": front, "choice": choice,
        "heat": chosen and heat_of(chosen, energies[choice]["avg_w"], ambient_c),
        "flat_out": chosen and heat_of(chosen, chosen["active_w"], ambient_c),
    }
