"""Ranges of activations: planted overflows are found, and keeping their neighbours in FP32 repairs the output."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import (
    emulate_fp16,
    fp16_risk_triple,
    magnitude_histogram,
    nodes_to_keep,
    scan_activations,
    to_fp16,
)
from utils.graphs.onnx_tools import make_model, make_session


def unbalanced(layer=1, factor=2.0**17):
    """One convolution's weights times `factor`, the next one's divided by it: in FP32 the same function, exactly."""
    model = four_layer_cnn(size=32)
    for tensor in model.graph.initializer:
        change = {f"w{layer}": factor, f"w{layer + 1}": 1 / factor}.get(tensor.name)
        if change:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(change), tensor.name))
    return model


X = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)


def test_scan_points_at_the_planted_layer():
    quiet, loud = scan_activations(four_layer_cnn(size=32), {"x": X}), scan_activations(unbalanced(), {"x": X})
    assert list(quiet) == ["c0", "r0", "c1", "r1", "c2", "r2", "c3", "r3", "pooled", "flat", "y"]
    assert all(risk["overflow"] == 0 for risk in quiet.values())
    assert [name for name, risk in loud.items() if risk["overflow"]] == ["c1", "r1"]
    assert loud["c1"]["max_abs"] == pytest.approx(quiet["c1"]["max_abs"] * 2**17) and loud["c1"]["op"] == "Conv"
    assert nodes_to_keep(unbalanced(), loud) == ["c1", "r1", "c2"]


def test_keeping_them_repairs_the_output():
    want = make_session(four_layer_cnn(size=32)).run(None, {"x": X})[0]
    broken = make_session(emulate_fp16(to_fp16(unbalanced()))).run(None, {"x": X})[0]
    assert not np.isfinite(broken).all()
    keep = nodes_to_keep(unbalanced(), scan_activations(unbalanced(), {"x": X}))
    mended = make_session(emulate_fp16(to_fp16(unbalanced(), keep_fp32_nodes=keep))).run(None, {"x": X})[0]
    assert np.abs(mended - want).max() < 10 * 2**-11 * np.abs(want).max()


def test_the_emulation_rounds_every_stored_tensor():
    """Two layers by hand: products in float32, results and weights rounded to float16."""
    rng = np.random.default_rng(3)
    w, v = (rng.normal(size=(4, 4)).astype(np.float32) for _ in range(2))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Mul", ["a", "big"], ["b"]),
             helper.make_node("MatMul", ["b", "v"], ["y"])]
    model = make_model(nodes, {"x": (2, 4)}, {"y": (2, 4)}, {"w": w, "v": v, "big": np.float32([3e4])})
    x = rng.normal(size=(2, 4)).astype(np.float32)
    half = lambda t: t.astype(np.float16).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        a = half(half(x) @ half(w))
        b = half(a * half(np.float32([3e4])))
        want = half(b @ half(v))
        got = make_session(emulate_fp16(to_fp16(model))).run(None, {"x": x})[0]
    assert np.isinf(b).any()
    # float32 sums of four products may differ in their last bit, which can move one rounding to FP16: 2^-10 relative
    assert np.array_equal(np.isfinite(got), np.isfinite(want))
    finite = np.isfinite(want)
    assert np.allclose(got[finite], want[finite], rtol=2**-10)
    with pytest.raises(ValueError, match="FP32 inputs"):
        emulate_fp16(to_fp16(model, keep_io_types=False))


def test_the_emulation_of_a_harmless_model_is_close():
    model = four_layer_cnn(size=32)
    want = make_session(model).run(None, {"x": X})[0]
    got = make_session(emulate_fp16(to_fp16(model, keep_fp32_nodes=("c1",)))).run(None, {"x": X})[0]
    assert 0 < np.abs(got - want).max() < 10 * 2**-11 * np.abs(want).max()


def test_several_inputs_are_pooled():
    both = scan_activations(four_layer_cnn(size=32), [{"x": X[:1]}, {"x": X[1:] * 2}])
    one = scan_activations(four_layer_cnn(size=32), {"x": np.concatenate([X[:1], X[1:] * 2])})
    assert both["c0"]["max_abs"] == pytest.approx(one["c0"]["max_abs"])


def test_the_triple_against_numpys_own_cast():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=500) * 2.0 ** rng.integers(-30, 20, 500), [0.0, -0.0, np.inf, 65504, 65520]])
    x = x.astype(np.float32)  # the oracle rounds from float32 without a detour
    with np.errstate(over="ignore"):
        half = x.astype(np.float16).astype(np.float64)
    tiny = (np.abs(x) < 2**-14) & (half != 0)
    want = np.isinf(half).mean(), ((half == 0) & (x != 0)).mean(), tiny.mean()
    assert fp16_risk_triple(x) == pytest.approx(want, abs=1e-12) and fp16_risk_triple([]) == (0, 0, 0)
    with pytest.raises(ValueError, match="NaN"):
        fp16_risk_triple([np.nan])


@pytest.mark.parametrize("k", [-12, 0, 12])
def test_the_histogram_shifts_and_its_parts_add_up(k):
    x = np.concatenate([np.random.default_rng(2).normal(size=999), [0.0]])
    state = magnitude_histogram(x, k)
    assert state["share"].sum() + state["zeros"] == pytest.approx(1)
    assert sum(state[name] for name in ("overflow", "underflow", "subnormal", "normal", "zeros")) == pytest.approx(1)
    base = magnitude_histogram(x, 0)
    assert np.allclose(np.roll(base["share"], k)[15:-15], state["share"][15:-15])
