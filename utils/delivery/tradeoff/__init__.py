"""Optimisation for a deployment: a pipeline's stages, variants of a model, the choice between them, the release gate.

This module only gathers names; each lives in the file that its import line says. `variants` is not among
them: it trains, and imports torch and onnx.

>>> required_speedup({"pre": 4, "model": 12, "post": 2}, "model", 10)
3.0
"""

from utils.cost.edge_metrics import discordant, mcnemar_p, usd_per_million, wilson_interval
from utils.cost.roofline.speedup import amdahl
from utils.delivery.tradeoff.choice import (
    ReleaseTarget,
    Variant,
    broken_limits,
    choose,
    choose_variant,
    explain_choice,
    pareto_front,
    variant_front,
)
from utils.delivery.tradeoff.gate import (
    GateResult,
    SliceDrop,
    gate_release,
    noninferiority_bound,
    release_gate,
    samples_to_see,
    slice_drops,
)
from utils.delivery.tradeoff.pipeline import Knob, Step, optimize_loop, pipeline_ms, required_speedup
from utils.delivery.tradeoff.timing import measure, measure_latency

__all__ = [
    "GateResult", "Knob", "ReleaseTarget", "SliceDrop", "Step", "Variant", "amdahl", "broken_limits", "choose",
    "choose_variant", "discordant", "explain_choice", "gate_release", "mcnemar_p", "measure", "measure_latency",
    "noninferiority_bound", "optimize_loop", "pareto_front", "pipeline_ms", "release_gate", "required_speedup",
    "samples_to_see", "slice_drops", "usd_per_million", "variant_front", "wilson_interval",
]
