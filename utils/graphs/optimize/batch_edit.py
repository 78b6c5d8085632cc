"""A model exported at one batch size, made to take any: edits of the graph, and ONNX Runtime as their judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from utils.graphs.optimize.batch_judge import judge_batches


def make_batch_dynamic(
    model: ModelProto, symbol: str = "N", batch_axis: int = 0, *, judge: bool = True
) -> tuple[ModelProto, list[str]]:
    """A copy of a static model whose batch axis is `symbol`, and a list of what was changed.

    The batch size b is that of `batch_axis` of the first input. Inputs and outputs with b there are renamed,
    recorded intermediate shapes are dropped, and constant targets of Reshape and Expand that begin with b on data
    that depends on an input are rewritten. A constant with other readers is left to them; the edited node gets one
    of its own. With `judge` the result is run by ONNX Runtime at b, 1 and 3 and compared with `model`; so a batch
    size that hides elsewhere is found. `model` is not changed.
    Raises ValueError when the batch is symbolic already, when an Expand repeats a constant over the batch, and
    with `judge` when the result fails or disagrees: "batch-dependent".
    """
    edited = ModelProto()
    edited.CopyFrom(model)
    graph = edited.graph
    b = _static_batch(graph, batch_axis)
    edit = _BatchEdit(edited, b, batch_axis)
    edit.targets()
    edit.interface(symbol)
    del graph.value_info[:]
    onnx.checker.check_model(edited)
    if judge:
        for verdict in judge_batches(model, edited, batches=sorted({1, b, 3}), batch_axis=batch_axis):
            if not verdict.ok:
                raise ValueError(
                    f"model must not hold batch-dependent constants that only a new export can change: "
                    f"at batch {verdict.batch} {verdict.reason}"
                )
    return edited, edit.changes


def with_dynamic_batch(model: ModelProto, symbol: str = "N") -> ModelProto:
    """The edit of `make_batch_dynamic` on axis 0 alone, without the list of changes and without a judge."""
    return make_batch_dynamic(model, symbol, judge=False)[0]


def _static_batch(graph: GraphProto, axis: int) -> int:
    inputs = _real_inputs(graph)
    dims = inputs[0].type.tensor_type.shape.dim if inputs else []
    if axis >= len(dims) or not dims[axis].HasField("dim_value"):
        raise ValueError(f"model must have a static batch size on axis {axis} of its first input, got none")
    return dims[axis].dim_value


def _real_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


class _BatchEdit:
    """One edit in progress: the model that it changes and the sentences that say what it did."""

    def __init__(self, model: ModelProto, b: int, axis: int) -> None:
        self.graph, self.b, self.axis = model.graph, b, axis
        self.changes: list[str] = []
        self.constants = dict(_constants(self.graph))
        self.fed = _fed_by_inputs(self.graph)
        self.shapes = {}
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info:
            dims = value.type.tensor_type.shape.dim
            self.shapes[value.name] = [d.dim_value if d.HasField("dim_value") else None for d in dims]
        self.shapes |= {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
        self.shapes |= {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output}

    def interface(self, symbol: str) -> None:
        """Rename the batch axis of inputs and outputs."""
        for value in [*_real_inputs(self.graph), *self.graph.output]:
            dims = value.type.tensor_type.shape.dim
            if self.axis < len(dims) and dims[self.axis].dim_value == self.b:
                dims[self.axis].dim_param = symbol  # one field of a oneof: the number goes
                self.changes.append(f"{value.name}: axis {self.axis} is {symbol}")

    def targets(self) -> None:
        """Rewrite the constant targets in which the batch size is baked."""
        for node in self.graph.node:
            if node.op_type not in ("Reshape", "Expand") or node.domain not in ("", "ai.onnx"):
                continue
            target = self.constants.get(node.input[1])
            if target is None or len(target) <= self.axis or target[self.axis] != self.b:
                continue
            if node.op_type == "Expand":
                self._expand(node, target)
            elif node.input[0] in self.fed:
                self._reshape(node, target)

    def _reshape(self, node: NodeProto, target: list[int]) -> None:
        new = list(target)
        if -1 not in target:
            new[self.axis] = -1
        elif self._batch_stays(node.input[0]) or not self._known(node.output[0]):
            new[self.axis] = 0  # copies the size of the data's own axis
        else:
            new = list(self.shapes[node.output[0]])
            new[self.axis] = -1
        zero_is_zero = next((a for a in node.attribute if a.name == "allowzero" and a.i), None)
        if zero_is_zero is not None and 0 not in target:
            node.attribute.remove(zero_is_zero)  # it said nothing, and would now forbid the 0
        self._replace(node, target, new)

    def _expand(self, node: NodeProto, target: list[int]) -> None:
        if self.b == 1 or (node.input[0] in self.fed and self._batch_stays(node.input[0])):
            self._replace(node, target, [1 if i == self.axis else size for i, size in enumerate(target)])
        else:
            raise ValueError(
                f"model must not repeat a constant over the batch: Expand {node.output[0]!r} needs a new export, "
                f"got target {target}"
            )

    def _replace(self, node: NodeProto, target: list[int], new: list[int]) -> None:
        if new == target:
            return
        name = _free_name(self.graph, f"{node.input[1]}_batch")
        old = node.input[1]
        self.graph.initializer.append(numpy_helper.from_array(np.array(new, np.int64), name))
        node.input[1] = name
        _drop_unread(self.graph, old)
        self.changes.append(f"{node.op_type} {node.output[0]}: {target} is {new}")

    def _batch_stays(self, name: str) -> bool:
        """Whether the batch is the data's own axis at the same place; taken for granted if the shape is unknown."""
        dims = self.shapes.get(name)
        return dims is None or (self.axis < len(dims) and dims[self.axis] == self.b)

    def _known(self, name: str) -> bool:
        return all(self.shapes.get(name) or [0])


def _constants(graph: GraphProto) -> Iterator[tuple[str, list[int]]]:
    """Constant vectors of integers: initializers that no caller may override, and Constant nodes."""
    inputs = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.INT64 and len(tensor.dims) == 1 and tensor.name not in inputs:
            yield tensor.name, numpy_helper.to_array(tensor).tolist()
    for node in graph.node:
        if node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0])
            if node.attribute[0].name == "value_ints":
                yield node.output[0], list(value)
            elif isinstance(value, TensorProto) and value.data_type == TensorProto.INT64 and len(value.dims) == 1:
                yield node.output[0], numpy_helper.to_array(value).tolist()


def _fed_by_inputs(graph: GraphProto) -> set[str]:
    """Tensors that depend on a graph input; a node with a subgraph counts as reading inputs."""
    fed = {value.name for value in _real_inputs(graph)}
    for node in graph.node:  # an ONNX graph lists its nodes in an order in which they can run
        has_body = any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute)
        if has_body or fed.intersection(node.input):
            fed.update(name for name in node.output if name)
    return fed


def _free_name(graph: GraphProto, wanted: str) -> str:
    taken = set(_names(graph.node)) | {t.name for t in graph.initializer} | {v.name for v in graph.input}
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}{number}", number + 1
    return name


def _names(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from node.input
        yield from node.output
        for attribute in node.attribute:
            for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _names(body.node)


def _drop_unread(graph: GraphProto, name: str) -> None:
    """Take a constant out that nobody reads any more."""
    if name in {output.name for output in graph.output}:
        return
    readers = [node for node in graph.node if name in set(_names([node])) - set(node.output)]
    if readers:
        return
    for container in (graph.initializer, graph.node):
        for item in container:
            made = item.output if isinstance(item, NodeProto) else [item.name]
            if name in made:
                container.remove(item)
                return
