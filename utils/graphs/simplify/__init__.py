"""A simplifier for ONNX graphs: small passes, repeated until nothing changes, and a check of what they did."""

from utils.graphs.simplify.batchnorm import fold_conv_bn, fuse_conv_bn
from utils.graphs.simplify.dead import eliminate_common_subexpressions, eliminate_dead
from utils.graphs.simplify.examples import messy_cnn
from utils.graphs.simplify.folding import fold_constants
from utils.graphs.simplify.frames import FrameNode, GraphFrame, graph_frames
from utils.graphs.simplify.levels import LEVELS, LevelTime, measure_levels
from utils.graphs.simplify.noops import eliminate_noops
from utils.graphs.simplify.reshapes import open_reshape, reshape_target, rewrite_dynamic_reshape
from utils.graphs.simplify.rewriting import Pass, PassResult
from utils.graphs.simplify.scales import fuse_scales
from utils.graphs.simplify.schedule import (
    DEFAULT_PASSES,
    PASSES,
    SimplifyReport,
    Step,
    fixed_point,
    pass_name,
    simplify,
)
from utils.graphs.simplify.shapes import infer_static_shapes
from utils.graphs.simplify.transposes import cancel_transposes, compose_transposes
from utils.graphs.simplify.tuples import remove_noops
from utils.graphs.simplify.verification import VerifyReport, equivalent, verify

__all__ = [
    "DEFAULT_PASSES",
    "LEVELS",
    "PASSES",
    "FrameNode",
    "GraphFrame",
    "LevelTime",
    "Pass",
    "PassResult",
    "SimplifyReport",
    "Step",
    "VerifyReport",
    "cancel_transposes",
    "compose_transposes",
    "eliminate_common_subexpressions",
    "eliminate_dead",
    "eliminate_noops",
    "equivalent",
    "fixed_point",
    "fold_constants",
    "fold_conv_bn",
    "fuse_conv_bn",
    "fuse_scales",
    "graph_frames",
    "infer_static_shapes",
    "measure_levels",
    "messy_cnn",
    "open_reshape",
    "pass_name",
    "remove_noops",
    "reshape_target",
    "rewrite_dynamic_reshape",
    "simplify",
    "verify",
]
