"""Names and kinds of the fields of an ONNX file, and a decoder that follows them.

The wire carries numbers only; what field 7 of a ModelProto means stands in `onnx.proto` (ONNX 1.23), from which
this table is taken. A field that is not listed is skipped: so does every protobuf reader, and so a file of a
newer IR version stays readable.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from utils.graphs.protobuf.wire import FIXED32, FIXED64, LENGTH, VARINT, Buffer, decode_varint, iter_spans, signed64

Scalar = Literal["int64", "uint64", "float", "double", "string", "bytes"]
WIRE_OF = {"int64": VARINT, "uint64": VARINT, "float": FIXED32, "double": FIXED64}  # all others: LENGTH


@dataclass(frozen=True)
class Field:
    """A field's name, its kind (a scalar or the name of a message), and whether it may occur many times."""

    name: str
    kind: str
    repeated: bool = False

    @property
    def is_message(self) -> bool:
        """Whether the field's content is a message of its own."""
        return self.kind in SCHEMA


def _message(**fields: tuple) -> dict[int, Field]:
    return {spec[0]: Field(name, spec[1], "repeated" in spec) for name, spec in fields.items()}


SCHEMA: dict[str, dict[int, Field]] = {
    "ModelProto": _message(
        ir_version=(1, "int64"), producer_name=(2, "string"), producer_version=(3, "string"), domain=(4, "string"),
        model_version=(5, "int64"), doc_string=(6, "string"), graph=(7, "GraphProto"),
        opset_import=(8, "OperatorSetIdProto", "repeated"), metadata_props=(14, "StringStringEntryProto", "repeated"),
        functions=(25, "FunctionProto", "repeated"),
    ),
    "OperatorSetIdProto": _message(domain=(1, "string"), version=(2, "int64")),
    "StringStringEntryProto": _message(key=(1, "string"), value=(2, "string")),
    "GraphProto": _message(
        node=(1, "NodeProto", "repeated"), name=(2, "string"), initializer=(5, "TensorProto", "repeated"),
        doc_string=(10, "string"), input=(11, "ValueInfoProto", "repeated"),
        output=(12, "ValueInfoProto", "repeated"), value_info=(13, "ValueInfoProto", "repeated"),
    ),
    "NodeProto": _message(
        input=(1, "string", "repeated"), output=(2, "string", "repeated"), name=(3, "string"), op_type=(4, "string"),
        attribute=(5, "AttributeProto", "repeated"), doc_string=(6, "string"), domain=(7, "string"),
    ),
    "AttributeProto": _message(
        name=(1, "string"), f=(2, "float"), i=(3, "int64"), s=(4, "bytes"), t=(5, "TensorProto"),
        g=(6, "GraphProto"), floats=(7, "float", "repeated"), ints=(8, "int64", "repeated"),
        strings=(9, "bytes", "repeated"), tensors=(10, "TensorProto", "repeated"),
        graphs=(11, "GraphProto", "repeated"), type=(20, "int64"), ref_attr_name=(21, "string"),
    ),
    "TensorProto": _message(
        dims=(1, "int64", "repeated"), data_type=(2, "int64"), float_data=(4, "float", "repeated"),
        int32_data=(5, "int64", "repeated"), string_data=(6, "bytes", "repeated"),
        int64_data=(7, "int64", "repeated"), name=(8, "string"), raw_data=(9, "bytes"),
        double_data=(10, "double", "repeated"), uint64_data=(11, "uint64", "repeated"), doc_string=(12, "string"),
        external_data=(13, "StringStringEntryProto", "repeated"), data_location=(14, "int64"),
    ),
    "ValueInfoProto": _message(name=(1, "string"), type=(2, "TypeProto"), doc_string=(3, "string")),
    "TypeProto": _message(tensor_type=(1, "TypeTensor")),
    "TypeTensor": _message(elem_type=(1, "int64"), shape=(2, "TensorShapeProto")),
    "TensorShapeProto": _message(dim=(1, "Dimension", "repeated")),
    "Dimension": _message(dim_value=(1, "int64"), dim_param=(2, "string")),
    "FunctionProto": _message(
        name=(1, "string"), input=(4, "string", "repeated"), output=(5, "string", "repeated"),
        node=(7, "NodeProto", "repeated"), opset_import=(9, "OperatorSetIdProto", "repeated"),
        domain=(10, "string"), attribute_proto=(11, "AttributeProto", "repeated"),
    ),
}
DEFAULTS: dict[str, Any] = {"int64": 0, "uint64": 0, "float": 0.0, "double": 0.0, "string": "", "bytes": b""}


MAX_DEPTH = 100  # messages inside messages; protobuf's own limit


def decode_message(buf: Buffer, message: str, depth: int = 0) -> dict[str, Any]:
    """A message as a dict from field names to values; nested messages are dicts, repeated fields lists.

    Fields that are absent from the bytes are absent from the dict. A message that is there twice is merged, of
    a scalar the last one counts: protobuf's own rules. Numbers may be packed into one length-delimited field.
    Raises ValueError for bytes that are no message, a wire type that does not fit the field, text that is not UTF-8,
    and messages nested more than 100 deep (`depth` counts from the outside).
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"buf must hold messages at most {MAX_DEPTH} deep, got some that are nested deeper")
    found: dict[str, Any] = {}
    pieces: dict[int, list[Buffer]] = {}  # singular messages, possibly in several pieces
    for span in iter_spans(buf):
        field = SCHEMA[message].get(span.number)
        if field is None:
            continue
        if field.is_message and not field.repeated:
            pieces.setdefault(span.number, []).append(_content(span.value, span.wire_type, field))
        elif field.repeated:
            found.setdefault(field.name, []).extend(_values(span.value, span.wire_type, field, depth))
        else:
            found[field.name] = _values(span.value, span.wire_type, field, depth)[-1]
    for number, parts in pieces.items():
        field = SCHEMA[message][number]
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        found[field.name] = decode_message(whole, field.kind, depth + 1)
    return found


def _content(value: int | Buffer, wire_type: int, field: Field) -> Buffer:
    if wire_type != LENGTH:
        raise ValueError(f"wire type of {field.name} must be {LENGTH}, got {wire_type}")
    return value  # type: ignore[return-value]


def _values(value: int | Buffer, wire_type: int, field: Field, depth: int) -> list[Any]:
    """The value or, of a packed field, the values that one field carries."""
    if field.kind not in WIRE_OF:
        content = _content(value, wire_type, field)
        if field.is_message:
            return [decode_message(content, field.kind, depth + 1)]
        return [_text(content, field) if field.kind == "string" else content]
    if wire_type == LENGTH and field.repeated:
        return _packed(value, field.kind)  # type: ignore[arg-type]
    if wire_type != WIRE_OF[field.kind]:
        raise ValueError(f"wire type of {field.name} must be {WIRE_OF[field.kind]}, got {wire_type}")
    if wire_type == VARINT:
        return [signed64(value) if field.kind == "int64" else value]  # type: ignore[arg-type]
    return [struct.unpack("<f" if field.kind == "float" else "<d", value)[0]]  # type: ignore[arg-type]


def _packed(content: Buffer, kind: str) -> list[Any]:
    if kind in ("float", "double"):
        size = 4 if kind == "float" else 8
        if len(content) % size:
            raise ValueError(f"packed {kind} field must hold whole numbers, got {len(content)} bytes: truncated")
        return np.frombuffer(content, "<f4" if kind == "float" else "<f8").tolist()
    values, pos = [], 0
    while pos < len(content):
        value, pos = decode_varint(content, pos)
        values.append(signed64(value) if kind == "int64" else value)
    return values


def _text(content: Buffer, field: Field) -> str:
    try:
        return bytes(content).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{field.name} must be UTF-8 text, got {bytes(content[:20])!r}") from error
