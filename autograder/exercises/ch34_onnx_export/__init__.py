"""Exercises of chapter 34: exporting to ONNX and optimising the graph."""

from .broadcast_dims import broadcast_dims
from .compare_outputs import compare_outputs
from .fold import fold
from .live_nodes import live_nodes
from .make_batch_dynamic import make_batch_dynamic

EXERCISES = [broadcast_dims, live_nodes, fold, compare_outputs, make_batch_dynamic]
