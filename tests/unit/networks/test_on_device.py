"""MobileNetV1's maps against the published memory, and ONNX Runtime's fusion of a chain."""

import numpy as np
import pytest

from utils.cost.arena import TensorUse, live_peak, plan_arena, validate_plan
from utils.networks.on_device import fusable_blocks, mobilenet_v1_sizes, run_fused, sequential_uses


def test_lifetimes_of_a_chain():
    assert sequential_uses([3, 5, 7]) == [TensorUse(3, 0, 0), TensorUse(5, 0, 1), TensorUse(7, 1, 1)]
    assert live_peak(sequential_uses([3, 5, 7])) == 12


def test_mobilenet_v1():
    sizes = mobilenet_v1_sizes()
    assert sizes[0] == 4 * 3 * 224**2 and sizes[-1] == 4000 and len(sizes) == 1 + 27 + 2  # image, convolutions, pool and classes
    uses = sequential_uses(sizes)
    plan = plan_arena(uses)
    validate_plan(uses, plan)
    # Pisarchyk and Lee (2020) give 4.594 MB for MobileNetV1, and 19.248 without sharing (image left out)
    assert plan.total_bytes == live_peak(uses) == 4 * 112**2 * (32 + 64)
    assert (sum(sizes) - sizes[0]) / 2**20 == pytest.approx(19.248, abs=0.01)
    assert mobilenet_v1_sizes(112, 1)[1] == 56 * 56 * 32


def test_fusion_in_onnx_runtime():
    model = fusable_blocks(2, 8, 12)
    run = run_fused(model, rounds=3)
    assert run.nodes[0] == 8 and run.nodes[1] <= 4 and run.max_abs < 1e-4
    assert not {"Mul", "Add", "Relu"} & set(run.ops) and run.speedup > 0
    assert np.isfinite(run.ms).all()
