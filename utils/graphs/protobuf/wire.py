"""The wire format of Protocol Buffers: varints, tags and fields, read and written byte by byte.

A message is a row of fields. Each field starts with a tag, a varint that holds `number << 3 | wire type`;
the wire type says how to find the field's end, so a reader can skip what it does not know.
Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIRE_TYPES = {VARINT: "varint", FIXED64: "64 bits", LENGTH: "length-delimited", FIXED32: "32 bits"}
MAX_VARINT_BYTES = 10  # 64 bits in groups of 7

Buffer = bytes | bytearray | memoryview


def decode_varint(buf: Buffer, pos: int = 0) -> tuple[int, int]:
    """The unsigned base-128 number that starts at `pos`, and the position after it.

    The least significant group of 7 bits comes first; a set high bit announces another byte.
    Raises ValueError "truncated" when the buffer ends first and "too long" when ten bytes all announce more.

    >>> decode_varint(bytes([0xac, 0x02]))
    (300, 2)
    """
    value = 0
    for count in range(MAX_VARINT_BYTES):
        if pos + count >= len(buf):
            raise ValueError(f"buf must hold a whole varint, got one truncated at byte {len(buf)}")
        byte = buf[pos + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, pos + count + 1
    raise ValueError(f"buf must hold a varint of at most {MAX_VARINT_BYTES} bytes, got one that is too long at {pos}")


def encode_varint(value: int) -> bytes:
    """`value` as a varint; a negative one as its 64-bit two's complement, hence always ten bytes.

    Raises ValueError outside -2**63 … 2**64-1.

    >>> encode_varint(300).hex(" ")
    'ac 02'
    """
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"value must fit into 64 bits, got {value}")
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def signed64(value: int) -> int:
    """The int64 whose 64 bits read as the unsigned `value` (bits above the 64th are dropped, as protobuf does)."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


@dataclass(frozen=True)
class Span:
    """Where one field stands: tag at `start`, content from `content` to `stop` (positions in the buffer)."""

    number: int
    wire_type: int
    value: int | Buffer
    start: int
    content: int
    stop: int


def iter_spans(buf: Buffer) -> Iterator[Span]:
    """The fields of a message, in their order, with their positions.

    The value is an unsigned int (wire type 0), or the content's bytes: 8 (type 1), 4 (type 5), or as many as
    the length says (type 2). Raises ValueError for other wire types, a field number of 0, a truncated field.
    """
    pos = 0
    while pos < len(buf):
        start = pos
        tag, pos = decode_varint(buf, pos)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise ValueError(f"field number must be at least 1, got 0 at byte {start}")
        content, pos = _extent(buf, wire_type, pos, start)
        value = decode_varint(buf, content)[0] if wire_type == VARINT else buf[content:pos]
        yield Span(number, wire_type, value, start, content, pos)


def _extent(buf: Buffer, wire_type: int, pos: int, start: int) -> tuple[int, int]:
    """First position of a field's content and the position after it."""
    if wire_type == VARINT:
        return pos, decode_varint(buf, pos)[1]
    if wire_type == LENGTH:
        length, pos = decode_varint(buf, pos)
    elif wire_type in (FIXED64, FIXED32):
        length = 8 if wire_type == FIXED64 else 4
    else:
        raise ValueError(f"wire type must be 0, 1, 2 or 5, got {wire_type} at byte {start}")
    if pos + length > len(buf):
        raise ValueError(f"buf must hold whole fields, got one truncated: {length} bytes announced at {start}")
    return pos, pos + length


def iter_fields(buf: Buffer) -> Iterator[tuple[int, int, int | Buffer]]:
    """(field number, wire type, value) of each field of a message; see `iter_spans`.

    >>> list(iter_fields(bytes.fromhex("0896014a0178")))
    [(1, 0, 150), (9, 2, b'x')]
    """
    return ((span.number, span.wire_type, span.value) for span in iter_spans(buf))


def encode_field(number: int, value: int | bytes | str) -> bytes:
    """One field: an int as a varint (wire type 0), text and bytes with their length (wire type 2).

    Raises ValueError for a field number below 1.
    """
    if number < 1:
        raise ValueError(f"number must be at least 1, got {number}")
    if isinstance(value, int):
        return encode_varint(number << 3 | VARINT) + encode_varint(value)
    content = value.encode() if isinstance(value, str) else bytes(value)
    return encode_varint(number << 3 | LENGTH) + encode_varint(len(content)) + content
