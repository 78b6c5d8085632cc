"""Figures and experiment on operation counts."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.flops.counter import count_module_macs
from utils.cost.flops.figures import cost_point, layer_rates, matched_layers, matmul_rates, microscope_state
from utils.cost.flops.layer_ops import conv2d_ops


@given(h=st.integers(2, 4), w=st.integers(2, 4), c=st.integers(1, 3), k=st.integers(1, 3), pad=st.integers(0, 2),
       skip=st.booleans(), bias=st.booleans())
@settings(max_examples=25, deadline=None)
def test_microscope_tally_is_the_formula_at_every_step(h, w, c, k, pad, skip, bias):
    if k > min(h, w) + 2 * pad:
        return
    n = microscope_state(h, w, c, k, pad, 0, skip, bias)["n_steps"]
    states = [microscope_state(h, w, c, k, pad, step, skip, bias) for step in range(n + 1)]
    for before, after in pairwise(states):
        assert after["adds"] == after["formula_adds"]
        tree = after["adds_within"] + after["adds_across"] + after["adds_bias"]
        assert after["adds"] - before["adds"] == tree
        assert after["muls"] - before["muls"] == sum(after["products"])
    whole = conv2d_ops(h, w, c, 1, k, padding=pad, bias=bias, skip_padding=skip)
    assert (states[-1]["muls"], states[-1]["adds"]) == (whole.muls, whole.adds)
    assert (states[-1]["row"] + 1) * (states[-1]["col"] + 1) == n


def test_microscope_shows_the_inconsistent_line():
    state = microscope_state(5, 5, 2, 3, 1, 10, False, True)
    assert state["source_adds"] - state["adds"] == 10 * (2 - 1)  # C - 1 additions too many a window
    assert microscope_state(5, 5, 1, 3, 1, 10, False, True)["source_adds"] == microscope_state(5, 5, 1, 3, 1, 10, False, True)["adds"]
    start = microscope_state(5, 5, 2, 3, 1, 0, False, True)
    assert (start["muls"], start["adds"], start["row"], start["products"]) == (0, 0, None, [0, 0])
    for step in (-1, 26):
        with pytest.raises(ValueError, match="step"):
            microscope_state(5, 5, 2, 3, 1, step, False, True)


# Arithmetic intensities of these float32 layers: 3x3 256 -> 256 on 28 x 28 moves 3,964,928 bytes for
# 924,844,032 FLOPs; depthwise 2.24 and 1x1 55.0 FLOP per byte.
def test_cost_point_of_known_layers():
    full = cost_point(256, 256, 3, resolution=28)
    assert 2 * full["macs"] == 924_844_032
    assert full["intensity"] == pytest.approx(924_844_032 / 3_964_928)
    assert cost_point(256, 256, 3, groups=256, resolution=28)["intensity"] == pytest.approx(2.24, abs=5e-3)
    assert cost_point(256, 256, 1, resolution=28)["intensity"] == pytest.approx(55.0, abs=0.05)
    assert 1 / full["mac_ratio"] == pytest.approx(8.7, abs=0.05)


@given(c_in=st.integers(1, 64), c_out=st.integers(1, 64), k=st.sampled_from([1, 3, 5]), resolution=st.integers(5, 40))
def test_separable_ratio(c_in, c_out, k, resolution):
    point = cost_point(c_in, c_out, k, resolution=resolution)
    assert point["mac_ratio"] == pytest.approx(1 / c_out + 1 / k**2)
    double = cost_point(c_in, c_out, k, resolution=2 * resolution)
    assert (double["macs"], double["params"]) == (4 * point["macs"], point["params"])


def test_matched_layers_count_what_the_modules_do():
    layers = matched_layers(channels=8, size=6)
    for layer in layers[:-1]:
        assert layer.ops.macs == count_module_macs(layer.module, layer.shape).macs, layer.name
        assert layer.ops.flops < 2 * layer.ops.macs  # without bias, one addition less an output
    by_name = {layer.name: layer.ops.macs for layer in layers}
    assert by_name["full 3x3"] == 8 * by_name["depthwise 3x3"] == 9 * by_name["pointwise 1x1"]
    assert by_name["linear"] == by_name["pointwise 1x1"]


def test_matched_layers_and_the_cost_explorer_agree_on_intensity():
    by_name = {layer.name: layer for layer in matched_layers()}
    for name, k, groups in (("full 3x3", 3, 1), ("depthwise 3x3", 3, 256), ("pointwise 1x1", 1, 1)):
        layer, point = by_name[name], cost_point(256, 256, k, groups=groups, resolution=28)
        assert layer.intensity() == pytest.approx(point["intensity"])
        assert layer.intensity(2) == 2 * layer.intensity()
    norm = by_name["batch norm"]
    assert norm.intensity() == pytest.approx(2 * norm.ops.muls / 4 / (2 * norm.ops.muls + 512))


def test_rates_divide_operations_by_the_given_time():
    calls = []

    def time_ms(fn):
        calls.append(fn())
        return 2.0

    layers = matched_layers(channels=4, size=5)
    rows = layer_rates(layers, time_ms)
    assert [r["name"] for r in rows] == [layer.name for layer in layers]
    assert all(r["gflop_s"] == layer.ops.flops / 2e6 for r, layer in zip(rows, layers))
    assert [tuple(y.shape) for y in calls] == [layer.shape for layer in layers]
    assert matmul_rates([1, 4], time_ms) == [(1, 1 / 2e6), (4, (128 - 16) / 2e6)]
    assert calls[-1].dtype == torch.float32
