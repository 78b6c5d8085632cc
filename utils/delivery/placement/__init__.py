"""Where a model runs: deadlines, energy, costs, cuts between device and cloud, and the choice between forms.

The door of the package, without heavy imports. `examples` holds invented numbers, `halves` cuts real ONNX models,
`link` emulates an uplink, `remote` runs both halves over it.

>>> best_split([20, 30, 40, 60, 5], [1, 2, 2, 3, .5], [150528, 802816, 200704, 50176, 4096], 1, 10)
(5, 155.0)
"""

from utils.cost.edge_metrics import usd_per_million
from utils.delivery.placement.chain import Cut, best_cut, best_split, chain_cuts, crossover_mbps
from utils.delivery.placement.costs import (
    Tariff,
    break_even,
    cheapest_ranges,
    cloud_cost,
    own_cost,
    owning_intervals,
)
from utils.delivery.placement.dag import FlowNetwork, assignment_ms, partition_dag
from utils.delivery.placement.deadline import deadline_hit_rate, lognormal_from_quantiles, travelled_m, upload_ms
from utils.delivery.placement.escalation import (
    CascadePoint,
    cascade,
    cascade_break_even,
    cascade_cost,
    cascade_curve,
    digits_cascade,
)
from utils.delivery.placement.forms import Form, Link, Verdict, Workload, choose_form, evaluate_form, form_hit_rate
from utils.delivery.placement.radio import merged, radio_energy_j

__all__ = [
    "CascadePoint", "Cut", "FlowNetwork", "Form", "Link", "Tariff", "Verdict", "Workload", "assignment_ms", "best_cut",
    "best_split", "break_even", "cascade", "cascade_break_even", "cascade_cost", "cascade_curve", "chain_cuts",
    "cheapest_ranges", "choose_form", "cloud_cost", "crossover_mbps", "deadline_hit_rate", "digits_cascade",
    "evaluate_form", "form_hit_rate", "lognormal_from_quantiles", "merged", "own_cost", "owning_intervals",
    "partition_dag", "radio_energy_j", "travelled_m", "upload_ms", "usd_per_million",
]
