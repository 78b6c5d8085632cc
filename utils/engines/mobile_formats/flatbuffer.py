"""FlatBuffers in both directions, driven by a table of fields: enough of the format for .tflite files.

A FlatBuffer is read in place. Everything is found by offsets: the file begins with the offset of its root table, a
table points to its vtable, and the vtable says where in the table each field lies (0: not there, the default counts).
Strings, vectors and other tables lie elsewhere; the field holds the distance to them. All numbers are little-endian.
Source: flatbuffers.dev, "FlatBuffer Internals".

A schema is {table: {field: (slot, type, default)}}. Types: a scalar ("int32", "bool", …), "string", a vector
("[int32]", "[Tensor]"), a table ("SubGraph") or "union". A union takes two slots, the first for its type; its value is
the pair (table name, fields), and the schema's entry "union" lists the names by number.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SCALARS = {"int8": "<b", "uint8": "<B", "bool": "<?", "uint16": "<H", "int32": "<i", "uint32": "<I", "float32": "<f"}
DATA_ALIGN = 16  # of byte vectors: an engine uses weights where they lie, with vector instructions
Schema = Mapping[str, Any]


# --- writing --------------------------------------------------------------------------------------


def build_flatbuffer(schema: Schema, root: str, value: Mapping[str, Any], identifier: bytes) -> bytes:
    """The file of one root table; `identifier` are the four bytes behind the root's offset.

    Fields that are None or have their default are left out. Raises KeyError for fields that the schema lacks.
    """
    writer = _Writer(schema)
    writer.data += struct.pack("<I", 0) + identifier
    struct.pack_into("<I", writer.data, 0, writer.table(root, value))
    return bytes(writer.data)


class _Writer:
    """Grows the file from front to back: what a table refers to follows it, so all distances are positive."""

    def __init__(self, schema: Schema) -> None:
        self.schema, self.data = schema, bytearray()
        self.vtables: dict[bytes, int] = {}  # equal tables share one

    def table(self, name: str, value: Mapping[str, Any]) -> int:
        """Append a table with all that it refers to; its position."""
        inline, children = self._fields(name, value)
        inline.sort(key=lambda field: -struct.calcsize(field[1]))  # large ones first: no gaps between them
        slots = max((slot for slot, _, _ in inline), default=-1) + 1
        offsets, size = [0] * slots, 4
        for slot, fmt, _ in inline:
            size += -size % struct.calcsize(fmt)
            offsets[slot] = size
            size += struct.calcsize(fmt)
        vtable = self._vtable(struct.pack(f"<HH{slots}H", 4 + 2 * slots, size, *offsets))
        self._align(4)
        at = len(self.data)
        self.data += struct.pack("<i", at - vtable) + bytes(size - 4)
        for slot, fmt, number in inline:
            struct.pack_into(fmt, self.data, at + offsets[slot], number)
        for slot, kind, child in children:
            self._refer(at + offsets[slot], kind, child)
        return at

    def _vtable(self, content: bytes) -> int:
        """The position of a vtable with this content, appended if there is none."""
        if content not in self.vtables:
            self._align(2)
            self.vtables[content] = len(self.data)
            self.data += content
        return self.vtables[content]

    def _fields(self, name: str, value: Mapping[str, Any]) -> tuple[list, list]:
        """(slot, format, number) of everything inside the table, and (slot, type, value) of what lies elsewhere."""
        inline, children = [], []
        for field, given in value.items():
            slot, kind, default = self.schema[name][field]
            if given is None or (kind in SCALARS and given == default):
                continue
            if kind in SCALARS:
                inline.append((slot, SCALARS[kind], given))
                continue
            if kind == "union":
                kind, given = given
                inline.append((slot, "<B", self.schema["union"][kind]))
                slot += 1
            inline.append((slot, "<I", 0))
            children.append((slot, kind, given))
        return inline, children

    def _refer(self, at: int, kind: str, value: Any) -> None:
        """Append what lies elsewhere and write its distance at `at`."""
        if kind == "string":
            where = self._bytes(value.encode(), 4)
            self.data += b"\0"
        elif kind == "[uint8]":
            where = self._bytes(bytes(value), DATA_ALIGN)
        elif kind.startswith("[") and kind[1:-1] in SCALARS:
            where = self._numbers(SCALARS[kind[1:-1]], value)
        elif kind.startswith("["):
            where = self._tables(kind[1:-1], value)
        else:
            where = self.table(kind, value)
        struct.pack_into("<I", self.data, at, where - at)

    def _align(self, to: int, ahead: int = 0) -> None:
        """Pad so that `ahead` bytes further on the position is a multiple of `to`."""
        self.data += bytes(-(len(self.data) + ahead) % to)

    def _bytes(self, value: bytes, align: int) -> int:
        self._align(align, ahead=4)
        where = len(self.data)
        self.data += struct.pack("<I", len(value)) + value
        return where

    def _numbers(self, fmt: str, values: Sequence[Any]) -> int:
        self._align(max(4, struct.calcsize(fmt)), ahead=4)
        where = len(self.data)
        self.data += struct.pack("<I", len(values)) + b"".join(struct.pack(fmt, v) for v in values)
        return where

    def _tables(self, name: str, values: Sequence[Mapping[str, Any]]) -> int:
        where = self._numbers("<I", [0] * len(values))
        for i, value in enumerate(values):
            at = where + 4 + 4 * i
            struct.pack_into("<I", self.data, at, self.table(name, value) - at)
        return where


# --- reading --------------------------------------------------------------------------------------


def read_flatbuffer(schema: Schema, root: str, data: bytes, identifier: bytes) -> dict[str, Any]:
    """The root table as a dict of all fields of the schema; absent scalars have their default, the rest is None.

    Byte vectors come as read-only uint8 arrays. Fields that the schema lacks are skipped.
    Raises ValueError for another identifier and for offsets that lead out of the file.
    """
    if data[4:8] != identifier:
        raise ValueError(f"data must have the identifier {identifier.decode()!r}, got {bytes(data[4:8])!r}")
    reader = _Reader(schema, data)
    try:
        return reader.table(root, reader.number("<I", 0))
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"data must be a whole FlatBuffer, got one that is damaged: {error}") from error


class _Reader:
    def __init__(self, schema: Schema, data: bytes) -> None:
        self.schema, self.data = schema, data
        self.budget = len(data) // 4  # a table takes four bytes or more: a file cannot hold more tables than that

    def number(self, fmt: str, at: int) -> Any:
        if at < 0:
            raise ValueError("data must have offsets inside the file, got a negative one")
        return struct.unpack_from(fmt, self.data, at)[0]

    def table(self, name: str, at: int) -> dict[str, Any]:
        self.budget -= 1
        if self.budget < 0:
            raise ValueError("data must hold each table once, got offsets that share tables without end")
        vtable = at - self.number("<i", at)
        size = self.number("<H", vtable)
        return {field: self._field(at, vtable, size, *spec) for field, spec in self.schema[name].items()}

    def _field(self, at: int, vtable: int, size: int, slot: int, kind: str, default: Any) -> Any:
        where = self._where(at, vtable, size, slot)
        if kind == "union":
            return self._union(where, self._where(at, vtable, size, slot + 1))
        if not where:
            return default
        if kind in SCALARS:
            return self.number(SCALARS[kind], where)
        return self._elsewhere(kind, where + self.number("<I", where))

    def _where(self, at: int, vtable: int, size: int, slot: int) -> int:
        """The position of a field, 0 if it is absent."""
        entry = 4 + 2 * slot
        offset = self.number("<H", vtable + entry) if entry + 2 <= size else 0
        return at + offset if offset else 0

    def _union(self, kind_at: int, value_at: int) -> tuple[str, dict[str, Any]] | None:
        names = {number: name for name, number in self.schema["union"].items()}
        name = names.get(self.number("<B", kind_at)) if kind_at else None
        if name is None or not value_at:
            return None
        return name, self.table(name, value_at + self.number("<I", value_at))

    def _elsewhere(self, kind: str, at: int) -> Any:
        if not kind.startswith("[") and kind != "string":
            return self.table(kind, at)
        length = self.number("<I", at)
        inner = "uint8" if kind == "string" else kind[1:-1]
        item = struct.calcsize(SCALARS.get(inner, "<I"))
        if at + 4 + length * item > len(self.data):
            raise ValueError(f"data must hold all of its vectors, got one of {length} items that is cut off")
        if inner == "uint8":
            raw = np.frombuffer(self.data, np.uint8, length, at + 4)
            return raw.tobytes().decode() if kind == "string" else raw
        if inner in SCALARS:
            return [self.number(SCALARS[inner], at + 4 + item * i) for i in range(length)]
        places = [at + 4 + 4 * i for i in range(length)]
        return [self.table(inner, place + self.number("<I", place)) for place in places]
