"""Graphs from Python programs: a tracer, guards that keep it right, and what torch's own ways do.

torch is imported by the functions that need it. Example modules are in `utils.graphs.torchscript.examples`.
"""

from utils.graphs.torchscript.archives import archive_listing, archive_text, pickle_imports
from utils.graphs.torchscript.branchless import BRANCHLESS, clipped, first_k, penalty
from utils.graphs.torchscript.capture import (
    CaptureRow,
    capture_table,
    control_flow_summary,
    deprecation_warnings,
    fold_batchnorm_module,
    quiet,
)
from utils.graphs.torchscript.divergence import FUNCTIONS, agrees, divergence_curve, diverges, find_divergence
from utils.graphs.torchscript.guards import GuardedFunction
from utils.graphs.torchscript.racing import Timing, Variant, bench, compiled_race, gpu_race, jit_race
from utils.graphs.torchscript.small import Guarded, TinyTracer
from utils.graphs.torchscript.tape import Proxy, Tape, TracedFunction, record, relu, trace

__all__ = [
    "BRANCHLESS",
    "FUNCTIONS",
    "CaptureRow",
    "Guarded",
    "GuardedFunction",
    "Proxy",
    "Tape",
    "Timing",
    "TinyTracer",
    "TracedFunction",
    "Variant",
    "agrees",
    "archive_listing",
    "archive_text",
    "bench",
    "capture_table",
    "clipped",
    "compiled_race",
    "control_flow_summary",
    "deprecation_warnings",
    "divergence_curve",
    "diverges",
    "find_divergence",
    "first_k",
    "fold_batchnorm_module",
    "gpu_race",
    "jit_race",
    "penalty",
    "pickle_imports",
    "quiet",
    "record",
    "relu",
    "trace",
]
