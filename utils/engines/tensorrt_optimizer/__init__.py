"""What an inference optimiser does: fuse layers, choose tactics by timing, plan one arena, save the result.

This door only gathers light names. The convolutions stand in `tactics` and the engine in `mini_engine`, which import
torch; the pictures' data in `views`, the measurements in `measurements`.
"""

from utils.engines.tensorrt_optimizer.fusion import DEFAULT_PATTERNS, fuse_chain, fuse_vertical
from utils.engines.tensorrt_optimizer.layers import FusedLayer, Layer, layers_of
from utils.engines.tensorrt_optimizer.planning import MemoryPlan, plan_arena, plan_memory
from utils.engines.tensorrt_optimizer.program import Options, Program, Step, compile_model
from utils.engines.tensorrt_optimizer.selection import (
    Choice,
    TacticPicker,
    TacticTimer,
    TimingCache,
    select_tactic,
    timing_key,
)
from utils.engines.tensorrt_optimizer.siblings import ConvParams, merge_convs, merge_sibling_convs
from utils.engines.tensorrt_optimizer.traffic import fused_traffic_bytes, fusion_traffic, layer_bytes

__all__ = [
    "DEFAULT_PATTERNS", "Choice", "ConvParams", "FusedLayer", "Layer", "MemoryPlan", "Options", "Program", "Step",
    "TacticPicker", "TacticTimer", "TimingCache", "compile_model", "fuse_chain", "fuse_vertical",
    "fused_traffic_bytes", "fusion_traffic", "layer_bytes", "layers_of", "merge_convs", "merge_sibling_convs",
    "plan_arena", "plan_memory", "select_tactic", "timing_key",
]
