"""Exercise 54.quantize_linear_onnx: one linear layer as a QDQ graph that runs on an integer kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from utils.compression import qdq

from ...compare import prop
from ...exercise import Case, Exercise, Misconception
from .qdq_verdict import MISSING, shown, verdict


def _build(W: np.ndarray, b: np.ndarray, x_range: tuple[float, float], y_range: tuple[float, float], *,
           bias: str = "int32", weight: str = "symmetric", zero_points: bool = True, widen: bool = True,
           per_channel: bool = False, activation: str = "int8", output: bool = True, divisor: float = 127.0,
           rows: object = "n", check: bool = True, opset: int = 17, ir: int = 8, symmetric_x: bool = False,
           names: tuple[str, str] = ("x", "y"), trans: bool = True, operator: bool = False) -> Any:
    """The model with one mistake; with its defaults it is right (an independent formulation)."""
    from onnx import TensorProto, helper, numpy_helper

    if check and (not x_range[0] < x_range[1] or not y_range[0] < y_range[1]):
        raise ValueError("empty range")
    W, b = np.asarray(W, np.float32), np.asarray(b, np.float32)
    constants: dict[str, np.ndarray] = {}
    nodes = []

    def activation_parameters(name: str, lo: float, hi: float) -> None:
        if widen:
            lo, hi = min(lo, 0.0), max(hi, 0.0)
        if symmetric_x:
            hi = max(-lo, hi)
            lo = -hi
        scale = (hi - lo) / 255 or 1.0
        low = {"int8": -128, "uint8": 0}[activation]
        zero = np.clip(np.rint(low - lo / scale), low, low + 255)
        constants[f"s_{name}"] = np.array(scale, np.float32)
        constants[f"z_{name}"] = np.array(zero).astype(activation)

    activation_parameters("x", *x_range)
    activation_parameters("y", *y_range)
    reach = np.abs(W).max(axis=1) if per_channel else np.abs(W).max()
    s_w = np.where(reach > 0, reach / divisor, 1.0).astype(np.float32)
    z_w = np.zeros_like(s_w, dtype=np.int8)
    if weight == "asymmetric":
        s_w = np.float32((max(W.max(), 0) - min(W.min(), 0)) / 255)
        z_w = np.int8(np.clip(np.rint(-128 - min(W.min(), 0) / s_w), -128, 127))
    column = s_w.reshape(-1, 1) if per_channel else s_w
    codes = np.clip(np.rint(W / column) + (z_w if weight == "asymmetric" else 0), -128 if weight == "asymmetric" else -127, 127)
    constants |= {"s_w": s_w, "z_w": z_w, "q_w": codes.astype(np.int8)}
    s_b = (constants["s_x"] * s_w).astype(np.float32)
    kind = np.int32
    if bias == "int8":
        s_b, kind = np.float32(np.abs(b).max() / 127 or 1.0), np.int8
    elif bias == "own":
        s_b = np.float32((np.abs(b).max() or 1.0) / 2**20)
    constants |= {"s_b": s_b, "z_b": np.zeros(np.shape(s_b), kind),
                  "q_b": np.clip(np.rint(b / s_b), np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)}

    def node(op: str, source: str, name: str, made: str, **attributes: int) -> None:
        ends = [source, f"s_{name}", f"z_{name}"] if zero_points or name in "xy" else [source, f"s_{name}"]
        nodes.append(helper.make_node(op, ends, [made], **attributes))

    axis = {"axis": 0} if per_channel else {}
    node("QuantizeLinear", names[0], "x", "xq")
    if operator:
        constants |= {"q_w": codes.astype(np.int8).T.copy()}
        nodes.append(helper.make_node("QLinearMatMul", ["xq", "s_x", "z_x", "q_w", "s_w", "z_w", "s_y", "z_y"], ["yq"]))
        node("DequantizeLinear", "yq", "y", names[1])
    else:
        node("DequantizeLinear", "xq", "x", "xd")
        if weight == "float":
            constants["W"] = W
            node("QuantizeLinear", "W", "w", "wq", **axis)
            del constants["q_w"]
        node("DequantizeLinear", "wq" if weight == "float" else "q_w", "w", "wd", **axis)
        if bias == "float":
            constants["b"] = b
        else:
            node("DequantizeLinear", "q_b", "b", "bd", **axis)
        made = "g" if output else names[1]
        if not trans:
            constants["q_w"] = constants["q_w"].T.copy()
        nodes.append(helper.make_node("Gemm", ["xd", "wd", "b" if bias == "float" else "bd"], [made],
                                      **({"transB": 1} if trans else {})))
        if output:
            node("QuantizeLinear", "g", "y", "yq")
            node("DequantizeLinear", "yq", "y", names[1])
    used = {i for n in nodes for i in n.input}
    graph = helper.make_graph(
        nodes, "linear", [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [rows, W.shape[1]])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [rows, W.shape[0]])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items() if k in used])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def _with(**fixed: object) -> Any:
    def answer(W: np.ndarray, b: np.ndarray, x_range: tuple, y_range: tuple) -> Any:
        return _build(W, b, x_range, y_range, **fixed)

    return answer


def _float_model(W: np.ndarray, b: np.ndarray, x_range: tuple, y_range: tuple) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    gemm = helper.make_node("Gemm", ["x", "W", "b"], ["y"], transB=1)
    graph = helper.make_graph(
        [gemm], "linear", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", W.shape[1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", W.shape[0]])],
        [numpy_helper.from_array(np.asarray(W, np.float32), "W"), numpy_helper.from_array(np.asarray(b, np.float32), "b")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _agree(one: Any, other: Any, case: Case) -> str | None:
    """Two models are alike if the same thing is wrong with them."""
    found = [verdict(case, None, model) or "" for model in (one, other)]
    # The name of a tensor is the learner's own.
    alike = found[0] == found[1] or all(text.startswith(MISSING) for text in found)
    return None if alike else "another model"


def _mistake(tag: str, message: str, title: str, *others: dict, **fixed: object) -> Misconception:
    return Misconception(tag, _with(**fixed), message, title,
                         also=(_with(check=False, **fixed), *(_with(**other) for other in others)))


def _draw(rng: np.random.Generator) -> Case:
    n_in, n_out = int(rng.integers(2, 9)), int(rng.integers(1, 7))
    while n_in == n_out:  # a square matrix would hide a transposed one
        n_out = int(rng.integers(1, 7))
    W, b = rng.normal(size=(n_out, n_in)), rng.normal(size=n_out)
    lo = float(rng.uniform(-3, 2))
    x_range = (round(lo, 2), round(lo + float(rng.uniform(0.5, 4)), 2))
    X = rng.uniform(*x_range, (200, n_in))
    Y = X @ W.T + b
    y_range = (round(float(Y.min()), 2) - 0.1, round(float(Y.max()), 2) + 0.1)
    return Case(W, b, x_range, y_range, label=f"a random layer {n_in} → {n_out}, x in {x_range}")


_W, _B = np.array([[1.0, -2.0], [0.5, 0.25]]), np.array([0.1, -0.2])

quantize_linear_onnx = Exercise(
    id="54.quantize_linear_onnx", points=6, difficulty=3, minutes=35, idea="Q and DQ nodes decide which kernel runs",
    reference=qdq.quantize_linear_onnx, probe="common.onnx_model", show=shown,
    cases=[
        Case(_W, _B, (-1.0, 1.0), (-3.1, 3.1), label="the example"),
        Case(np.array([[0.5, 1.0, -0.25]]), np.array([2.0]), (0.5, 2.0), (1.0, 5.0),
             label="x in (0.5, 2), y in (1, 5): both ranges have to be widened"),
    ],
    hidden=[
        Case(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]), np.zeros(2), (-1.0, 1.0), (-6.5, 6.5),
             label="a row of zeros, bias 0"),
        Case(np.zeros((2, 3)), np.array([1.0, -1.0]), (0.0, 1.0), (-2.0, 2.0), label="all weights are 0"),
        Case(np.array([[-3.0, 1.0, 2.0], [0.1, 0.2, 0.3]], np.float32)[:, ::-1], np.array([1.0, -1.0], np.float32),
             (-2.0, -0.5), (-4.0, 7.0), label="a strided float32 matrix, x in (−2, −0.5)"),
        Case(np.arange(12.0).reshape(3, 4) - 2, np.array([50.0, -50.0, 0.0]), (0.0, 1.0), (-60.0, 80.0),
             label="a large bias"),
    ],
    raises=[
        Case(_W, _B, (1.0, 1.0), (-1.0, 1.0), label="an empty x_range"),
        Case(_W, _B, (1.0, -1.0), (-1.0, 1.0), label="a reversed x_range"),
        Case(_W, _B, (-1.0, 1.0), (0.0, 0.0), label="an empty y_range"),
        Case(_W, _B, (-1.0, 1.0), (2.0, 1.0), label="a reversed y_range"),
    ],
    draw=_draw, draws=8, compare=prop(verdict, same=_agree), time_limit_s=20,
    misconceptions=[
        _mistake("int8_bias", "The bias is added to the int32 accumulator. Eight bits with a scale of its own are too coarse and do "
                 "not fit: store it as int32 with the scale s_x · s_w.", "The bias has 8 bits.", bias="int8"),
        _mistake("bias_scale", "The bias is int32, with a scale of its own. It is added to sums of x_q · w_q, whose unit is s_x · s_w.",
                 "The bias counts in other units.", bias="own"),
        _mistake("float_bias", "The bias is still a float. Newer versions of ONNX Runtime repair that, older ones run such a Gemm in "
                 "float. Store it as int32.", "The bias is not quantized.", bias="float"),
        _mistake("asymmetric_weight", "Keep weights symmetric, with the zero point 0: a weight zero point costs a correction term for "
                 "every output.", "The weight has a zero point.", weight="asymmetric"),
        _mistake("float_weight", "The file did not shrink: W is stored as floats and quantized when the model is loaded. Store the int8 "
                 "integers, and only dequantize in the graph.", "W is still stored as floats.", weight="float"),
        _mistake("no_zero_point", "The DequantizeLinear of a constant has no third input. ONNX allows that, but ONNX Runtime left this "
                 "Gemm in FP32: look at the operators of the optimised graph. Write the zero point out, even if it is 0.",
                 "A zero point is missing.", zero_points=False),
        _mistake("not_widened", "The range was taken as given. It has to contain 0 before scale and zero point are computed, otherwise 0 "
                 "is no value of the grid and the zero point does not fit into int8.", "The range lacks 0.", widen=False),
        _mistake("uint8", "The activations are uint8. The task asks for int8, as TensorRT does too; on processors without VNNI "
                 "instructions uint8 times int8 may even saturate.", "Activations are uint8.", activation="uint8"),
        _mistake("symmetric_activation", "The input's range became symmetric. The task asks for asymmetric activations, with the scale "
                 "(hi − lo)/255 and a zero point.", "The activations are symmetric.", symmetric_x=True),
        _mistake("output_float", "Nothing quantizes y. Without Q and DQ behind the Gemm the kernel has to deliver floats, and the next "
                 "layer would quantize them again.", "The output is not quantized.", output=False),
        _mistake("weight_scale", "The scale of the weights is max|w| / 127, so that the largest weight lands on 127. You divided by another number.",
                 "The weights' scale is off.", {"divisor": 128.0}, divisor=127.5),
        _mistake("fixed_batch", "The first axis of x and y is a fixed number. Give it a name instead, for instance \"n\", so that the model "
                 "takes any batch.", "The batch size is fixed.", rows=1),
        _mistake("qoperator", "QLinearMatMul is an operator of the older format. QDQ was asked: float operators between DequantizeLinear and "
                 "QuantizeLinear, which TensorRT reads too.", "QDQ was asked.", operator=True),
        _mistake("transposed", "The Gemm has no transB. W is stored as (out, in): let the Gemm transpose it, with transB = 1.",
                 "transB is missing.", trans=False),
        Misconception("float_model", _float_model,
                      "This model computes in float. The quantization belongs into the graph: Q and DQ for x and y, int8 and int32 constants "
                      "with DQ for W and b.", "Nothing is quantized."),
        Misconception("empty_range", _with(check=False),
                      "The models are right. A range with lo ≥ hi has to be refused: its scale would be 0 or negative.",
                      "Empty ranges are accepted."),
    ],
    alternatives=[_with(), _with(per_channel=True), _with(opset=21, ir=10), _with(opset=13)],
    hints=(
        "Write a small helper that adds one `DequantizeLinear` with three inputs: tensor, scale, zero point. You need it four times.",
        "Constants: `numpy_helper.from_array(np.array(scale, np.float32), \"x_scale\")`. A zero point has the type of the integers: int8, or int32 for the bias.",
        "Order: Q and DQ of x, DQ of W, DQ of b, Gemm with transB=1, Q and DQ of y.",
    ),
    worth_knowing="The same graph goes to TensorRT if activations have the zero point 0 and the bias stays a float.",
)
