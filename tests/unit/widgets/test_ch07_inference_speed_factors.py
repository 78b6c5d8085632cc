"""Chapter 07's figures: the numbers in their sentences against independent sums, labelled axes, all knobs."""

import itertools
import xml.etree.ElementTree as ET

import pytest
import torch

from autograder.notebooks.pictures import figure_svg
from utils.cost.roofline import Device, OpCost
from utils.cost.roofline.experiment import (
    MeasuredOp,
    batch_times,
    fragment_times,
    host_device,
    layout_times,
    measure_layers,
    split_times,
)
from utils.hardware.gpu_arch import GPUS
from utils.widgets import ch07_inference_speed_factors as ch
from utils.widgets.roofline_points import NETWORKS, network_ops, roofline_points

LAPTOP = Device(ch.HOST, {"fp32": 100.0}, 20.0, 1.0)


def test_six_operators():
    figure, told = ch.draw_roof(ch.six_operators()[1], "fp16", ch.six_operators()[0])
    read = 2 * (4096 * 4096 + 2 * 4096)
    assert f"linear 4096, batch 1 {5 + read / 3350e9 * 1e6:.3g} µs (memory)" in told
    flops = 2 * 32 * 28 * 28 * 256 * 256 * 9
    assert f"3x3 convolution, batch 32 {5 + flops / 989e12 * 1e6:.3g} µs (compute)" in told
    assert "FLOP" in figure.axes[0].get_xlabel() and "GFLOP/s" in figure.axes[0].get_ylabel()
    assert ch.roof_picture()._repr_html_().startswith("<img")


def test_device_table_has_the_ridges():
    told = repr(ch.device_table()).splitlines()
    assert len(told) == 7
    assert "295" in told[1] and "203" in "".join(line for line in told if line.startswith("T4"))


@pytest.mark.parametrize(("network", "fused", "graph", "batch"), [
    ("ResNet-18", False, False, 1), ("ResNet-18", True, True, 8), ("MobileNetV2", True, False, 64), (NETWORKS[3], False, True, 2),
    (NETWORKS[4], False, False, 4)])
def test_points_are_under_the_roof_and_add_up(network, fused, graph, batch):
    p = roofline_points(network, "A100 80GB", "fp16", batch, fused, graph)
    peak, mem = 1e3 * GPUS["A100 80GB"].peak_tflop_s["fp16"], GPUS["A100 80GB"].mem_gb_s
    for x, rate in zip(p["intensity"], p["gflop_s"]):
        assert rate <= min(peak, x * mem) * (1 + 1e-12)
    ops = network_ops(network, batch, 2)
    flops = sum(op.flops for op in ops)
    us = [flop_share * p["total_us"] for flop_share in p["share"]]
    assert sum(r * t * 1e3 for r, t in zip(p["gflop_s"], us)) == pytest.approx(flops)
    assert sum(p["us_by_bound"].values()) == pytest.approx(p["total_us"])
    assert sum(p["share"]) == pytest.approx(1 - (5.0 / p["total_us"] if graph else 0))
    assert (len(p["names"]) < len(ops)) == (fused and "MLP" not in network)


def test_decode_reads_all_weights():
    p = roofline_points(NETWORKS[4], "H100 SXM", "fp16", 1, True, True)
    assert p["total_us"] == pytest.approx(2 * 7_504_658_432 / 3350e9 * 1e6, rel=0.015)  # 4.48 ms and the cache


def test_batch_moves_linear_layers_and_leaves_depthwise_ones():
    def of(network, batch, kind):
        p = roofline_points(network, "H100 SXM", "fp16", batch, False)
        return [x for x, k in zip(p["intensity"], p["kinds"]) if k == kind]

    assert min(of(NETWORKS[3], 64, "linear")) > 50 * max(of(NETWORKS[3], 1, "linear"))
    for one, many in zip(of("MobileNetV2", 1, "depthwise"), of("MobileNetV2", 64, "depthwise")):
        assert many == pytest.approx(one, rel=0.2)  # only their few weights are shared


@pytest.mark.parametrize(("network", "device", "dtype", "fused"), list(itertools.product(
    NETWORKS[1:4:2], ("T4", "Jetson AGX Orin 64GB"), ("fp32", "int8"), (False, True))))
def test_every_knob_draws(network, device, dtype, fused):
    figure, told = ch.draw_network(network, device, dtype, 4, fused, False)
    assert device in told and dtype.upper() in told
    assert all(ax.get_xlabel() for ax in figure.axes)


def test_this_machine_and_a_missing_format():
    assert ch.HOST in ch.draw_network("ResNet-18", ch.HOST, "fp32", 1, False, False, LAPTOP)[1]
    picture, told = ch.draw_network("ResNet-18", ch.HOST, "int8", 1, False, False, LAPTOP)
    assert isinstance(picture, str) and "no INT8 peak" in told


def test_the_sentence_counts_launches():
    told = ch.draw_network("ResNet-50", "H100 SXM", "fp16", 1, False, False)[1]
    assert "174 operators" in told and "100% launch-bound" in told  # 53 convolutions and norms, 49 ReLUs, 16 additions, …


def test_shell_asks_first():
    view = ch.roofline_explorer(LAPTOP)
    assert "Guess first" in view.children[0].value
    assert view.children[-1].layout.display == "none"


def test_static_picture_is_an_svg_with_its_labels():
    text = " ".join(ET.fromstring(figure_svg(ch.static_picture())).itertext())
    for word in ("ResNet-50", "memory-bound", "ridge 295", "FLOP per byte"):
        assert word in text


# --- the experiment, on tiny sizes or told times --------------------------------------------------

def told_rows():
    op = OpCost("gemm", "linear", 2e9, 1e6, 1e6)
    predicted = ch.op_time_us(op, LAPTOP, "fp32")
    return [MeasuredOp(op, predicted, 25_000.0), MeasuredOp(OpCost("tiny", "add", 1, 8, 4), predicted, 2.0)]


def test_told_measurements():
    rows = told_rows()
    assert rows[0].gflop_s == pytest.approx(80)
    assert ch.median_ratio(rows) == pytest.approx(25_000 / 20_001)
    assert "1.25" in repr(ch.measured_table(rows))
    assert "gemm 80" in repr(ch.measured_chart(rows, LAPTOP))
    assert "Ridge: 5.0 FLOP/B" in ch.host_line(LAPTOP)
    assert repr(ch.batch_table({1: 100.0, 8: 25.0})).splitlines()[-1].split() == ["8", "25.0", "200", "4.0"]
    assert "3,277,824" in repr(ch.split_table({(128, 128): 10.0, (16, 1024): 40.0}))


def test_measuring_runs_and_leaves_the_threads(monkeypatch):
    threads = torch.get_num_threads()
    x = torch.ones(64)
    rows = measure_layers(LAPTOP, 2, [(OpCost("add", "elementwise", 64, 512, 256), lambda: x + x)])
    assert [m.op.name for m in rows] == ["add"]
    assert rows[0].measured_us > 0
    assert len(fragment_times(64, 4, 3)) == 2
    assert list(layout_times(8, 4, 2)) == ["NCHW", "NHWC"]
    assert "2.00 times" in ch.layout_line({"NCHW": 4.0, "NHWC": 2.0})
    assert list(batch_times((1, 2), 16, 2, 2)) == [1, 2]
    assert list(split_times(4, ((2, 8), (4, 4)), 2)) == [(2, 8), (4, 4)]
    monkeypatch.setattr("utils.cost.roofline.experiment.measure_host", lambda seconds: torch.get_num_threads())
    assert host_device() == 1
    assert torch.get_num_threads() == threads


def test_gpu_cell_without_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "not measured" in ch.gpu_graph()
