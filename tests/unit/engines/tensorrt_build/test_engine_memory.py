"""Memory before the build: against a live-set count by hand, and lines and parabolas that follow from shapes."""

import numpy as np
import pytest
from onnx import helper

from utils.cost.arena import TensorUse, live_peak
from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import BuildSpec, TensorRange, activation_bytes, memory_budget
from utils.graphs.onnx_tools import make_model


def chain():
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in (("x", "a"), ("a", "b"), ("b", "y"))]
    return make_model(nodes, {"x": ("N", 64)}, {"y": ("N", 64)})


def test_a_chain_by_hand():
    """64 floats are 256 bytes, a multiple of the alignment: two of the four tensors live at any time."""
    plan = activation_bytes(chain(), {"x": (1, 64)})
    assert (plan.peak_bytes, plan.sum_bytes, plan.weights_bytes) == (512, 1024, 0)
    assert set(plan.offsets) == {"x", "a", "b", "y"} and set(plan.offsets.values()) == {0, 256}
    assert activation_bytes(chain(), {"x": (1, 64)}, dtype_bytes=2).peak_bytes == 256 + 128  # aligned starts


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_peak_is_between_the_live_sum_and_the_sum(batch):
    model = four_layer_cnn(size=32)
    plan = activation_bytes(model, {"x": (batch, 3, 32, 32)})
    sizes = [4 * batch * n for n in (3 * 32 * 32, *(c * s * s for c, s in ((16, 32), (32, 16), (32, 16), (32, 8)) for _ in (0, 1)),
                                     32, 32, 10)]
    uses = [TensorUse(size, max(0, i - 1), min(i, len(sizes) - 2)) for i, size in enumerate(sizes)]
    assert sum(sizes) == plan.sum_bytes and live_peak(uses) <= plan.peak_bytes <= plan.sum_bytes


def test_batch_is_a_line_and_resolution_a_parabola():
    model = four_layer_cnn(size="H")
    by_batch = {b: activation_bytes(model, {"x": (b, 3, 64, 64)}).peak_bytes for b in (1, 2, 16)}
    assert by_batch[16] == 16 * by_batch[1] == 8 * by_batch[2]
    by_size = {s: activation_bytes(model, {"x": (1, 3, s, s)}).peak_bytes for s in (64, 128)}
    assert by_size[128] == 4 * by_size[64]


def spec(*maxima, workspace=1000):
    profiles = tuple((TensorRange("x", (1, 64), (1, 64), (m, 64)),) for m in maxima)
    return BuildSpec("m.onnx", profiles, workspace_bytes=workspace)


def test_the_budget_adds_up():
    weights = {"w": np.ones((1, 64), np.float32)}
    model = make_model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": ("N", 64)}, {"y": ("N", 64)}, weights)
    budget = memory_budget(model, spec(4, 16), contexts=2)
    assert budget.weights_bytes == 256 and budget.activation_bytes == (4 * 512, 16 * 512)
    assert budget.total_bytes == 256 + 2 * 20 * 512
    assert budget.static_bytes == 256 + 4 * 16 * 512 and budget.limit_bytes == budget.static_bytes + 4 * 1000
    assert sum(budget.parts().values()) == pytest.approx(1)
    assert budget.as_dict()["total_bytes"] == budget.total_bytes
    with pytest.raises(ValueError, match="contexts"):
        memory_budget(model, spec(1), contexts=0)


def test_a_static_model_has_one_term():
    static = make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (2, 64)}, {"y": (2, 64)})
    assert memory_budget(static, spec()).activation_bytes == (1024,)
    with pytest.raises(ValueError, match="known shapes"):
        memory_budget(chain(), spec())
