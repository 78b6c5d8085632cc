"""Reads a QDQ model that a learner built, and says what is wrong with it in a few words.

The model is hostile input: its size, its operators and its constants are bounded before ONNX Runtime sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...exercise import Case

MAX_BYTES = 200_000
ALLOWED = {"QuantizeLinear", "DequantizeLinear", "Gemm"}
SHORT = {"QuantizeLinear": "Q", "DequantizeLinear": "DQ"}
QOPERATORS = {"QLinearMatMul", "QLinearConv", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeLinear"}


MISSING = "a zero point is missing"


class NotAsAsked(Exception):
    """The first thing that is not as the text asks."""


@dataclass(frozen=True)
class Pair:
    """The parameters of one DequantizeLinear: its input's name, scale, zero point (None if absent) and axis."""

    source: str
    scale: np.ndarray
    zero: np.ndarray | None
    axis: int


class Graph:
    """The parts of a QDQ model with one Gemm."""

    def __init__(self, data: bytes) -> None:
        import onnx
        from onnx import numpy_helper

        if not isinstance(data, bytes) or len(data) > MAX_BYTES:
            raise NotAsAsked("expected an ONNX model of a few kB")
        try:
            model = onnx.load_from_string(data)
        except Exception as error:
            raise NotAsAsked("this is no ONNX model") from error
        if any(t.external_data for t in model.graph.initializer) or model.functions or len(model.graph.node) > 40:
            raise NotAsAsked("expected one small graph without external data and functions")
        try:
            onnx.checker.check_model(model)
        except Exception as error:
            raise NotAsAsked(f"onnx.checker refuses the model: {str(error).splitlines()[0][:120]}") from error
        ops = [n.op_type for n in model.graph.node]
        if QOPERATORS & set(ops):
            raise NotAsAsked(f"QDQ was asked: Q and DQ nodes around a Gemm, not {next(o for o in ops if o in QOPERATORS)}")
        if set(ops) - ALLOWED or any(n.domain not in ("", "ai.onnx") for n in model.graph.node):
            raise NotAsAsked(f"only QuantizeLinear, DequantizeLinear and Gemm belong here, got {', '.join(sorted(set(ops)))}")
        if set(ops) == {"Gemm"}:
            raise NotAsAsked("nothing is quantized: the model has neither Q nor DQ")
        if ops.count("Gemm") != 1:
            raise NotAsAsked(f"{ops.count('Gemm')} Gemm nodes, expected one")
        self.model, self.nodes = model, list(model.graph.node)
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.maker = {o: n for n in self.nodes for o in n.output}
        self.gemm = next(n for n in self.nodes if n.op_type == "Gemm")

    def dq(self, tensor: str, what: str) -> Pair:
        """The DequantizeLinear that makes `tensor`."""
        node = self.maker.get(tensor)
        if node is None or node.op_type != "DequantizeLinear":
            raise NotAsAsked(f"{what} does not come from a DequantizeLinear")
        return self._pair(node, what)

    def _pair(self, node: Any, what: str) -> Pair:
        zero = self.zero_point(node)
        scale = self.constants.get(node.input[1])
        if scale is None:
            raise NotAsAsked(f"the scale of {what} is not a constant")
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        return Pair(node.input[0], scale, zero, axis)

    def zero_point(self, node: Any) -> np.ndarray | None:
        """The zero point of a Q or DQ; None if it is left out."""
        return self.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None

    def told(self, node: Any) -> str:
        """A node as a learner sees it: Q or DQ with its scale and zero point."""
        if node.op_type not in SHORT:
            return node.op_type
        zero, scale = self.zero_point(node), self.constants.get(node.input[1])
        step = "?" if scale is None else f"{float(scale.reshape(-1)[0]):.4g}" + (", …" if scale.size > 1 else "")
        offset = "NO zero point" if zero is None else f"{zero.dtype} {zero.reshape(-1)[0]}"
        return f"{SHORT[node.op_type]}[{step}; {offset}]"

    def activation(self, tensor: str, what: str) -> Pair:
        """The parameters of Q and DQ in a row that end in `tensor`."""
        pair = self.dq(tensor, what)
        q = self.maker.get(pair.source)
        if q is None or q.op_type != "QuantizeLinear":
            raise NotAsAsked(f"{what} has no QuantizeLinear")
        first = self._pair(q, what)
        if not np.array_equal(first.scale, pair.scale) or not _same(first.zero, pair.zero):
            raise NotAsAsked(f"Q and DQ of {what} have different parameters")
        return Pair(q.input[0], pair.scale, pair.zero, pair.axis)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return (a is None) == (b is None) and (a is None or np.array_equal(a, b))


def verdict(case: Case, expected: Any, got: Any) -> str | None:
    """None if the model is as asked; else the first thing that is not."""
    if not isinstance(got, bytes):
        return "not an ONNX model"
    W, b, x_range, y_range = case.args
    W, b = np.asarray(W, np.float64), np.asarray(b, np.float64)
    return _verdict(got, W.tobytes(), W.shape, b.tobytes(), tuple(x_range), tuple(y_range))


@lru_cache(maxsize=512)
def _verdict(data: bytes, w: bytes, shape: tuple[int, int], b: bytes, x_range: tuple, y_range: tuple) -> str | None:
    W, bias = np.frombuffer(w).reshape(shape), np.frombuffer(b)
    try:
        graph = Graph(data)
        _ends(graph, W)
        _weights_and_activations(graph, W, x_range, y_range)
        _bias(graph, bias)
        _zero_points(graph)
        _runs(graph, W, bias, x_range, y_range)
    except NotAsAsked as found:
        return str(found)
    return None


def _ends(graph: Graph, W: np.ndarray) -> None:
    g = graph.model.graph
    inputs = [v for v in g.input if v.name not in graph.constants]
    if [v.name for v in inputs] != ["x"] or [v.name for v in g.output] != ["y"]:
        raise NotAsAsked('the model must have one input "x" and one output "y"')
    for value, width in ((inputs[0], W.shape[1]), (g.output[0], W.shape[0])):
        tensor = value.type.tensor_type
        if tensor.elem_type != 1:
            raise NotAsAsked(f"{value.name} is not float32")
        dims = tensor.shape.dim
        if len(dims) != 2 or dims[1].dim_value != width:
            raise NotAsAsked(f"{value.name} must have shape (n, {width})")
        if dims[0].HasField("dim_value"):
            raise NotAsAsked(f"the first axis of {value.name} is fixed: it must be a symbol")


def _weights_and_activations(graph: Graph, W: np.ndarray, x_range: tuple, y_range: tuple) -> None:
    gemm = graph.gemm
    attributes = {a.name: (a.i if a.type == 2 else a.f) for a in gemm.attribute}
    if attributes.get("transB", 0) != 1 or attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1.0 \
            or attributes.get("beta", 1.0) != 1.0 or len(gemm.input) != 3:
        raise NotAsAsked("the Gemm must have the inputs x, W, b and transB = 1, nothing else")
    _no_float_weights(graph, W)
    weight = graph.dq(gemm.input[1], "the weight")
    q = graph.constants.get(weight.source)
    if q is None or q.dtype != np.int8:
        raise NotAsAsked("the weight is not stored as an int8 constant")
    if q.shape != W.shape:
        raise NotAsAsked(f"the stored weight has shape {q.shape}, expected {W.shape}")
    if weight.zero is not None and np.any(weight.zero):
        raise NotAsAsked("the weight has a zero point that is not 0")
    scale = np.asarray(weight.scale, np.float64)
    if scale.size > 1 and (scale.shape != (len(W),) or weight.axis != 0):
        raise NotAsAsked("the weight's scales must be one, or one for each row with axis 0")
    steps = scale.reshape(-1, 1) if scale.size > 1 else scale.reshape(1, 1)
    top = np.abs(W).max(axis=1, keepdims=True) if scale.size > 1 else np.abs(W).max()
    if not np.allclose(steps, np.where(top > 0, top / 127, steps), rtol=1e-5):
        raise NotAsAsked("the weight's scale is not max|w| / 127")
    if np.abs(q * steps - W).max() > 0.502 * steps.max():
        raise NotAsAsked("the stored weights are not the rounded ones")
    x, y = graph.activation(gemm.input[0], "the input"), graph.activation("y", "the output")
    if x.source != "x" or y.source != gemm.output[0]:
        raise NotAsAsked("Q and DQ must stand between x and the Gemm, and between the Gemm and y")
    for pair, (lo, hi), what in ((x, x_range, "input"), (y, y_range, "output")):
        _range(pair, lo, hi, what)


def _no_float_weights(graph: Graph, W: np.ndarray) -> None:
    if any(v.dtype.kind == "f" and sorted(v.shape) == sorted(W.shape) for v in graph.constants.values()):
        raise NotAsAsked("the weight is still stored as floats")


def _range(pair: Pair, lo: float, hi: float, what: str) -> None:
    if pair.zero is not None and pair.zero.dtype != np.int8:
        raise NotAsAsked(f"the {what} is not int8")
    if pair.zero is None:
        raise NotAsAsked(MISSING)  # without one the type is uint8
    if not np.isclose(float(pair.scale), (max(hi, 0) - min(lo, 0)) / 255, rtol=1e-5):
        raise NotAsAsked(f"the {what}'s scale is not (hi - lo) / 255 of the range widened to 0")
    expected = np.clip(-128 - min(lo, 0) / float(pair.scale), -128, 127)
    if abs(float(pair.zero) - expected) > 0.51:
        raise NotAsAsked(f"the {what}'s zero point is not that of the widened range")


def _bias(graph: Graph, bias: np.ndarray) -> None:
    gemm = graph.gemm
    if gemm.input[2] in graph.constants:
        raise NotAsAsked("the bias is not quantized")
    pair = graph.dq(gemm.input[2], "the bias")
    q = graph.constants.get(pair.source)
    if q is None or q.dtype != np.int32:
        raise NotAsAsked(f"the bias is stored as {q.dtype if q is not None else 'no constant'}, expected int32")
    s_x = float(graph.dq(gemm.input[0], "the input").scale)
    s_w = np.asarray(graph.dq(gemm.input[1], "the weight").scale, np.float64)
    scale = np.asarray(pair.scale, np.float64)
    if scale.shape not in ((), (1,), bias.shape) or not np.allclose(scale, s_x * s_w, rtol=1e-5):
        raise NotAsAsked("the bias's scale is not s_x * s_w")
    if pair.zero is not None and np.any(pair.zero):
        raise NotAsAsked("the bias has a zero point that is not 0")
    # one rounding to an integer, and the scale's own rounding to float32 on large integers
    if q.shape != bias.shape or np.any(np.abs(q * scale - bias) > 0.502 * scale + 1e-6 * np.abs(bias)):
        raise NotAsAsked("the stored bias is not the rounded one")


def _zero_points(graph: Graph) -> None:
    for node in graph.nodes:
        if node.op_type != "Gemm" and (len(node.input) < 3 or not node.input[2]):
            raise NotAsAsked(f"{MISSING}: the {node.op_type} that reads {node.input[0][:40]} has no third input")


def _runs(graph: Graph, W: np.ndarray, bias: np.ndarray, x_range: tuple, y_range: tuple) -> None:
    from utils.graphs.onnx_tools import executed_ops, make_session

    X = np.random.default_rng(0).uniform(*x_range, (16, W.shape[1])).astype(np.float32)
    try:
        got = make_session(graph.model, optimize=True).run(None, {"x": X})[0]
        ops = executed_ops(graph.model)
    except Exception as error:
        raise NotAsAsked(f"ONNX Runtime refuses the model: {str(error).splitlines()[0][:120]}") from error
    if "QGemm" not in ops:
        raise NotAsAsked("ONNX Runtime runs this Gemm in float")
    (lo, hi), (x_lo, x_hi) = ((min(r[0], 0), max(r[1], 0)) for r in (y_range, x_range))
    exact = np.clip(X @ W.T + bias, lo, hi)
    # Half a step of the output, and half a step of each weight and of each input on the way.
    inner = np.abs(X).sum(1).max() * np.abs(W).max() / 254 + np.abs(W).sum(1).max() * (x_hi - x_lo) / 510
    if got.shape != exact.shape or np.abs(got - exact).max() > (hi - lo) / 255 + inner:
        raise NotAsAsked("the results are too far from x @ W.T + b")


def shown(value: Any) -> str:
    """What a learner sees of a model: its operators in order, with scale and zero point of each Q and DQ."""
    try:
        graph = Graph(value)
        return "a model: " + ", ".join(graph.told(node) for node in graph.nodes)
    except Exception as error:
        return str(error)[:110] or "not an ONNX model"
