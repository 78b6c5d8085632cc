"""The metrics of an edge deployment: accuracy with its uncertainty, energy, heat, and the choice between candidates.

This module only gathers names; each lives in the file that its import line says.

>>> wilson_interval(950, 1000)[0] > 0.93
True
>>> mcnemar_p(9, 18) > 0.05
True
"""

from utils.cost.edge_metrics.candidates import energy_at_rate, pareto, pareto_front, pareto_unknown, ship_it, violations
from utils.cost.edge_metrics.device_run import (
    Candidate,
    deadline_miss_rate,
    measure_candidate,
    peak_rss_mb,
)
from utils.cost.edge_metrics.energy import (
    ENERGY_PJ_45NM,
    FrameEnergy,
    average_power_w,
    battery_hours,
    cpu_energy_mj,
    energy_from_samples_j,
    energy_per_inference_mj,
    frame_energy,
    operation_energy_mj,
    read_cpu_energy_j,
    usd_per_million,
)
from utils.cost.edge_metrics.proportions import discordant, is_better, mcnemar_p, newcombe_diff, wilson_interval
from utils.cost.edge_metrics.thermal import ThermalModel, sustained_fps, time_to_throttle

__all__ = [
    "ENERGY_PJ_45NM", "Candidate", "FrameEnergy", "ThermalModel", "average_power_w", "battery_hours", "cpu_energy_mj",
    "deadline_miss_rate", "discordant", "energy_at_rate", "energy_from_samples_j", "energy_per_inference_mj",
    "frame_energy", "is_better", "mcnemar_p", "measure_candidate", "newcombe_diff", "operation_energy_mj", "pareto",
    "pareto_front", "pareto_unknown", "peak_rss_mb", "read_cpu_energy_j", "ship_it", "sustained_fps",
    "time_to_throttle", "usd_per_million", "violations", "wilson_interval",
]
