"""Judging and mending exported graphs: comparisons, dynamic batch, the stages of an optimiser."""

from utils.graphs.optimize.backends import BackendRow, compare_backends
from utils.graphs.optimize.batch_edit import make_batch_dynamic, with_dynamic_batch
from utils.graphs.optimize.batch_judge import BatchVerdict, judge_batches
from utils.graphs.optimize.broadcasting import broadcast_dims
from utils.graphs.optimize.comparison import Comparison, compare_arrays, compare_outputs
from utils.graphs.optimize.exports import ROUTES, available_exports, example_cnn, export_matrix, export_route
from utils.graphs.optimize.external import ExternalEntry, ExternalPlan, fits_protobuf, split_external, stored_bytes
from utils.graphs.optimize.liveness import live_nodes
from utils.graphs.optimize.stages import StageRow, optimize_stages, optimizer_report
from utils.graphs.optimize.support import SupportRun, support_runs
from utils.graphs.optimize.tuple_folding import fold
from utils.graphs.static_shapes import make_static

__all__ = [
    "ROUTES",
    "BackendRow",
    "BatchVerdict",
    "Comparison",
    "ExternalEntry",
    "ExternalPlan",
    "StageRow",
    "SupportRun",
    "available_exports",
    "broadcast_dims",
    "compare_arrays",
    "compare_backends",
    "compare_outputs",
    "example_cnn",
    "export_matrix",
    "export_route",
    "fits_protobuf",
    "fold",
    "judge_batches",
    "live_nodes",
    "make_batch_dynamic",
    "make_static",
    "optimize_stages",
    "optimizer_report",
    "split_external",
    "stored_bytes",
    "support_runs",
    "with_dynamic_batch",
]
