"""MobileNetV2 on this machine: the rate in ONNX Runtime beside what a matrix product reaches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.chips import WORKLOADS

if TYPE_CHECKING:
    from onnx import ModelProto

MACS = WORKLOADS["MobileNetV2"].macs
GEMM_SIZE = 512
ROUNDS = 3


@dataclass(frozen=True)
class CpuRun:
    """One thread of this machine in FP32: ms a frame, and GFLOP/s of the network and of a matrix product."""

    ms: float
    gemm_gflop_s: float

    @property
    def gflop_s(self) -> float:
        """Operations a second of the network: two a MAC."""
        return 2 * MACS / (self.ms * 1e6)

    @property
    def share(self) -> float:
        """The network's rate over the matrix product's."""
        return self.gflop_s / self.gemm_gflop_s


@lru_cache(maxsize=1)
def mobilenet_onnx() -> ModelProto:
    """MobileNetV2 with random weights, 224 x 224, batch 1: the speed does not depend on what the weights are."""
    import torch

    from utils.graphs.onnx_export import export_torch
    from utils.networks.classic import mobilenet_v2

    torch.manual_seed(0)
    return export_torch(mobilenet_v2().eval(), torch.zeros(1, 3, 224, 224))


def measure_mobilenet(rounds: int = ROUNDS) -> CpuRun:
    """Both on one thread, in turns, so that what else the machine does meets both; the best of each counts."""
    import torch

    from utils.cost.bandwidth.streams import measure_gemm
    from utils.cost.roofline.host import best_ms
    from utils.graphs.onnx_tools import make_session

    session = make_session(mobilenet_onnx(), optimize=True)
    frame = {"input": np.zeros((1, 3, 224, 224), np.float32)}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        runs = [(best_ms(lambda: session.run(None, frame)), measure_gemm(GEMM_SIZE, [GEMM_SIZE], 5)[0].gflop_s)
                for _ in range(rounds)]
    finally:
        torch.set_num_threads(before)
    return CpuRun(min(ms for ms, _ in runs), max(rate for _, rate in runs))


def gpu_ms() -> float | None:
    """Least ms of a frame in ONNX Runtime's CUDA provider, copies included; None where there is no such GPU."""
    from utils.cost.roofline.host import best_ms
    from utils.hardware.heterogeneous.camera_stages import cuda_session

    session: Any = cuda_session(mobilenet_onnx())
    return None if session is None else best_ms(
        lambda: session.run(None, {"input": np.zeros((1, 3, 224, 224), np.float32)}), repeats=50)
