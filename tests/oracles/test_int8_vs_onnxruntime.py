"""Quantization arithmetic against ONNX Runtime, onnx's byte layout and torch."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from utils.numerics.int8 import (
    affine_quantize,
    dequantize,
    int_matmul,
    pack_int4,
    quantize,
    symmetric_qparams,
)

ELEMENT = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int32": TensorProto.INT32}


def model_of(op: str, feeds: dict[str, np.ndarray], out: str, **attributes) -> onnx.ModelProto:
    """A graph of one operator, at opset 17 and IR version 8."""
    inputs = [helper.make_tensor_value_info(k, ELEMENT[v.dtype.name], v.shape) for k, v in feeds.items()]
    outputs = [helper.make_tensor_value_info("y", ELEMENT[out], None)]
    graph = helper.make_graph([helper.make_node(op, list(feeds), ["y"], **attributes)], "one", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(op: str, feeds: dict[str, np.ndarray], out: str, **attributes) -> np.ndarray:
    """One ONNX operator in ONNX Runtime, unoptimised. Scalars must be 0-d arrays."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    model = model_of(op, feeds, out, **attributes).SerializeToString()
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("scale", [0.1, 0.25, 0.0078125, 3.3])
def test_quantize_linear(dtype, scale):
    info, rng = np.iinfo(dtype), np.random.default_rng(0)
    zero_point = int(rng.integers(info.min, info.max + 1))
    ties = (np.arange(-300, 300) + 0.5) * scale
    x = np.concatenate([rng.standard_normal(100_000) * 60 * scale, ties, [1e30, -1e30, 0.0, -0.0]]).astype(np.float32)
    s, z = np.asarray(scale, np.float32), np.asarray(zero_point, dtype)
    got = quantize(x, scale, zero_point, info.min, info.max)
    assert got.dtype == dtype
    assert np.array_equal(got, run("QuantizeLinear", {"x": x, "s": s, "z": z}, dtype))
    assert np.array_equal(dequantize(got, scale, zero_point), run("DequantizeLinear", {"x": got, "s": s, "z": z}, "float32"))


@pytest.mark.parametrize("axis", [0, 1])
def test_quantize_linear_along_an_axis(axis):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 6, 5)).astype(np.float32)
    s, z = rng.uniform(0.01, 0.05, 6).astype(np.float32), rng.integers(-20, 20, 6).astype(np.int8)
    got = quantize(x, s, z, -128, 127, axis=axis)
    assert np.array_equal(got, run("QuantizeLinear", {"x": x, "s": s, "z": z}, "int8", axis=axis))
    assert np.array_equal(dequantize(got, s, z, axis=axis),
                          run("DequantizeLinear", {"x": got, "s": s, "z": z}, "float32", axis=axis))


@pytest.mark.parametrize("a_type", ["int8", "uint8"])
@pytest.mark.parametrize("b_type", ["int8", "uint8"])
@pytest.mark.parametrize("levels", [16, 256])
def test_matmul_integer(a_type, b_type, levels):
    rng = np.random.default_rng(2)

    def draw(dtype: str, *shape: int) -> np.ndarray:
        low = -levels // 2 if dtype == "int8" else 0
        return np.asarray(rng.integers(low, low + levels, shape)).astype(dtype)

    for _ in range(5):
        m, k, n = (int(v) for v in rng.integers(1, 50, 3))
        feeds = {"a": draw(a_type, m, k), "b": draw(b_type, k, n), "za": draw(a_type), "zb": draw(b_type)}
        got = int_matmul(feeds["a"], feeds["b"], int(feeds["za"]), int(feeds["zb"]))
        evaluator = ReferenceEvaluator(model_of("MatMulInteger", feeds, "int32"))
        assert np.array_equal(got, evaluator.run(None, feeds)[0])
        # On CPUs without VNNI, ONNX Runtime's products of uint8 and int8 may saturate at 16 bits: few levels only.
        if levels == 16:
            assert np.array_equal(got, run("MatMulInteger", feeds, "int32"))


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_int4_bytes_are_those_of_onnx(n):
    values = np.random.default_rng(n).integers(-8, 8, n)
    raw = numpy_helper.from_array(values.astype(ml_dtypes.int4)).raw_data
    assert pack_int4(values).tobytes() == raw


def test_codes_of_torch():
    """torch multiplies by 1/scale where ONNX divides, so codes may differ by one at ties, and nowhere else."""
    x = np.random.default_rng(4).standard_normal(50_000).astype(np.float32)
    q, scale, zero_point = affine_quantize(x)
    ours = quantize(x, scale, zero_point, -128, 127).astype(int)
    fake = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), scale, zero_point, -128, 127).numpy()
    theirs = np.rint(fake / np.float32(scale)).astype(int) + zero_point
    steps = x.astype(float) / scale
    tie = np.abs(steps - np.floor(steps) - 0.5) < 127 * 2.0**-22  # a few roundings of float32
    assert np.array_equal(ours[~tie], theirs[~tie])
    assert np.abs(ours - theirs).max() <= 1
    assert np.array_equal(q[~tie], ours[~tie])


def test_weights_of_torch_per_tensor_symmetric():
    x = torch.from_numpy(np.random.default_rng(5).standard_normal(10_000).astype(np.float32))
    qp = symmetric_qparams(x.numpy())
    observer = torch.ao.quantization.MinMaxObserver(qscheme=torch.per_tensor_symmetric, dtype=torch.qint8,
                                                    quant_min=-127, quant_max=127)
    observer(x)
    scale, zero_point = observer.calculate_qparams()
    assert float(scale) == pytest.approx(float(qp.scale), rel=1e-6)
    assert int(zero_point) == 0
