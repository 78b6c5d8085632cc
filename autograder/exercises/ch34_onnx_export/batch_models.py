"""Models with a baked batch size, and the verdict over an edited one.

An edited model is hostile input: its size, operators and constants are bounded before ONNX Runtime sees it.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from utils.graphs.optimize import judge_batches

from ...exercise import Case

MAX_BYTES = 200_000
# What a target of a Reshape may be computed from at run time; so many of each for every Reshape of the original.
ADDED = {"Constant": 4, "Shape": 2, "Gather": 1, "Slice": 1, "Unsqueeze": 1, "Squeeze": 1, "Concat": 1, "Identity": 1, "Cast": 1}
BATCHES = (1, 2, 3, 5)


class NotAsAsked(Exception):
    """The first thing that is not as the text asks."""


# --- models ---------------------------------------------------------------------------------------


class Builder:
    """A model in the making. Targets of Reshape become initializers or Constant nodes, as asked."""

    def __init__(self, b: int, c: int, h: int, seed: int = 0) -> None:
        self.b, self.rng = b, np.random.default_rng(seed)
        self.inputs: dict[str, Any] = {"x": (b, c, h)}
        self.nodes, self.constants, self.count = [], {}, 0
        self.now, self.shape = "x", [b, c, h]

    def node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        self.count += 1
        made = f"t{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [made], **attributes))
        return made

    def target(self, *sizes: int, as_node: bool = False, name: str = "") -> str:
        """The name of a constant target."""
        from onnx import numpy_helper

        value = np.array(sizes, np.int64)
        if as_node:
            return self.node("Constant", [], value=numpy_helper.from_array(value, "value"))
        name = name or f"shape{len(self.constants)}"
        self.constants[name] = value
        return name

    def weight(self, *shape: int, name: str = "") -> str:
        name = name or f"w{len(self.constants)}"
        self.constants[name] = self.rng.normal(size=shape).astype(np.float32)
        return name

    def reshape(self, target: str, *shape: int) -> None:
        self.now, self.shape = self.node("Reshape", [self.now, target]), list(shape)

    def relu(self) -> None:
        self.now = self.node("Relu", [self.now])

    def layer(self, width: int) -> None:
        self.now = self.node("MatMul", [self.now, self.weight(self.shape[-1], width)])
        self.shape = [*self.shape[:-1], width]

    def model(self, outputs: dict[str, Any] | None = None, listed: str = "") -> bytes:
        """The bytes of the model; its result is called y. `listed`: a weight that is also listed as an input."""
        from onnx import helper

        from utils.graphs.onnx_tools import make_model

        nodes = [*self.nodes, helper.make_node("Identity", [self.now], ["y"])]
        inputs = dict(self.inputs)
        if listed:
            inputs[listed] = self.constants[listed].shape
        return make_model(nodes, inputs, {"y": self.shape, **(outputs or {})}, self.constants).SerializeToString()


def cnn() -> bytes:
    """What the tracing exporter makes of conv, relu, pool, x.reshape(x.shape[0], -1), linear: a Constant node [1, -1]."""
    from onnx import helper

    m = Builder(1, 3, 8)
    m.inputs = {"x": (1, 3, 8, 8)}
    conv = m.node("Conv", ["x", m.weight(4, 3, 3, 3), m.weight(4)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    pooled = m.node("MaxPool", [m.node("Relu", [conv])], kernel_shape=[2, 2], strides=[2, 2])
    flat = m.node("Reshape", [pooled, m.target(1, -1, as_node=True)])
    m.nodes.append(helper.make_node("Gemm", [flat, m.weight(5, 64), m.weight(5)], ["out"], transB=1))
    m.now, m.shape = "out", [1, 5]
    return m.model()


def two_readers(b: int) -> bytes:
    """Two Reshapes share one constant: that of the weights must keep it."""
    m = Builder(b, 2, 3)
    shared = m.target(b, -1, name="shape")
    flat = m.node("Reshape", ["x", shared])
    small = m.node("Reshape", [m.weight(6 * b), shared])  # (b, 6): not the batch
    total = m.node("ReduceSum", [small, m.target(0, name="axis0")], keepdims=0)
    m.now, m.shape = m.node("Add", [flat, total]), [b, 6]
    return m.model()


def read_as_numbers() -> bytes:
    """The target is also read as numbers, by a Cast."""
    m = Builder(2, 2, 3)
    shared = m.target(2, 6, name="shape")
    numbers = m.node("ReduceSum", [m.node("Cast", [shared], to=1)], keepdims=0)
    flat = m.node("Reshape", ["x", shared])
    m.now, m.shape = m.node("Mul", [flat, numbers]), [2, 6]
    return m.model()


def weights_only(b: int) -> bytes:
    """A Reshape of weights (after a Relu) whose target begins with b, and has a -1; and one of the data."""
    m = Builder(b, 2, 3)
    w = m.node("Reshape", [m.node("Relu", [m.weight(2 * b, 3)]), m.target(b, 2, -1, as_node=True)])
    w = m.node("ReduceSum", [w, m.target(0, name="axis0")], keepdims=0)  # (2, 3)
    m.now = m.node("Mul", ["x", w])
    m.reshape(m.target(b, 3, 2), b, 3, 2)
    return m.model()


def rows(b: int) -> bytes:
    """All rows of all samples through one layer: a target that begins with -1, and stays."""
    m = Builder(b, 4, 6)
    m.reshape(m.target(-1, 6), 4 * b, 6)
    m.layer(6)
    m.reshape(m.target(b, 24), b, 24)
    return m.model()


def listed_weight() -> bytes:
    """A weight of shape (1, 6) that is listed as an input as well."""
    m = Builder(1, 2, 3)
    m.reshape(m.target(1, 6), 1, 6)
    m.now = m.node("Add", [m.now, m.weight(1, 6, name="bias")])
    return m.model(listed="bias")


def with_value_info() -> bytes:
    import onnx
    from onnx import TensorProto, helper

    m = Builder(3, 2, 4)
    m.reshape(m.target(3, 8), 3, 8)
    m.layer(5)
    model = onnx.load_from_string(m.model())
    model.graph.value_info.append(helper.make_tensor_value_info("t1", TensorProto.FLOAT, [3, 8]))
    return model.SerializeToString()


def two_inputs() -> bytes:
    """A second input with the batch, a third without; a second output without."""
    from onnx import helper

    m = Builder(2, 2, 3)
    m.inputs |= {"z": (2, 6), "scale": (6,)}
    m.reshape(m.target(2, -1), 2, 6)
    m.now = m.node("Mul", [m.node("Add", [m.now, "z"]), "scale"])
    m.nodes.append(helper.make_node("Relu", ["scale"], ["s"]))
    return m.model({"s": (6,)})


def computed_target() -> bytes:
    """The target comes from Shape at run time, and must be left alone; a constant one stands before it."""
    m = Builder(1, 2, 6)
    m.reshape(m.target(1, 3, 4, as_node=True), 1, 3, 4)
    size = m.node("Gather", [m.node("Shape", [m.now]), m.target(0, name="zero")], axis=0)
    m.now, m.shape = m.node("Reshape", [m.now, m.node("Concat", [size, m.target(12, name="rest")], axis=0)]), [1, 12]
    return m.model()


def stages(b: int, kinds: str, seed: int = 0) -> bytes:
    """Reshapes in a row, one a letter: upper case as a Constant node, lower case as an initializer.

    f: [b, all], m: [b, -1], s: [b, half, -1], t: [b, 2, half], z: [b, 0, -1], g: [b, -1, 2].
    """
    m = Builder(b, 4, 6, seed)
    for kind in kinds:
        as_node, n = kind.isupper(), int(np.prod(m.shape[1:]))
        if kind in "zZ" and len(m.shape) < 3:
            m.reshape(m.target(b, 2, n // 2, as_node=as_node), b, 2, n // 2)
        target, shape = {
            "f": ((b, n), (b, n)), "m": ((b, -1), (b, n)), "s": ((b, n // 2, -1), (b, n // 2, 2)), "t": ((b, 2, n // 2), (b, 2, n // 2)),
            "z": ((b, 0, -1), (b, m.shape[1], n // m.shape[1])), "g": ((b, -1, 2), (b, n // 2, 2)),
        }[kind.lower()]
        m.reshape(m.target(*target, as_node=as_node), *shape)
        m.relu()
    m.layer(3)
    return m.model()


def dynamic() -> bytes:
    """Axis 0 has a symbol already."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    return make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", 3)}, {"y": ("N", 3)}).SerializeToString()


# --- the verdict ----------------------------------------------------------------------------------


def verdict(case: Case, expected: Any, got: Any) -> str | None:
    """None if the model is as asked; else the first thing that is not."""
    if not isinstance(got, dict) or not isinstance(got.get("model"), bytes):
        return "not an ONNX model"
    found = _verdict(case.kwargs["model"], expected["model"], got["model"])
    return found or ("the model that was given has been changed" if got["changed"] else None)


@lru_cache(maxsize=4096)
def _verdict(original: bytes, expected: bytes, data: bytes) -> str | None:
    import onnx

    given, right = onnx.load_from_string(original), onnx.load_from_string(expected)
    try:
        model = _read(data, given)
        _ends(model, right)
        _runs(given, model)
    except NotAsAsked as found:
        return str(found)
    return None


def _read(data: bytes, given: Any) -> Any:
    import onnx

    if len(data) > MAX_BYTES:
        raise NotAsAsked(f"the model has {len(data):,} bytes")
    try:
        model = onnx.load_from_string(data)
    except Exception as error:
        raise NotAsAsked("this is no ONNX model") from error
    graph = model.graph
    if model.functions or graph.sparse_initializer or any(t.external_data for t in graph.initializer):
        raise NotAsAsked("expected a graph without functions, sparse tensors and external data")
    before, after = (Counter(n.op_type for n in m.graph.node) for m in (given, model))
    for op, count in (after - before).items():
        if count > ADDED.get(op, 0) * before["Reshape"]:
            raise NotAsAsked(f"there are {after[op]} {op} nodes, {before[op]} were there")
    if any(n.domain not in ("", "ai.onnx") or len(n.input) > 5 for n in graph.node):
        raise NotAsAsked("there are nodes of other domains, or with more than 5 inputs")
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        told = str(error).strip() or "no reason given"
        raise NotAsAsked(f"onnx.checker refuses the model: {told.splitlines()[0][:90]}") from error
    return model


def _dims(value: Any) -> list:
    return [d.dim_value if d.HasField("dim_value") else d.dim_param for d in value.type.tensor_type.shape.dim]


def _ends(model: Any, right: Any) -> None:
    for kind in ("input", "output"):
        ours, theirs = ({v.name: _dims(v) for v in getattr(m.graph, kind)} for m in (right, model))
        if list(ours) != list(theirs):
            raise NotAsAsked(f"the {kind}s are called {', '.join(theirs)}, expected {', '.join(ours)}")
        for name in ours:
            if ours[name] != theirs[name]:
                raise NotAsAsked(f"{kind} {name} has the shape {theirs[name]}, expected {ours[name]}")
    if model.graph.value_info:
        raise NotAsAsked("value_info is not empty")


def _runs(given: Any, model: Any) -> None:
    for found in judge_batches(given, model, BATCHES, rtol=1e-4, atol=1e-5):
        if "does not load" in found.reason:
            raise NotAsAsked(f"ONNX Runtime refuses it: {_plainly(found.reason)}")
        if not found.ok and not found.max_abs == found.max_abs:  # NaN: it did not run
            raise NotAsAsked(f"at batch {found.batch}: {_plainly(found.reason)}")
        if not found.ok:
            raise NotAsAsked(f"at batch {found.batch} the results differ from the original's")


def _plainly(reason: str) -> str:
    """ONNX Runtime's sentence without its codes."""
    return reason.split("Status Message: ")[-1].split(" : ")[-1][:110]


def shown(value: Any) -> str:
    """What a learner sees of a model: its ends and the targets of its Reshapes."""
    import onnx
    from onnx import numpy_helper

    try:
        if len(value["model"]) > MAX_BYTES:
            return "a large model"
        graph = onnx.load_from_string(value["model"]).graph
        constants = {t.name: numpy_helper.to_array(t).tolist() for t in graph.initializer if t.data_type == 7 and len(t.dims) == 1}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t).tolist()
        targets = [str(constants.get(n.input[1], "computed")) for n in graph.node if n.op_type == "Reshape"]
        weights = {t.name for t in graph.initializer}
        ends = [f"{v.name}{_dims(v)}" for v in (*graph.input, *graph.output) if v.name not in weights]
        return f"{', '.join(ends)}; Reshape to {', '.join(targets) or 'nothing'}"[:150]
    except Exception:
        return "not an ONNX model"
