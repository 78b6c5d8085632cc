"""A graph as layers with one output each: the view that fusion works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Layer:
    """One operator. `inputs` holds the names of activations and constants alike; `output` is the one that it makes."""

    name: str
    op: str
    inputs: tuple[str, ...]
    output: str
    attrs: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class FusedLayer:
    """Layers that run as one kernel; a layer that found no partner is a chain of one."""

    layers: tuple[Layer, ...]

    @property
    def name(self) -> str:
        return " + ".join(layer.name for layer in self.layers)

    @property
    def op(self) -> str:
        return "+".join(layer.op for layer in self.layers)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the kernel reads, constants included and each once; what is made inside is left out."""
        made = {layer.output for layer in self.layers}
        return tuple(dict.fromkeys(n for layer in self.layers for n in layer.inputs if n and n not in made))

    @property
    def output(self) -> str:
        return self.layers[-1].output


def layers_of(model: ModelProto) -> list[Layer]:
    """The nodes of an ONNX graph as layers, in the file's order; one without a name of its own is called by its output.

    Raises ValueError for a node whose second output is used.
    """
    from onnx import helper

    used = {name for node in model.graph.node for name in node.input} | {v.name for v in model.graph.output}
    layers, names = [], set()
    for node in model.graph.node:
        if any(name in used for name in node.output[1:] if name):
            raise ValueError(f"model must have one used output a node, got {node.op_type} {node.name!r} with more")
        attrs = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        name = node.name if node.name and node.name not in names else node.output[0]
        names.add(name)
        layers.append(Layer(name, node.op_type, tuple(node.input), node.output[0], attrs))
    return layers


def consumers(layers: Sequence[Layer]) -> dict[str, list[int]]:
    """For every tensor that is read the indices of the layers that read it, each once."""
    readers: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        for name in dict.fromkeys(layer.inputs):
            readers.setdefault(name, []).append(index)
    return readers
