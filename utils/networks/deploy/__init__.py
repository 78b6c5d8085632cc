"""Will this network run well on that processor? Operator coverage, predicted latency, risk in INT8, and the choice.

| module | what it holds |
|---|---|
| targets | four made-up processors |
| nodes | an ONNX graph as a list of operators with their work, cut into segments |
| latency | how long segments, copies and starts take |
| shuffles | channel shuffles as 1x1 convolutions, or folded into weights |
| int8_risk | what INT8 does to kernels, branch by branch and fused |
| choice | the most accurate candidate that fits |
| experiment | networks exported, rewritten, quantized and timed |
"""

from utils.networks.deploy.choice import choose_backbone, undominated
from utils.networks.deploy.int8_risk import identity_added, reparam_sqnr, weight_sqnr_db
from utils.networks.deploy.latency import Bar, LatencyReport, predict_latency_us, predict_us
from utils.networks.deploy.nodes import NodeInfo, Segment, islands, onnx_op_sequence, segments
from utils.networks.deploy.shuffles import fold_shuffle, replace_shuffles, shuffle_matrix, shuffle_order
from utils.networks.deploy.targets import TARGETS, BackendTarget

__all__ = [
    "TARGETS", "BackendTarget", "Bar", "LatencyReport", "NodeInfo", "Segment", "choose_backbone", "fold_shuffle",
    "identity_added", "islands", "onnx_op_sequence", "predict_latency_us", "predict_us", "reparam_sqnr",
    "replace_shuffles", "segments", "shuffle_matrix", "shuffle_order", "undominated", "weight_sqnr_db",
]
