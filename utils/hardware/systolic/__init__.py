"""A weight-stationary systolic array: its registers cycle by cycle, its cycles as a formula, and networks on it.

| module | what it holds |
|---|---|
| array | the array itself, simulated register by register |
| cycles | cycles and utilization of a matrix product that needs one or more passes |
| layers | a network's layers as matrix products, and how busy they keep the array |
"""

from utils.hardware.systolic.array import SystolicArray, systolic_matmul, wavefront_state
from utils.hardware.systolic.cycles import array_utilisation, best_batch, ws_cycles, ws_utilization
from utils.hardware.systolic.layers import LayerUtil, NetworkUtil, conv_to_gemm, network_utilization

__all__ = [
    "LayerUtil", "NetworkUtil", "SystolicArray", "array_utilisation", "best_batch", "conv_to_gemm",
    "network_utilization", "systolic_matmul", "wavefront_state", "ws_cycles", "ws_utilization",
]
