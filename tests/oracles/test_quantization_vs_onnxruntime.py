"""A linear layer in integers against ONNX's QLinearMatMul, in its reference and in ONNX Runtime."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from utils.compression.quantization import QParams, dequantize, quantize, quantized_linear
from utils.graphs.onnx_tools import executed_ops, make_model, make_session

ELEMENT = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}


def model_of(op, feeds, out, opset=17, ir_version=8):
    inputs = [helper.make_tensor_value_info(k, ELEMENT[v.dtype.name], v.shape) for k, v in feeds.items()]
    shape = [f"d{i}" for i in range(next(iter(feeds.values())).ndim)]
    output = [helper.make_tensor_value_info("y", ELEMENT[out], shape)]
    return make_model([helper.make_node(op, list(feeds), ["y"])], inputs, output, opset=opset, ir_version=ir_version)


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("x_type", ["uint8", "int8"])
def test_qlinear_matmul(per_column, x_type):
    rng, info = np.random.default_rng(0), np.iinfo(x_type)
    for _ in range(10):
        m, k, n = (int(v) for v in rng.integers(2, 40, 3))
        shape = (n,) if per_column else ()
        x_qp = QParams(np.float32(rng.uniform(0.01, 0.1)), rng.integers(info.min, info.max + 1), info.min, info.max)
        # 7-bit weights: on CPUs without VNNI, ONNX Runtime's sums of pairs may saturate at 16 bits.
        w_qp = QParams(rng.uniform(0.01, 0.1, shape).astype(np.float32), np.zeros(shape, int), -64, 63,
                       1 if per_column else None)
        y_qp = QParams(np.float32(rng.uniform(0.5, 2)), rng.integers(info.min, info.max + 1), info.min, info.max)
        x_q = rng.integers(info.min, info.max + 1, (m, k)).astype(x_type)
        w_q = rng.integers(-64, 64, (k, n)).astype(np.int8)
        got = quantized_linear(x_q, x_qp, w_q, w_qp, None, y_qp)
        feeds = {"a": x_q, "sa": np.asarray(x_qp.scale, np.float32), "za": np.asarray(x_qp.zero_point, x_type),
                 "b": w_q, "sb": w_qp.scale.astype(np.float32), "zb": w_qp.zero_point.astype(np.int8),
                 "sy": np.asarray(y_qp.scale, np.float32), "zy": np.asarray(y_qp.zero_point, x_type)}
        model = model_of("QLinearMatMul", feeds, x_type)
        # Their product of three float32 scales is off by 2^-22, ours by 2^-31: only near a tie can codes differ.
        acc = (x_q.astype(int) - int(x_qp.zero_point)) @ w_q.astype(int)
        steps = acc * (x_qp.scale * w_qp.scale / y_qp.scale)
        tie = np.abs(steps - np.floor(steps) - 0.5) < 1e-3
        for theirs in (make_session(model).run(None, feeds)[0], ReferenceEvaluator(model).run(None, feeds)[0]):
            assert theirs.dtype == got.dtype and np.array_equal(got[~tie], theirs[~tie])
            assert np.abs(got.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantize_linear_of_opset_21(dtype):
    rng, info = np.random.default_rng(1), np.iinfo(dtype)
    scale, zero_point = np.float32(0.1), 3
    x = np.concatenate([rng.standard_normal(100_000) * 6, (np.arange(-300, 300) + 0.5) * 0.1]).astype(np.float32)
    got = quantize(x, scale, zero_point, info.min, info.max)
    feeds = {"x": x, "s": np.asarray(scale), "z": np.asarray(zero_point, dtype)}
    model = model_of("QuantizeLinear", feeds, dtype, opset=21, ir_version=10)
    for theirs in (make_session(model).run(None, feeds)[0], ReferenceEvaluator(model).run(None, feeds)[0]):
        assert np.array_equal(got, theirs)
    back = {"q": got, "s": feeds["s"], "z": feeds["z"]}
    model = model_of("DequantizeLinear", back, "float32", opset=21, ir_version=10)
    assert np.array_equal(dequantize(got, scale, zero_point), make_session(model).run(None, back)[0])


def test_the_operators_that_run_are_those_of_the_file():
    feeds = {"a": np.zeros((2, 3), np.uint8), "sa": np.asarray(np.float32(1)), "za": np.asarray(np.uint8(0)),
             "b": np.zeros((3, 2), np.int8), "sb": np.asarray(np.float32(1)), "zb": np.asarray(np.int8(0)),
             "sy": np.asarray(np.float32(1)), "zy": np.asarray(np.uint8(0))}
    assert executed_ops(model_of("QLinearMatMul", feeds, "uint8")) == ["QLinearMatMul"]
