"""Weights beside the graph: what a protobuf message can't hold goes into a file of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import GraphProto, ModelProto, StringStringEntryProto, TensorProto, helper, numpy_helper

from utils.graphs.onnx_tools import write_atomically

PROTOBUF_LIMIT = 2**31 - 1  # bytes; protobuf.dev, "Proto Limits": less than 2 GiB when serialised
ALIGNMENT = 4096  # bytes: a page, so that a runtime can map a tensor straight from the file (ONNX, "External data")
FRAMING = 32  # bytes: more than the tags, lengths and dtype around a tensor or a node take
SUB_BYTE_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}


def fits_protobuf(model: ModelProto) -> bool:
    """Whether the model surely serialises into one protobuf message (at most 2**31 - 1 bytes).

    Computed from dtypes and shapes, since serialising is what fails. Never True for a model that is too large; a
    model within a few hundred bytes a tensor of the limit may be told not to fit.
    """
    return stored_bytes(model) <= PROTOBUF_LIMIT


def stored_bytes(model: ModelProto) -> int:
    """At most so many bytes does the model serialise to: payloads of its tensors, and an allowance for the rest."""
    rest = FRAMING + sum(len(entry.domain) + FRAMING for entry in model.opset_import)
    rest += sum(entry.ByteSize() + FRAMING for entry in model.metadata_props)
    rest += len(model.doc_string) + len(model.producer_name) + len(model.producer_version) + len(model.domain) + FRAMING
    rest += sum(function.ByteSize() + FRAMING for function in model.functions)
    return rest + _graph_bytes(model.graph)


def tensor_payload_bytes(tensor: TensorProto) -> int:
    """Bytes of a tensor's elements, from its dtype and shape; 4-bit and 2-bit elements are packed."""
    name = TensorProto.DataType.Name(tensor.data_type)
    count = math.prod(tensor.dims)
    if name in SUB_BYTE_BITS:
        return -(-count * SUB_BYTE_BITS[name] // 8)
    if name == "STRING":
        return sum(len(text) for text in tensor.string_data)
    return count * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _graph_bytes(graph: GraphProto) -> int:
    named = [*graph.input, *graph.output, *graph.value_info]
    total = sum(item.ByteSize() + FRAMING for item in named) + len(graph.name) + len(graph.doc_string) + FRAMING
    total += sum(entry.ByteSize() + FRAMING for entry in [*graph.metadata_props, *graph.quantization_annotation])
    total += sum(_tensor_bytes(tensor) for tensor in graph.initializer)
    for sparse in graph.sparse_initializer:
        total += _tensor_bytes(sparse.values) + _tensor_bytes(sparse.indices) + 10 * len(sparse.dims) + FRAMING
    for node in graph.node:
        total += sum(len(name.encode()) + FRAMING for name in [*node.input, *node.output])
        total += sum(entry.ByteSize() + FRAMING for entry in node.metadata_props)
        total += len(node.name) + len(node.op_type) + len(node.domain) + len(node.doc_string) + FRAMING
        for attribute in node.attribute:
            heavy = [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
            bodies = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
            light = 0 if heavy or bodies else attribute.ByteSize()
            total += len(attribute.name) + light + FRAMING
            total += sum(map(_tensor_bytes, heavy)) + sum(map(_graph_bytes, bodies))
    return total


def _tensor_bytes(tensor: TensorProto) -> int:
    head = sum(entry.ByteSize() + FRAMING for entry in tensor.metadata_props) + len(tensor.name.encode())
    head += len(tensor.doc_string) + 10 * len(tensor.dims) + 2 * FRAMING
    if tensor.data_location == TensorProto.EXTERNAL:
        return head + sum(len(entry.key) + len(entry.value) + FRAMING for entry in tensor.external_data)
    typed = tensor.HasField("raw_data") or tensor.data_type == TensorProto.STRING
    # A typed field holds a small integer in up to 10 bytes (a negative one as a varint).
    widened = 1 if typed or tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE) else 10
    return head + widened * tensor_payload_bytes(tensor)


class ExternalEntry(NamedTuple):
    """Where a tensor lies in the data file."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True)
class ExternalPlan:
    """A model whose large weights go into a data file: which, where, and how many bytes in all."""

    model: ModelProto
    entries: tuple[ExternalEntry, ...]
    total_bytes: int

    def save(self, folder: str | Path, name: str = "model.onnx") -> Path:
        """Write `name` and `name`.data into `folder`, the data first; returns the path of the model.

        Each file is written whole or not at all. `onnx.load` and ONNX Runtime take the path. Raises ValueError
        for a name with a folder in it.
        """
        if Path(name).name != name:
            raise ValueError(f"name must be a file name without a folder, got {name!r}")
        folder = Path(folder)
        placed = {entry.name: entry for entry in self.entries}
        light, data = ModelProto(), bytearray(self.total_bytes)
        light.CopyFrom(self.model)
        for tensor in light.graph.initializer:
            if tensor.name in placed:
                entry = placed[tensor.name]
                data[entry.offset : entry.offset + entry.length] = _payload(tensor)
                _point_to(tensor, entry, f"{name}.data")
        write_atomically(folder / f"{name}.data", bytes(data))
        write_atomically(folder / name, light.SerializeToString())
        return folder / name


def split_external(model: ModelProto, threshold_bytes: int = 1024) -> ExternalPlan:
    """Plan the data file of the initializers with at least `threshold_bytes`.

    Offsets are multiples of 4,096 in the order of the initializers. Strings, and tensors that are external
    already, stay where they are. `model` is not changed. Raises ValueError for a negative threshold.
    """
    if threshold_bytes < 0:
        raise ValueError(f"threshold_bytes must not be negative, got {threshold_bytes}")
    entries, end = [], 0
    for tensor in _movable(model.graph):
        length = tensor_payload_bytes(tensor)
        if length >= threshold_bytes:
            offset = -(-end // ALIGNMENT) * ALIGNMENT
            entries.append(ExternalEntry(tensor.name, offset, length))
            end = offset + length
    return ExternalPlan(model, tuple(entries), end)


def _movable(graph: GraphProto) -> Iterator[TensorProto]:
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.STRING and tensor.data_location != TensorProto.EXTERNAL:
            yield tensor


def _payload(tensor: TensorProto) -> bytes:
    if tensor.HasField("raw_data"):
        return tensor.raw_data
    return numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data


def _point_to(tensor: TensorProto, entry: ExternalEntry, location: str) -> None:
    """Replace a tensor's elements by the place where they lie."""
    kept = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=list(tensor.dims))
    kept.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", entry.offset), ("length", entry.length)):
        kept.external_data.append(StringStringEntryProto(key=key, value=str(value)))
    tensor.CopyFrom(kept)
