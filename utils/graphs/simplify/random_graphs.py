"""Random valid graphs, with the clutter that a simplifier has to find in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from utils.graphs.onnx_tools import make_model

CHANNELS, SIDE = 4, 6


def random_graph(rng: np.random.Generator, length: int = 12, batch: int | str = 2) -> ModelProto:
    """A graph of about `length` steps on an image (batch, 4, 6, 6): work, no-ops, constant arithmetic, dead branches.

    One or two outputs. Opset 17, IR version 8. ValueError when length is below 1.
    """
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    builder = _Builder(rng)
    for _ in range(length):
        builder.step()
    return builder.model(batch)


class _Builder:
    """Keeps the nodes, the weights and the tensors of image shape that a next step may read."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.images = ["x"]
        self.counter = 0
        self.steps: list[Callable[[str], str]] = [
            self.activation, self.conv, self.conv_bn, self.identity, self.dropout, self.unit, self.scaled,
            self.transposes, self.same_cast, self.reshaped, self.add_two, self.dead,
        ]  # fmt: skip

    def step(self) -> None:
        """One more step on the newest image, or now and then on an older one."""
        source = self.images[-1] if self.rng.random() < 0.85 else str(self.rng.choice(self.images))
        self.images.append(self.steps[int(self.rng.integers(len(self.steps)))](source))

    def model(self, batch: int | str) -> ModelProto:
        """The graph so far; its outputs are a Relu of the newest image and, half of the time, of an older one."""
        shape = (batch, CHANNELS, SIDE, SIDE)
        outputs = {"y": self.images[-1]}
        if self.rng.random() < 0.5:
            outputs["z"] = str(self.rng.choice(self.images))
        for name, source in outputs.items():
            self.nodes.append(helper.make_node("Sigmoid" if name == "y" else "Tanh", [source], [name]))
        return make_model(self.nodes, {"x": shape}, dict.fromkeys(outputs, shape), self.weights)

    def new(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    def weight(self, value: np.ndarray) -> str:
        name = self.new("w")
        self.weights[name] = np.asarray(value)
        return name

    def normal(self, *shape: int) -> str:
        return self.weight((self.rng.normal(size=shape) * 0.4).astype(np.float32))

    def node(self, op: str, inputs: list[str], **attributes) -> str:
        name = self.new(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    # -- steps: each takes the name of an image and gives that of another -----------------------------

    def activation(self, x: str) -> str:
        return self.node(str(self.rng.choice(["Relu", "Sigmoid", "Tanh", "Abs"])), [x])

    def conv(self, x: str) -> str:
        bias = [self.normal(CHANNELS)] if self.rng.random() < 0.5 else []
        group = int(self.rng.choice([1, 2, CHANNELS]))
        kernel = self.normal(CHANNELS, CHANNELS // group, 3, 3)
        return self.node("Conv", [x, kernel, *bias], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=group)

    def conv_bn(self, x: str) -> str:
        made = self.conv(x)
        if self.rng.random() < 0.3:
            self.images.append(made)  # a second reader may come: then the fusion must not happen
        statistics = [self.normal(CHANNELS) for _ in range(3)]
        variance = self.weight(self.rng.uniform(0.5, 2, CHANNELS).astype(np.float32))
        return self.node("BatchNormalization", [made, *statistics, variance], epsilon=1e-3)

    def identity(self, x: str) -> str:
        return self.node("Identity", [x])

    def dropout(self, x: str) -> str:
        return self.node("Dropout", [x])

    def unit(self, x: str) -> str:
        op = str(self.rng.choice(["Mul", "Div", "Add", "Sub"]))
        return self.node(op, [x, self.weight(np.float32(op in ("Mul", "Div")))])

    def scaled(self, x: str) -> str:
        """A factor that is computed from two constants."""
        a, b = (self.weight(np.float32(v)) for v in self.rng.uniform(0.5, 2, 2))
        return self.node("Mul", [x, self.node("Add", [a, b])])

    def transposes(self, x: str) -> str:
        perm = [0, *(1 + self.rng.permutation(3)).tolist()]
        return self.node("Transpose", [self.node("Transpose", [x], perm=perm)], perm=np.argsort(perm).tolist())

    def same_cast(self, x: str) -> str:
        return self.node("Cast", [x], to=TensorProto.FLOAT)

    def reshaped(self, x: str) -> str:
        """To (batch, everything else) and back, the target read off the shape at run time."""
        batch = self.node("Gather", [self.node("Shape", [x]), self.weight(np.array([0], np.int64))])
        flat = self.node("Concat", [batch, self.weight(np.array([-1], np.int64))], axis=0)
        rows = self.node("Relu", [self.node("Reshape", [x, flat])])
        image = self.weight(np.array([-1, CHANNELS, SIDE, SIDE], np.int64))
        return self.node("Reshape", [rows, image])

    def add_two(self, x: str) -> str:
        return self.node("Add", [x, str(self.rng.choice(self.images))])

    def dead(self, x: str) -> str:
        """A branch that nobody reads; the image stays as it was."""
        self.node("Sigmoid", [self.conv(x)])
        return x
