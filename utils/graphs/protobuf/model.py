"""An ONNX file as plain frozen objects, read without onnx and without a protobuf library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.graphs.protobuf.schema import decode_message
from utils.graphs.protobuf.tensors import RawTensor
from utils.graphs.protobuf.wire import Buffer

Shape = tuple[int | str | None, ...]


@dataclass(frozen=True)
class RawValue:
    """A graph's input or output: name, element type (0 if unknown), shape (None if the rank is unknown)."""

    name: str
    elem_type: int
    shape: Shape | None


@dataclass(frozen=True)
class AttributeRef:
    """In the body of a model function: the value comes from the calling node's attribute of this name."""

    name: str


@dataclass(frozen=True)
class RawNode:
    """One operator: "" among the inputs marks an absent optional one. Attributes are plain Python values, tensors
    RawTensors, sub-graphs RawGraphs; text stays bytes, as the file has it."""

    op_type: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    name: str = ""
    domain: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawGraph:
    """Nodes in the file's order, weights, and the typed names at the borders (and between, if the file has them)."""

    name: str
    nodes: tuple[RawNode, ...]
    initializers: tuple[RawTensor, ...]
    inputs: tuple[RawValue, ...]
    outputs: tuple[RawValue, ...]
    value_info: tuple[RawValue, ...] = ()


@dataclass(frozen=True)
class RawFunction:
    """An operator that the file defines itself, by a body of other operators."""

    name: str
    domain: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    nodes: tuple[RawNode, ...]
    opset: dict[str, int]
    defaults: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawModel:
    """A whole file. `opset` maps a domain to its version; "" is the default domain ("ai.onnx" is its other name).
    `folder` is where external data is looked for (None for a model that came as bytes)."""

    ir_version: int
    opset: dict[str, int]
    graph: RawGraph
    producer_name: str = ""
    producer_version: str = ""
    functions: tuple[RawFunction, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None


def parse_model(buf: Buffer, folder: str | Path | None = None) -> RawModel:
    """Read a serialised ModelProto. Weights stay views of `buf`; nothing is copied until an array is asked for.

    Raises ValueError for bytes that are not a protobuf message, or a message without a graph.
    """
    raw = decode_message(memoryview(buf), "ModelProto")
    if "graph" not in raw:
        raise ValueError(f"buf must hold an ONNX model, got {len(buf)} bytes without a graph")
    return RawModel(
        ir_version=raw.get("ir_version", 0),
        opset=_opset(raw),
        graph=_graph(raw["graph"]),
        producer_name=raw.get("producer_name", ""),
        producer_version=raw.get("producer_version", ""),
        functions=tuple(_function(f) for f in raw.get("functions", ())),
        metadata=_entries(raw.get("metadata_props", ())),
        folder=None if folder is None else Path(folder),
    )


def read_model(path: str | Path) -> RawModel:
    """Read an .onnx file; external data is looked for in its folder. Raises OSError, or ValueError as `parse_model`."""
    path = Path(path)
    return parse_model(path.read_bytes(), path.parent)


def read_graph(model: bytes) -> dict:
    """ir_version, opset, nodes and initializers (name to shape) of a serialised model, as plain data.

    Raises ValueError as `parse_model` does.
    """
    parsed = parse_model(model)
    return {
        "ir_version": parsed.ir_version,
        "opset": dict(parsed.opset),
        "nodes": [(node.op_type, list(node.input), list(node.output)) for node in parsed.graph.nodes],
        "initializers": {tensor.name: tuple(tensor.dims) for tensor in parsed.graph.initializers},
    }


def _opset(raw: dict[str, Any]) -> dict[str, int]:
    entries = raw.get("opset_import", ())
    return {_domain(entry.get("domain", "")): entry.get("version", 0) for entry in entries}


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _entries(entries: Any) -> dict[str, str]:
    return {entry.get("key", ""): entry.get("value", "") for entry in entries}


def _graph(raw: dict[str, Any]) -> RawGraph:
    return RawGraph(
        name=raw.get("name", ""),
        nodes=tuple(_node(n) for n in raw.get("node", ())),
        initializers=tuple(_tensor(t) for t in raw.get("initializer", ())),
        inputs=tuple(_value(v) for v in raw.get("input", ())),
        outputs=tuple(_value(v) for v in raw.get("output", ())),
        value_info=tuple(_value(v) for v in raw.get("value_info", ())),
    )


def _node(raw: dict[str, Any]) -> RawNode:
    return RawNode(
        op_type=raw.get("op_type", ""),
        input=tuple(raw.get("input", ())),
        output=tuple(raw.get("output", ())),
        name=raw.get("name", ""),
        domain=_domain(raw.get("domain", "")),
        attributes={a.get("name", ""): _attribute(a) for a in raw.get("attribute", ())},
    )


# AttributeProto.AttributeType: which field holds the value, and how it is made plain.
_ATTRIBUTE = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 9: "tensors", 10: "graphs"}
_EMPTY = {"f": 0.0, "i": 0, "s": b""}


def _attribute(raw: dict[str, Any]) -> Any:
    if raw.get("ref_attr_name"):
        return AttributeRef(raw["ref_attr_name"])
    # Files of IR version 1 have no type: then the field that is there tells it.
    name = _ATTRIBUTE.get(raw.get("type", 0)) or next((f for f in _ATTRIBUTE.values() if f in raw), "")
    if name in _EMPTY:
        value = raw.get(name, _EMPTY[name])
        return bytes(value) if name == "s" else value
    if name in ("t", "g"):
        return _tensor(raw.get("t", {})) if name == "t" else _graph(raw.get("g", {}))
    make = {"strings": bytes, "tensors": _tensor, "graphs": _graph}.get(name, lambda value: value)
    return [make(value) for value in raw.get(name, ())]


def _tensor(raw: dict[str, Any]) -> RawTensor:
    typed = {name: raw[name] for name in raw if name.endswith("_data") and name not in ("raw_data", "external_data")}
    return RawTensor(
        name=raw.get("name", ""),
        dims=tuple(raw.get("dims", ())),
        data_type=raw.get("data_type", 0),
        raw_data=raw.get("raw_data"),
        typed=typed,
        external=_entries(raw.get("external_data", ())) if raw.get("data_location") == 1 else {},
    )


def _value(raw: dict[str, Any]) -> RawValue:
    tensor = raw.get("type", {}).get("tensor_type", {})
    shape = None
    if "shape" in tensor:
        shape = tuple(d.get("dim_value", d.get("dim_param") or None) for d in tensor["shape"].get("dim", ()))
    return RawValue(raw.get("name", ""), tensor.get("elem_type", 0), shape)


def _function(raw: dict[str, Any]) -> RawFunction:
    return RawFunction(
        name=raw.get("name", ""),
        domain=_domain(raw.get("domain", "")),
        input=tuple(raw.get("input", ())),
        output=tuple(raw.get("output", ())),
        nodes=tuple(_node(n) for n in raw.get("node", ())),
        opset=_opset(raw),
        defaults={a.get("name", ""): _attribute(a) for a in raw.get("attribute_proto", ())},
    )
