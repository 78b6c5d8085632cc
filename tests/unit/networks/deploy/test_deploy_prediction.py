"""Predicted latency, INT8 of kernels, and the choice."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils.networks.deploy import (
    TARGETS,
    BackendTarget,
    NodeInfo,
    choose_backbone,
    identity_added,
    onnx_op_sequence,
    predict_latency_us,
    predict_us,
    reparam_sqnr,
    replace_shuffles,
    undominated,
    weight_sqnr_db,
)
from utils.networks.deploy.experiment import exported, int8_forms, time_twins
from utils.networks.reparam import RepVGGBlock
from utils.numerics.int8 import dequantize, quantize
from utils.numerics.noise import sqnr_db

TOY = BackendTarget("toy", frozenset({"Conv"}), 4, {"dense": 10, "pointwise": 10, "depthwise": 1, "elementwise": 2},
                    mem_gb_s=1, dispatch_us=5, fallback_gmac_s=0.5, copy_gb_s=0.1, float_bytes=4, int8_gain=2)


def node(op, kind, macs=0, channels=(0, 0), fused=False, reads="x", makes="y", values=1_000):
    return NodeInfo(op, op, kind, macs, (reads,), (makes,), values, 100, values, channels, fused)


def test_a_report_by_hand():
    nodes = [node("Conv", "dense", 6_000_000, (3, 4), makes="a"), node("Sigmoid", "elementwise", reads="a")]
    report = predict_latency_us(nodes, TOY)
    # 3 input channels are padded to 4: 8 million at 10 GMAC/s are 800 us, above 8,400 bytes at 1 GB/s
    # the host takes 1,000 elements at 0.5e9/s: 2 us; a copy 4,000 bytes at 0.1 GB/s: 40 us + 5
    assert [(bar.where, round(bar.us, 6)) for bar in report.bars] == [("device", 805.0), ("copy", 45.0), ("host", 2.0), ("copy", 45.0)]
    assert report.total_us == pytest.approx(897) and report.islands == 1
    assert [bar.start_us for bar in report.bars] == pytest.approx([0, 805, 850, 852])
    assert report.us_by_place == pytest.approx({"device": 805, "copy": 90, "host": 2})
    int8 = predict_latency_us(nodes, TOY, int8=True)  # twice the arithmetic, a quarter of the bytes
    assert [round(bar.us, 6) for bar in int8.bars] == [405.0, 15.0, 2.0, 15.0]


def test_depthwise_is_padded_once_and_a_memory_bound_layer_takes_its_bytes():
    one = [node("Conv", "depthwise", 2_000, (6, 6), values=100_000)]
    assert predict_latency_us(one, TOY).total_us == pytest.approx(5 + 4 * 200_100 / 1e3)
    heavy = [node("Conv", "depthwise", 2_000_000, (6, 6))]
    assert predict_latency_us(heavy, TOY).total_us == pytest.approx(5 + 2_000 * 8 / 6)


def test_a_fused_activation_costs_nothing():
    target = BackendTarget(**{**TOY.__dict__, "supported_ops": frozenset({"Conv", "Relu"})})
    conv = node("Conv", "dense", 6_000_000, (4, 4), makes="a")
    alone = predict_latency_us([conv], target).total_us
    assert predict_latency_us([conv, node("Relu", "elementwise", reads="a", fused=True)], target).total_us == alone
    assert predict_latency_us([conv, node("Relu", "elementwise", reads="a")], target).total_us > alone


def total(name, target, int8=False):
    return predict_latency_us(onnx_op_sequence(exported(name)), TARGETS[target], int8).total_us


def test_the_chapters_ranking():
    by_cpu, by_npu, by_dw, by_gpu = (sorted(("ShuffleNetV2", "MobileNetV2", "RepVGG-A0"), key=lambda n: total(n, t))
                                     for t in ("cpu_small", "npu_dense", "npu_dw", "gpu_tensor"))
    assert by_cpu == ["ShuffleNetV2", "MobileNetV2", "RepVGG-A0"]
    assert by_npu == ["RepVGG-A0", "MobileNetV2", "ShuffleNetV2"]
    assert by_dw == ["MobileNetV2", "RepVGG-A0", "ShuffleNetV2"]
    assert by_gpu[0] == "RepVGG-A0"


def test_the_rewrite_pays_on_an_npu_and_not_on_a_cpu():
    twin = onnx_op_sequence(replace_shuffles(exported("ShuffleNetV2")))
    for target, pays in (("npu_dense", True), ("cpu_small", False)):
        assert (predict_latency_us(twin, TARGETS[target]).total_us < total("ShuffleNetV2", target)) == pays


def test_predict_us_by_hand():
    layers = [("dense", 231_211_008, 1_900_000), ("depthwise", 1_806_336, 1_620_000)]
    assert predict_us(layers, {"dense": 400, "depthwise": 20}, 10, 5) == pytest.approx(750.02752)
    assert predict_us([], {}, 1, 1) == 0
    with pytest.raises(ValueError, match="kind"):
        predict_us([("pool", 1, 1)], {"dense": 1}, 1, 1)


# --- INT8 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_weight_sqnr_equals_the_quantizer_of_another_room(per_channel, bits):
    w = np.random.default_rng(0).normal(0, 1, (5, 4, 3, 3))
    top = 2 ** (bits - 1) - 1
    axis = (1, 2, 3) if per_channel else None
    scale = np.abs(w).max(axis=axis) / top
    if per_channel:
        rebuilt = dequantize(quantize(w, scale, np.zeros(5, int), -top, top, axis=0), scale, np.zeros(5, int), axis=0)
    else:
        rebuilt = dequantize(quantize(w, scale, 0, -top, top), scale, 0)
    # that quantizer divides in float32: a value at a rounding border may fall on the other side
    assert weight_sqnr_db(w, per_channel, bits) == pytest.approx(sqnr_db(w, rebuilt), abs=1e-4)


def test_an_identity_costs_a_per_tensor_scale_about_twelve_decibels():
    plain, one, five = (weight_sqnr_db(identity_added(gain)) for gain in (0, 1, 5))
    assert round(plain, 1) == 41.0 and round(one, 1) == 28.4 and round(five, 1) == 24.0


def test_edges_of_weight_sqnr():
    assert weight_sqnr_db(np.zeros((2, 3))) == math.inf == weight_sqnr_db(np.array([[127.0, 1.0, -3.0]]))
    half = np.array([[1.0, 0.3], [0.0, 0.0]])
    assert weight_sqnr_db(half, per_channel=True) == pytest.approx(weight_sqnr_db(half[:1]))


def test_the_fused_kernel_of_an_identity_block_is_worse_than_each_branch():
    torch.manual_seed(0)
    block = RepVGGBlock(16, 16).eval()
    found = reparam_sqnr(block)
    assert set(found) == {"3x3", "1x1", "identity", "fused"} and found["fused"] < min(found["3x3"], found["1x1"], found["identity"])
    assert reparam_sqnr(block, per_channel=True)["identity"] > 300  # one value a channel: float64 rounding alone


@pytest.mark.slow
def test_forms_of_the_trained_network():
    branches, fused, per_tensor, per_channel = int8_forms()
    assert branches.correct == fused.correct >= 520 and fused.sqnr_db > 100  # float32 rounding alone
    assert per_tensor.sqnr_db < per_channel.sqnr_db < 60 and per_tensor.bytes < fused.bytes / 3


@pytest.mark.slow
def test_twins_agree():
    original, one_hot, folded = time_twins(resolution=64, rounds=2)
    assert (original.transposes, one_hot.transposes, folded.transposes) == (16, 0, 0)
    assert original.macs < folded.macs < one_hot.macs and max(one_hot.max_abs, folded.max_abs) < 1e-4


# --- choice ---------------------------------------------------------------------------------------

CANDS = [{"name": n, "top1": a, "ms": t, "mb": b, "ops": ops} for n, a, t, b, ops in (
    ("shufflenet_v2", 69.36, 9, 2.3, ["Conv", "Transpose"]), ("mobilenet_v2", 71.88, 11, 3.5, ["Conv", "Add"]),
    ("repvgg_a0", 72.41, 8, 8.3, ["Conv"]), ("squeezenet", 58.18, 6, 1.2, ["Conv"]))]


def test_every_order_gives_the_same_choice():
    assert {choose_backbone(list(c), 12, 6, {"Conv", "Add"}) for c in permutations(CANDS)} == {"mobilenet_v2"}
    assert choose_backbone(CANDS, 8, 8.3, {"Conv"}) == "repvgg_a0"  # limits count as allowed
    with pytest.raises(ValueError, match="no candidate"):
        choose_backbone(CANDS, 5, 6, {"Conv"})


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=7))
def test_undominated_by_brute_force(rows):
    cands = [{"name": str(i), "top1": a, "ms": b, "mb": c} for i, (a, b, c) in enumerate(rows)]

    def beats(p, q):
        better = (p["top1"] - q["top1"], q["ms"] - p["ms"], q["mb"] - p["mb"])
        return min(better) >= 0 and max(better) > 0

    assert undominated(cands) == [c["name"] for c in cands if not any(beats(o, c) for o in cands)]
