"""Casting an ONNX model to FP16: precision as a property of the graph, as strongly typed networks want it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

MOST = 65504.0  # the largest finite FP16 number
# Sums and exponentials lose most in FP16, so these stay FP32 unless the caller decides otherwise.
KEEP_FP32_OPS = ("Softmax", "LayerNormalization", "ReduceMean", "Pow")
# Operators whose float inputs (scales, thresholds) must be FP32 in ONNX, or of which runtimes lack an FP16 kernel.
ALWAYS_FP32 = frozenset((
    "Resize", "Upsample", "NonMaxSuppression", "TopK", "RoiAlign", "Range", "CumSum", "Min", "Max", "QuantizeLinear",
    "DequantizeLinear", "DynamicQuantizeLinear", "RandomNormal", "RandomUniform", "RandomNormalLike",
    "RandomUniformLike", "EyeLike"))


@dataclass(frozen=True)
class CastReport:
    """What the cast did to a weight: how many values were clamped to ±65504, and how many became 0."""

    name: str
    size: int
    saturated: int
    flushed: int


def saturating_fp16(x: np.ndarray) -> np.ndarray:
    """`x` in FP16, with ±65504 where it would be infinite; NaN stays. Any shape."""
    return np.clip(np.asarray(x, np.float64), -MOST, MOST).astype(np.float16)


def to_fp16(model: ModelProto, keep_io_types: bool = True, keep_fp32_ops: Collection[str] = KEEP_FP32_OPS,
            keep_fp32_nodes: Collection[str] = ()) -> ModelProto:
    """A copy of `model` that computes in FP16, with Cast nodes only where FP32 and FP16 meet.

    `keep_fp32_nodes` names nodes, or tensors that they make, which stay in FP32 with their weights. With
    `keep_io_types` the graph's inputs and outputs stay FP32. Weights saturate at ±65504; `cast_report` says which.
    Raises ValueError for a graph that holds subgraphs (If, Loop, Scan), and for a node name that is not there.
    """
    return _Casting(model, keep_io_types, set(keep_fp32_ops) | ALWAYS_FP32, set(keep_fp32_nodes)).run()


def cast_report(before: ModelProto) -> list[CastReport]:
    """What FP16 does to each FP32 weight of a model: the weights that lose a value only."""
    from onnx import TensorProto, numpy_helper

    found = []
    for tensor in before.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            x = numpy_helper.to_array(tensor)
            flushed = int(np.count_nonzero((saturating_fp16(x) == 0) & (x != 0)))
            report = CastReport(tensor.name, x.size, int(np.count_nonzero(np.abs(x) > MOST)), flushed)
            found += [report] * bool(report.saturated or report.flushed)
    return found


def _makes_fp32(node: NodeProto) -> bool:
    """Constants that are written as plain floats, or not at all: their type can't be changed in place."""
    names = {attribute.name for attribute in node.attribute}
    bare = node.op_type == "ConstantOfShape" and "value" not in names
    return bare or (node.op_type == "Constant" and bool(names & {"value_float", "value_floats"}))


class _Casting:
    """One conversion. A tensor has a home type, that of the node which makes it; a copy in the other type is made
    once, at the border, so two Casts never follow each other."""

    def __init__(self, model: ModelProto, keep_io: bool, fp32_ops: set[str], fp32_nodes: set[str]) -> None:
        import onnx

        self.onnx, self.keep_io, self.fp32_ops, self.fp32_nodes = onnx, keep_io, fp32_ops, fp32_nodes
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph = self.model.graph
        self.float_tensors = self._float_tensors()
        self.home: dict[str, str] = {}  # float tensor -> "fp32" or "fp16"
        self.copies: dict[tuple[str, str], str] = {}
        self.weights = {t.name: t for t in self.graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
        self.added: list[TensorProto] = []
        self.nodes: list[NodeProto] = []
        self.names = {name for node in self.graph.node for name in (*node.input, *node.output)}

    def run(self) -> ModelProto:
        self._check()
        io_home = "fp32" if self.keep_io else "fp16"
        for value in self.graph.input:
            self.home[value.name] = io_home
        outputs = {value.name for value in self.graph.output}
        for node in self.graph.node:
            self._convert(node)
        for value in self.graph.output:
            if value.name in self.float_tensors and self.home.get(value.name, io_home) != io_home:
                self._restore_output(value.name, io_home)
        self._finish(outputs)
        return self.model

    def _check(self) -> None:
        for node in self.graph.node:
            if any(a.HasField("g") or a.graphs for a in node.attribute):
                raise ValueError(f"model must hold no subgraphs, got one in {node.op_type}")
        known = {name for node in self.graph.node for name in (node.name, *node.output)}
        for name in self.fp32_nodes - known:
            raise ValueError(f"keep_fp32_nodes must name nodes or tensors that they make, got {name!r}")

    def _float_tensors(self) -> set[str]:
        inferred = self.onnx.shape_inference.infer_shapes(self.model).graph
        values = (*inferred.input, *inferred.value_info, *inferred.output)
        floats = {v.name for v in values if v.type.tensor_type.elem_type == self.onnx.TensorProto.FLOAT}
        return floats | {t.name for t in self.graph.initializer if t.data_type == self.onnx.TensorProto.FLOAT}

    def _stays_fp32(self, node: NodeProto) -> bool:
        chosen = node.name in self.fp32_nodes or bool(self.fp32_nodes & set(node.output))
        return chosen or node.op_type in self.fp32_ops or _makes_fp32(node)

    def _convert(self, node: NodeProto) -> None:
        kind = "fp32" if self._stays_fp32(node) else "fp16"
        for position, name in enumerate(node.input):
            if name in self.float_tensors:
                node.input[position] = self._in(name, kind)
        for name in node.output:
            if name in self.float_tensors:
                self.home[name] = kind
        if kind == "fp16":
            self._retype_attributes(node)
        self.nodes.append(node)

    def _in(self, name: str, kind: str) -> str:
        """The name under which the tensor is found in the type `kind`; made at its first use."""
        if name in self.weights:
            return self._weight(name, kind)
        if self.home.get(name, "fp32") == kind:
            return name
        if (name, kind) not in self.copies:
            self.copies[name, kind] = self._new(f"{name}_{kind}")
            self.nodes.append(self._cast(name, self.copies[name, kind], kind))
        return self.copies[name, kind]

    def _weight(self, name: str, kind: str) -> str:
        if kind == "fp32":
            return name
        if (name, kind) not in self.copies:
            self.copies[name, kind] = self._new(f"{name}_{kind}")
            array = saturating_fp16(self.onnx.numpy_helper.to_array(self.weights[name]))
            self.added.append(self.onnx.numpy_helper.from_array(array, self.copies[name, kind]))
        return self.copies[name, kind]

    def _new(self, wanted: str) -> str:
        while wanted in self.names:
            wanted += "_"
        self.names.add(wanted)
        return wanted

    def _cast(self, source: str, target: str, kind: str) -> NodeProto:
        to = self.onnx.TensorProto.FLOAT16 if kind == "fp16" else self.onnx.TensorProto.FLOAT
        return self.onnx.helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=to)

    def _retype_attributes(self, node: NodeProto) -> None:
        """Types that a node names itself: the target of a Cast, the value of a Constant."""
        proto = self.onnx.TensorProto
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == proto.FLOAT:
                attribute.i = proto.FLOAT16
            elif attribute.HasField("t") and attribute.t.data_type == proto.FLOAT:
                array = saturating_fp16(self.onnx.numpy_helper.to_array(attribute.t))
                attribute.t.CopyFrom(self.onnx.numpy_helper.from_array(array, attribute.t.name))

    def _restore_output(self, name: str, kind: str) -> None:
        """The graph's output keeps its name and its type: its maker writes to another tensor, which is cast."""
        inner = self._new(f"{name}_{self.home[name]}")
        for node in self.nodes:
            for names in (node.input, node.output):
                for position, old in enumerate(names):
                    if old == name:
                        names[position] = inner
        again = self.copies.pop((name, kind), None)
        if again is None:
            self.nodes.append(self._cast(inner, name, kind))
            return
        for node in self.nodes:  # a copy of that type exists inside: it becomes the output
            for names in (node.input, node.output):
                for position, old in enumerate(names):
                    if old == again:
                        names[position] = name

    def _finish(self, outputs: set[str]) -> None:
        used = {name for node in self.nodes for name in node.input} | outputs
        kept = [t for t in (*self.graph.initializer, *self.added) if t.name in used]
        del self.graph.initializer[:], self.graph.node[:], self.graph.value_info[:]
        self.graph.initializer.extend(kept)
        self.graph.node.extend(self.nodes)
        if not self.keep_io:
            for value in (*self.graph.input, *self.graph.output):
                if value.type.tensor_type.elem_type == self.onnx.TensorProto.FLOAT:
                    value.type.tensor_type.elem_type = self.onnx.TensorProto.FLOAT16
        self._drop_unused_inputs(used)
        self.onnx.checker.check_model(self.model)

    def _drop_unused_inputs(self, used: set[str]) -> None:
        """Weights that old files also list as inputs go with the weights that they name."""
        stale = [v for v in self.graph.input if v.name in self.weights and v.name not in used]
        for value in stale:
            self.graph.input.remove(value)
