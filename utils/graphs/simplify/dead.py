"""What contributes to no output, and what is there twice."""

from __future__ import annotations

from collections import Counter

from onnx import ModelProto, NodeProto, TensorProto

from utils.graphs.simplify.rewriting import (
    PassResult,
    Renames,
    constants_of,
    copy_of,
    is_random,
    names_read,
    set_nodes,
    subgraphs,
)


def eliminate_dead(model: ModelProto) -> PassResult:
    """Drop nodes from which no path leads to an output of the graph, and initializers that nothing reads.

    Inputs of the graph stay, read or not: they are the interface.
    """
    model = copy_of(model)
    graph = model.graph
    needed = {value.name for value in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(names_read(node))
            kept.append(node)
    changes = len(graph.node) - len(kept)
    set_nodes(graph, kept[::-1])
    return PassResult(model, changes + _drop_unread(model, needed))


def _drop_unread(model: ModelProto, needed: set[str]) -> int:
    """Take out initializers that are neither read nor the default of an input; how many."""
    needed = needed | {value.name for value in model.graph.input}
    dropped = 0
    for tensors in (model.graph.initializer, model.graph.sparse_initializer):
        for i in range(len(tensors) - 1, -1, -1):
            name = tensors[i].name if isinstance(tensors[i], TensorProto) else tensors[i].values.name
            if name not in needed:
                del tensors[i]
                dropped += 1
    return dropped


def eliminate_common_subexpressions(model: ModelProto) -> PassResult:
    """Merge nodes of equal operator, inputs and attributes, and initializers of equal content.

    Random nodes, nodes with bodies and nodes that make an output of the graph stay as they are.
    """
    model = copy_of(model)
    graph = model.graph
    renames, removed, seen = Renames(graph), [], {}
    outputs = {value.name for value in graph.output}
    merged = _merge_initializers(model, renames)
    for node in graph.node:
        if is_random(node) or any(True for _ in subgraphs(node)):
            continue
        first = seen.setdefault(_key(node, renames), node)
        if first is not node and not outputs.intersection(node.output):
            renames.alias.update((b, a) for a, b in zip(first.output, node.output) if b)
            removed.append(node)
    renames.apply(removed)
    return PassResult(model, len(removed) + merged)


def _merge_initializers(model: ModelProto, renames: Renames) -> int:
    """Let readers of an initializer read the first one of the same content, and drop it; how many were merged."""
    first: dict[bytes, str] = {}
    outputs, merged = {value.name for value in model.graph.output}, set()
    constants = constants_of(model)
    alike = Counter(map(_form, constants.values()))
    for name, tensor in constants.items():
        if alike[_form(tensor)] == 1:
            continue
        content = TensorProto()
        content.CopyFrom(tensor)
        content.ClearField("name")
        content.ClearField("doc_string")
        other = first.setdefault(content.SerializeToString(deterministic=True), name)
        if other != name and name not in outputs:
            renames.alias[name] = other
            merged.add(name)
    for i in range(len(model.graph.initializer) - 1, -1, -1):
        if model.graph.initializer[i].name in merged:
            del model.graph.initializer[i]
    return len(merged)


def _form(tensor: TensorProto) -> tuple:
    return tensor.data_type, tuple(tensor.dims), len(tensor.raw_data)


def _key(node: NodeProto, renames: Renames) -> tuple:
    attributes = sorted(a.SerializeToString(deterministic=True) for a in node.attribute)
    # which of the optional outputs are there is part of what a node is
    shape_of_outputs = tuple(bool(name) for name in node.output)
    return node.domain, node.op_type, tuple(map(renames.resolve, node.input)), tuple(attributes), shape_of_outputs
