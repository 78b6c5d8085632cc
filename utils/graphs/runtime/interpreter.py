"""A runtime for ONNX files in NumPy: order the nodes, look up each kernel, call it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.graphs.order import topological_order
from utils.graphs.protobuf import (
    AttributeRef,
    RawFunction,
    RawModel,
    RawNode,
    RawTensor,
    RawValue,
    numpy_dtype,
    parse_model,
    read_model,
    tensor_to_numpy,
)
from utils.graphs.runtime.registry import CONTEXT, KERNELS

if TYPE_CHECKING:
    from onnx import ModelProto


def as_raw(model: ModelProto | RawModel | bytes | str | Path) -> RawModel:
    """A RawModel of anything that holds a model: an onnx object, bytes, a path. Errors as in `parse_model`."""
    if isinstance(model, RawModel):
        return model
    if hasattr(model, "SerializeToString"):
        return parse_model(model.SerializeToString())
    return parse_model(model) if isinstance(model, bytes | bytearray | memoryview) else read_model(model)


@dataclass(frozen=True)
class Step:
    """One node, ready to run: `call(arrays)` gives the list of its outputs."""

    node: RawNode
    call: Callable[[list[np.ndarray | None]], list[np.ndarray]]


class NumpyRuntime:
    """Executes an ONNX model with NumPy alone: slow, readable, and exact enough to check faster runtimes against.

    `inputs` and `outputs` name what `run` takes and gives. Raises NotImplementedError that names the operators (or
    attributes) which no kernel knows, ValueError for a graph that has a cycle or reads what nobody makes.

    >>> NumpyRuntime("model.onnx").run({"x": x})["y"]  # doctest: +SKIP
    """

    def __init__(self, model: ModelProto | RawModel | bytes | str | Path) -> None:
        self.model = as_raw(model)
        graph = self.model.graph
        self.constants = {t.name: tensor_to_numpy(t, self.model.folder) for t in graph.initializers}
        self._inputs = {v.name: v for v in graph.inputs if v.name not in self.constants}
        self._optional = {v.name for v in graph.inputs if v.name in self.constants}  # defaults that a feed overrides
        self.inputs, self.outputs = list(self._inputs), [v.name for v in graph.outputs]
        functions = {(f.domain, f.name): f for f in self.model.functions}
        self._steps = compile_nodes(
            graph.nodes, [*self._inputs, *self.constants], self.model.opset, functions, self.model.folder
        )
        self._last_use = {name: i for i, step in enumerate(self._steps) for name in step.node.input}

    def run(
        self, feeds: Mapping[str, np.ndarray], outputs: Iterable[str] | None = None, trace: bool = False
    ) -> dict[str, np.ndarray]:
        """The graph's outputs, or the tensors named in `outputs`; with `trace` every tensor that a node makes.

        A tensor is dropped after its last reader, unless it is asked for.
        Raises ValueError for a feed that is missing, unknown or of a wrong shape and for an unknown output, TypeError
        for a feed of a wrong dtype.
        """
        wanted = self.outputs if outputs is None else list(outputs)
        made = {name for step in self._steps for name in step.node.output}
        for name in wanted:
            if name not in made and name not in self._inputs and name not in self.constants:
                raise ValueError(f"outputs must name tensors of the graph, got {name!r}")
        tensors = {**self.constants, **self._checked(feeds)}
        for index, step in enumerate(self._steps):
            results = step.call([tensors[name] if name else None for name in step.node.input])
            tensors.update((name, value) for name, value in zip(step.node.output, results) if name)
            if not trace:
                for name in set(step.node.input) - set(wanted):
                    if self._last_use.get(name) == index:
                        tensors.pop(name, None)
        traced = sorted(made - {""} - set(wanted)) if trace else []
        return {name: tensors[name] for name in (*wanted, *traced)}

    def _checked(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = {name: np.asarray(value) for name, value in feeds.items()}
        unknown = set(arrays) - set(self._inputs) - self._optional
        missing = set(self._inputs) - set(arrays)
        if unknown or missing:
            problem = f"no {sorted(missing)[0]!r}" if missing else f"unknown {sorted(unknown)[0]!r}"
            raise ValueError(f"feeds must hold the inputs {self.inputs}, got {problem}")
        sizes: dict[str, int] = {}
        for name, value in self._inputs.items():
            _check_feed(value, arrays[name], sizes)
        return arrays


def _check_feed(value: RawValue, array: np.ndarray, sizes: dict[str, int]) -> None:
    """Compare a feed with its declaration; `sizes` remembers what each symbol stood for."""
    if value.elem_type and array.dtype != numpy_dtype(value.elem_type):
        raise TypeError(f"{value.name} must be {numpy_dtype(value.elem_type)}, got {array.dtype}")
    if value.shape is None:
        return
    fits = len(value.shape) == array.ndim
    for declared, size in zip(value.shape, array.shape):
        expected = sizes.setdefault(declared, size) if isinstance(declared, str) else declared
        fits = fits and expected in (None, size)
    if not fits:
        raise ValueError(f"{value.name} must have the shape {value.shape}, got {array.shape}")


# -- from nodes to steps ------------------------------------------------------------------------


def compile_nodes(
    nodes: Iterable[RawNode], available: Iterable[str], opset: Mapping[str, int],
    functions: Mapping[tuple[str, str], RawFunction], folder: Path | None = None,
) -> list[Step]:
    """Steps in an order in which they can run. Raises NotImplementedError with all that is not supported."""
    nodes = list(nodes)
    problems = list(dict.fromkeys(filter(None, (unsupported(node, functions) for node in nodes))))
    if problems:
        raise NotImplementedError(f"operators must be ones that the NumPy runtime knows, got {', '.join(problems)}")
    order = topological_order(nodes, available)
    return [Step(nodes[i], _caller(nodes[i], opset, functions, folder)) for i in order]


def unsupported(node: RawNode, functions: Mapping[tuple[str, str], RawFunction]) -> str:
    """What this runtime lacks to run a node, in words, or ""."""
    if (node.domain, node.op_type) in functions:
        return ""
    if node.domain or node.op_type not in KERNELS:
        return f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    kernel = KERNELS[node.op_type]
    unknown = [name for name in node.attributes if name not in kernel.attributes]
    return f"{node.op_type} with {unknown[0]}" if unknown and not kernel.open else ""


def _caller(
    node: RawNode, opset: Mapping[str, int], functions: Mapping[tuple[str, str], RawFunction], folder: Path | None
) -> Callable[[list[np.ndarray | None]], list[np.ndarray]]:
    if (node.domain, node.op_type) in functions:
        return _function_caller(node, functions, folder)
    kernel = KERNELS[node.op_type]
    context = {"opset": opset.get("", 1), "n_outputs": len(node.output)}
    keywords: dict[str, Any] = {name: context[name] for name in CONTEXT & kernel.keywords}
    for name, value in node.attributes.items():
        keywords[name] = tensor_to_numpy(value, folder) if isinstance(value, RawTensor) else value

    def call(arrays: list[np.ndarray | None]) -> list[np.ndarray]:
        try:
            result = kernel.function(*arrays, **keywords)
        except (ValueError, IndexError) as error:
            shapes = ", ".join("-" if a is None else str(a.shape) for a in arrays)
            raise ValueError(f"{node.op_type} {node.name!r} must get fitting inputs, got {shapes}: {error}") from error
        # NumPy gives scalars where all inputs have no axes; a tensor without axes is asked for
        return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]

    return call


def _function_caller(
    node: RawNode, functions: Mapping[tuple[str, str], RawFunction], folder: Path | None
) -> Callable[[list[np.ndarray | None]], list[np.ndarray]]:
    """A model function runs as a graph of its own; references to attributes are filled in from the calling node."""
    function = functions[node.domain, node.op_type]
    given = {**function.defaults, **node.attributes}
    body = [_filled(inner, given) for inner in function.nodes]
    steps = compile_nodes(body, function.input, function.opset, functions, folder)

    def call(arrays: list[np.ndarray | None]) -> list[np.ndarray]:
        tensors: dict[str, Any] = dict.fromkeys(function.input)
        tensors.update(zip(function.input, arrays))
        for step in steps:
            results = step.call([tensors[name] if name else None for name in step.node.input])
            tensors.update(zip(step.node.output, results))
        return [tensors[name] for name in function.output]

    return call


def _filled(node: RawNode, given: Mapping[str, Any]) -> RawNode:
    attributes = {}
    for name, value in node.attributes.items():
        if not isinstance(value, AttributeRef):
            attributes[name] = value
        elif value.name in given:  # otherwise the operator's own default counts
            attributes[name] = given[value.name]
    return RawNode(node.op_type, node.input, node.output, node.name, node.domain, attributes)
