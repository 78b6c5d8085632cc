"""Which byte of an ONNX file means what."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from utils.graphs.protobuf.schema import SCHEMA, Field
from utils.graphs.protobuf.wire import FIXED32, LENGTH, VARINT, WIRE_TYPES, Buffer, Span, iter_spans, signed64


def byte_map(buf: Buffer, message: str = "ModelProto") -> list[tuple[int, int, str, str]]:
    """(start, stop, path, text) of each piece of a serialised message; the pieces cover it without gaps.

    A nested message gives one piece for its tag and length, then the pieces inside it. `path` names where the
    piece belongs ("graph.node[0].op_type"), `text` says tag, wire type and decoded value.
    Raises ValueError for bytes that are not a message, KeyError for a message that `SCHEMA` lacks.
    """
    return list(_pieces(bytes(buf), message, "", 0))


def _pieces(buf: bytes, message: str, path: str, base: int) -> Iterator[tuple[int, int, str, str]]:
    counts: dict[str, int] = {}
    for span in iter_spans(buf):
        field = SCHEMA[message].get(span.number)
        name = field.name if field else f"#{span.number}"
        if field and field.repeated:
            counts[name] = counts.get(name, -1) + 1
            name += f"[{counts[name]}]"
        here = f"{path}.{name}" if path else name
        head = f"field {span.number}, {WIRE_TYPES[span.wire_type]}"
        if field and field.is_message and span.wire_type == LENGTH:
            size = span.stop - span.content
            yield base + span.start, base + span.content, here, f"{head}: {field.kind} of {size:,} bytes"
            yield from _pieces(buf[span.content : span.stop], field.kind, here, base + span.content)
        else:
            yield base + span.start, base + span.stop, here, f"{head}: {_told(span, field)}"


def _told(span: Span, field: Field | None) -> str:
    if span.wire_type == VARINT:
        return str(signed64(span.value))  # type: ignore[arg-type]
    content = bytes(span.value)  # type: ignore[arg-type]
    if span.wire_type != LENGTH:
        return f"{struct.unpack('<f' if span.wire_type == FIXED32 else '<d', content)[0]:g}"
    if field is not None and field.kind == "string":
        return repr(content.decode(errors="replace"))
    return f"{len(content):,} bytes" + ("" if field else ", unknown here: skipped")
