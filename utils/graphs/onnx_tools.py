"""Making and running ONNX models; the door to `onnx_inspect`, `onnx_export` (from torch) and `order`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper

from utils.graphs.onnx_export import export_torch, write_atomically
from utils.graphs.onnx_inspect import GraphStats, graph_stats
from utils.graphs.order import topological_order

if TYPE_CHECKING:
    import onnxruntime

__all__ = [
    "GraphStats",
    "executed_ops",
    "export_torch",
    "expose_outputs",
    "graph_stats",
    "make_model",
    "make_session",
    "topological_order",
    "write_atomically",
]

TensorSpecs = Mapping[str, Any] | Iterable[ValueInfoProto]


# -- making models ------------------------------------------------------------------------------


def make_model(
    nodes: Sequence[NodeProto],
    inputs: TensorSpecs,
    outputs: TensorSpecs,
    initializers: Mapping[str, np.ndarray] | None = None,
    *,
    opset: int | Mapping[str, int] = 17,
    ir_version: int = 8,
) -> ModelProto:
    """A checked ONNX model of the given nodes with pinned versions.

    `inputs` and `outputs` map a name to its shape (float32), or to a pair (dtype, shape), or are
    ValueInfoProtos; a dimension is an int, a symbol such as "N", or None when unknown.
    `initializers` maps names to arrays. `opset` is the version of the default domain or a mapping
    of domain to version. onnx writes its newest versions unless told otherwise, and an older
    runtime refuses the file: hence the defaults 17 and 8.
    Raises onnx.checker.ValidationError for an invalid graph.

    >>> relu = helper.make_node("Relu", ["x"], ["y"])
    >>> make_model([relu], {"x": ("N", 3)}, {"y": ("N", 3)}).ir_version
    8
    """
    graph = helper.make_graph(
        list(nodes),
        "graph",
        _value_infos(inputs),
        _value_infos(outputs),
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (initializers or {}).items()],
    )
    domains = {"": opset} if isinstance(opset, int) else dict(opset)
    imports = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=ir_version, producer_name="course")
    onnx.checker.check_model(model)
    return model


def _value_infos(specs: TensorSpecs) -> list[ValueInfoProto]:
    if not isinstance(specs, Mapping):
        return list(specs)
    return [_value_info(name, spec) for name, spec in specs.items()]


def _value_info(name: str, spec: Any) -> ValueInfoProto:
    has_dtype = len(spec) == 2 and isinstance(spec[1], list | tuple)
    dtype, dims = spec if has_dtype else (np.float32, spec)
    elem_type = dtype if isinstance(dtype, int) else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, elem_type, list(dims))


def expose_outputs(model: ModelProto, names: Sequence[str] | None = None) -> ModelProto:
    """A copy of `model` whose graph outputs also hold the intermediate tensors `names` (all, if None).

    Comparing two runtimes tensor by tensor, and calibrating activations, both need this. Tensors that
    already are outputs are not repeated. Raises KeyError for a name that no node makes.
    """
    exposed = ModelProto()
    exposed.CopyFrom(model)
    made = [name for node in model.graph.node for name in node.output if name]
    wanted = made if names is None else list(names)
    for name in wanted:
        if name not in made:
            raise KeyError(f"names must be tensors that a node makes, got {name!r}")
    present = {value.name for value in model.graph.output}
    known = {value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.value_info}
    for name in dict.fromkeys(wanted):
        if name not in present:
            # without an inferred type the name alone is enough for ONNX Runtime, which infers its own
            exposed.graph.output.append(known.get(name) or helper.make_empty_tensor_value_info(name))
    return exposed


# -- running models -----------------------------------------------------------------------------


def make_session(
    model: ModelProto | bytes | str | Path, *, threads: int = 1, optimize: bool = False
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime CPU session: `threads` intra-op threads, graph optimisations all on or all off.

    Off is the default, so that two models are compared as they were written and not as the runtime
    rewrote them. Raises ValueError for threads < 1; onnxruntime's own errors pass through.
    """
    import onnxruntime

    options = _session_options(threads, optimize)
    source = model.SerializeToString() if isinstance(model, ModelProto) else model
    source = os.fspath(source) if isinstance(source, Path) else source
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _session_options(threads: int, optimize: bool) -> onnxruntime.SessionOptions:
    import onnxruntime

    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors only
    return options


def executed_ops(model: ModelProto | bytes) -> list[str]:
    """Operator types that ONNX Runtime's CPU provider runs after all its optimisations, in graph order.

    The only proof that a fusion or an integer kernel (`QLinearConv`, `QGemm`) is really used: the
    session writes its optimised graph to a temporary file, which is read back.
    """
    import onnxruntime

    source = model.SerializeToString() if isinstance(model, ModelProto) else model
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "optimized.onnx")
        options = _session_options(threads=1, optimize=True)
        options.optimized_model_filepath = path
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        return [node.op_type for node in onnx.load(path).graph.node]
