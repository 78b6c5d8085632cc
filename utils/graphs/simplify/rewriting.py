"""What the passes share: copies, constants, who reads what, and a table of renames that is applied in one sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

SMALL_BYTES = 1 << 14  # constants up to this size may be shapes, axes, pads
LONGEST_VECTOR = 1 << 16

Dims = tuple[int | str | None, ...]

RANDOM_OPS = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


@dataclass(frozen=True)
class PassResult:
    """A rewritten model, how many rewrites were made, and what was left alone on purpose (sentences)."""

    model: ModelProto
    changes: int
    notes: tuple[str, ...] = ()


Pass = Callable[[ModelProto], PassResult]


def copy_of(model: ModelProto) -> ModelProto:
    """A copy that a pass may edit."""
    copied = ModelProto()
    copied.CopyFrom(model)
    return copied


def is_standard(node: NodeProto, *op_types: str) -> bool:
    """Whether the node is one of ONNX's own operators `op_types` (any, if none is named)."""
    return node.domain in ("", "ai.onnx") and (not op_types or node.op_type in op_types)


def is_random(node: NodeProto) -> bool:
    """Whether two runs of the node may differ: a generator, or a Dropout that may be in training mode."""
    return node.op_type in RANDOM_OPS or (node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] != "")


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of an attribute, or `default`."""
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The bodies of If, Loop and Scan."""
    for entry in node.attribute:
        if entry.type == AttributeProto.GRAPH:
            yield entry.g
        elif entry.type == AttributeProto.GRAPHS:
            yield from entry.graphs


def names_read(node: NodeProto) -> Iterator[str]:
    """Every tensor name that a node reads, those that its bodies take from outside included."""
    yield from (name for name in node.input if name)
    for body in subgraphs(node):
        yield from (value.name for value in body.output)
        for inner in body.node:
            yield from names_read(inner)


def uses(graph: GraphProto) -> Counter[str]:
    """How often each tensor is read, by nodes or as an output of the graph."""
    counted = Counter(name for node in graph.node for name in names_read(node))
    counted.update(value.name for value in graph.output)
    return counted


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """Tensor name -> the node that makes it."""
    return {name: node for node in graph.node for name in node.output if name}


def constants_of(model: ModelProto) -> dict[str, TensorProto]:
    """The initializers that nobody can override.

    An initializer that is listed as an input as well is only a default: a caller may feed another value.
    """
    inputs = {value.name for value in model.graph.input}
    return {tensor.name: tensor for tensor in model.graph.initializer if tensor.name not in inputs}


def tensor_bytes(tensor: TensorProto) -> int:
    """Bytes of a tensor's elements; types of less than a byte are counted as packed."""
    per_byte = {TensorProto.INT4: 2, TensorProto.UINT4: 2, TensorProto.FLOAT4E2M1: 2}.get(tensor.data_type, 1)
    if tensor.data_type == TensorProto.STRING:
        return sum(map(len, tensor.string_data))
    item_bytes = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    return int(np.prod(tensor.dims, dtype=object)) * item_bytes // per_byte


def constant_value(constants: Mapping[str, TensorProto], name: str, most_elements: int = 1 << 16) -> np.ndarray | None:
    """The array of a small constant, or None."""
    tensor = constants.get(name)
    if tensor is None or int(np.prod(tensor.dims, dtype=object)) > most_elements:
        return None
    return numpy_helper.to_array(tensor)


class Fresh:
    """Makes tensor names that the model does not use yet, bodies included."""

    def __init__(self, model: ModelProto) -> None:
        self.taken = {tensor.name for tensor in model.graph.initializer} | {v.name for v in model.graph.input}
        self._note(model.graph)

    def _note(self, graph: GraphProto) -> None:
        for node in graph.node:
            self.taken.update(node.input, node.output)
            for body in subgraphs(node):
                self.taken.update(tensor.name for tensor in body.initializer)
                self.taken.update(value.name for value in body.input)
                self._note(body)

    def name(self, stem: str) -> str:
        """`stem` itself, or `stem` with the first number that makes it new."""
        candidates = (stem, *(f"{stem}_{i}" for i in range(1, len(self.taken) + 2)))
        found = next(c for c in candidates if c not in self.taken)
        self.taken.add(found)
        return found


# -- types and shapes -----------------------------------------------------------------------------


@dataclass(frozen=True)
class TensorType:
    """Element type (a TensorProto.DataType) and dimensions of a tensor; None when the rank is unknown."""

    elem_type: int
    dims: Dims | None

    @property
    def is_static(self) -> bool:
        return self.dims is not None and all(isinstance(d, int) for d in self.dims)


def tensor_types(model: ModelProto) -> dict[str, TensorType]:
    """What ONNX's shape inference knows about each tensor of the graph, with data propagation where that is safe."""
    shell = _without_large_weights(model)
    types = _inferred(shell, data_prop=False)
    # data propagation takes every vector for a shape and makes a symbol for each of its elements
    longest = max((t.dims[0] for t in types.values() if t.is_static and len(t.dims) == 1), default=0)
    return _inferred(shell, data_prop=True) if longest <= LONGEST_VECTOR else types


def _inferred(model: ModelProto, data_prop: bool) -> dict[str, TensorType]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=data_prop).graph
    types = {t.name: TensorType(t.data_type, tuple(t.dims)) for t in inferred.initializer}
    for value in (*inferred.value_info, *inferred.output, *inferred.input):
        if value.type.WhichOneof("value") == "tensor_type":
            types[value.name] = _type_of(value.type.tensor_type)
    return types


def _without_large_weights(model: ModelProto) -> ModelProto:
    """The model with inputs in place of its large initializers: no shape depends on their values."""
    shell = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = model.graph
    kept = {name: getattr(graph, name) for name in ("name", "node", "input", "output", "value_info")}
    shell.graph.CopyFrom(GraphProto(**kept))
    inputs = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor_bytes(tensor) <= SMALL_BYTES:
            shell.graph.initializer.add().CopyFrom(tensor)
        elif tensor.name not in inputs:
            shell.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return shell


def _type_of(tensor_type: Any) -> TensorType:
    if not tensor_type.HasField("shape"):
        return TensorType(tensor_type.elem_type, None)
    dims = (d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor_type.shape.dim)
    return TensorType(tensor_type.elem_type, tuple(dims))


# -- renaming -------------------------------------------------------------------------------------


@dataclass
class Renames:
    """Tensor names that stand for others. The graph's inputs and outputs keep their names.

    Nodes are removed while the graph is walked once in order; `apply` then rewrites every name in one sweep.
    """

    graph: GraphProto
    alias: dict[str, str] = field(default_factory=dict)
    _outputs: set[str] = field(init=False)
    _made: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._outputs = {value.name for value in self.graph.output}
        self._made = {name for node in self.graph.node for name in node.output if name}

    def resolve(self, name: str) -> str:
        """What `name` is called after the renames so far."""
        while name in self.alias:
            name = self.alias[name]
        return name

    def bypass(self, output: str, source: str) -> bool:
        """Let readers of `output` read `source`, so that the node between them can go; False when it can't.

        An output of the graph keeps its name: then the producer of `source` takes it over, which is possible
        only if `source` is made by a node and is no output of the graph itself.
        """
        source = self.resolve(source)
        if output not in self._outputs:
            self.alias[output] = source
            return True
        if source in self._outputs or source not in self._made:
            return False
        self.alias[source] = output
        return True

    def apply(self, removed: list[NodeProto]) -> None:
        """Drop `removed` and rewrite the names of all that stays; annotations of names that are gone go too."""
        drop_nodes(self.graph, removed)
        for node in self.graph.node:
            _rename(node, self)
            for i, name in enumerate(node.output):
                node.output[i] = self.resolve(name)
        set_nodes(self.graph, list(self.graph.node))


def _rename(node: NodeProto, renames: Renames) -> None:
    for i, name in enumerate(node.input):
        if name in renames.alias:
            node.input[i] = renames.resolve(name)
    for body in subgraphs(node):
        for inner in body.node:
            _rename(inner, renames)
        for value in body.output:
            value.name = renames.resolve(value.name)


def drop_nodes(graph: GraphProto, removed: list[NodeProto]) -> None:
    """Take nodes out of the graph; they are told apart by identity, because equal nodes may be there twice."""
    gone = {id(node) for node in removed}
    set_nodes(graph, [node for node in graph.node if id(node) not in gone])


def set_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    """Replace the graph's nodes; shape annotations of tensors that no node makes any more are dropped."""
    copies = []
    for node in nodes:
        copied = NodeProto()
        copied.CopyFrom(node)
        copies.append(copied)
    del graph.node[:]
    graph.node.extend(copies)
    made = {name for node in graph.node for name in node.output}
    kept = [value for value in graph.value_info if value.name in made]
    if len(kept) < len(graph.value_info):
        copies = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in kept]
        del graph.value_info[:]
        graph.value_info.extend(copies)
