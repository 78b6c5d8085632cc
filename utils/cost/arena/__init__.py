"""When tensors live, in which order operators run, and where tensors lie: activation memory in one place.

This module only gathers names; each lives in the file that its import line says.

>>> live_peak([TensorUse(10, 0, 1), TensorUse(40, 1, 2), TensorUse(20, 2, 2)])
60
>>> plan_arena([TensorUse(10, 0, 1), TensorUse(20, 1, 2), TensorUse(10, 2, 3), TensorUse(5, 3, 4)]).total_bytes
30
"""

from utils.cost.arena.onnx_uses import graph_from_onnx, named_uses_from_onnx, uses_from_onnx
from utils.cost.arena.op_graph import (
    GraphOp,
    TensorGraph,
    best_order,
    greedy_order,
    order_bytes,
    order_peak,
    order_uses,
    ready_order,
)
from utils.cost.arena.plan import Plan, plan_arena, plan_naive, plan_optimal, validate_plan
from utils.cost.arena.sharing import best_order_peak, shared_arena, shared_arena_bytes
from utils.cost.arena.tensor_use import TensorUse, live_peak

__all__ = [
    "GraphOp", "Plan", "TensorGraph", "TensorUse", "best_order", "best_order_peak", "graph_from_onnx", "greedy_order",
    "live_peak", "named_uses_from_onnx", "order_bytes", "order_peak", "order_uses", "plan_arena", "plan_naive",
    "plan_optimal", "ready_order", "shared_arena", "shared_arena_bytes", "uses_from_onnx", "validate_plan",
]
