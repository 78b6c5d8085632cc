"""Varints and fields: round trips, the published examples, malformed bytes."""

import pytest
from google.protobuf.internal import decoder, encoder
from hypothesis import given
from hypothesis import strategies as st

from utils.graphs.protobuf import decode_varint, encode_field, encode_varint, iter_fields, iter_spans
from utils.graphs.protobuf.wire import signed64


def of_google(value: int) -> bytes:
    parts: list[bytes] = []
    encoder._EncodeVarint(parts.append, value)
    return b"".join(parts)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=5))
def test_varints_are_those_of_googles_library(value, before):
    written = of_google(value)
    assert encode_varint(value) == written
    assert decode_varint(before + written + b"\x7f", len(before)) == (value, len(before) + len(written))
    assert decoder._DecodeVarint(written, 0) == decode_varint(written)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_negative_number_takes_ten_bytes(value):
    written = encode_varint(value)
    assert signed64(decode_varint(written)[0]) == value
    assert (len(written) == 10) == (value < 0)


def test_published_examples():  # Protocol Buffers, "Encoding": 150 is 96 01; field 2 "testing" is 12 07 …
    assert encode_varint(150) == bytes.fromhex("9601")
    assert encode_field(2, "testing") == bytes.fromhex("120774657374696e67")
    assert encode_field(1, -2).hex(" ") == "08 fe ff ff ff ff ff ff ff ff 01"
    assert decode_varint(bytes.fromhex("ffffffffffffffffff01")) == (2**64 - 1, 10)


@pytest.mark.parametrize("buf, pos, word", [
    (b"", 0, "truncated"), (b"\x80", 0, "truncated"), (b"\x01", 1, "truncated"), (b"\xff" * 9, 0, "truncated"),
    (b"\xff" * 10, 0, "too long"), (b"\xff" * 10 + b"\x01", 0, "too long"),
])
def test_a_varint_that_does_not_end(buf, pos, word):
    with pytest.raises(ValueError, match=word):
        decode_varint(buf, pos)


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.integers(0, 2**63) | st.binary(max_size=300)), max_size=6))
def test_fields_come_back_and_spans_tile_the_message(fields):
    buf = b"".join(encode_field(number, value) for number, value in fields)
    assert [(n, v) for n, _, v in iter_fields(buf)] == fields
    at = 0
    for span in iter_spans(buf):
        assert span.start == at < span.content <= span.stop
        at = span.stop
    assert at == len(buf)


def test_fixed_widths():
    assert list(iter_fields(bytes.fromhex("0d0000803f" "110000000000000040"))) == [
        (1, 5, bytes.fromhex("0000803f")), (2, 1, bytes.fromhex("0000000000000040"))]


@pytest.mark.parametrize("hexadecimal, word", [
    ("0b", "wire type"), ("0c", "wire type"), ("0e", "wire type"), ("0005", "field number"), ("0a05aa", "truncated"),
    ("0d0000", "truncated"), ("08", "truncated"),
])
def test_malformed_messages(hexadecimal, word):
    with pytest.raises(ValueError, match=word):
        list(iter_fields(bytes.fromhex(hexadecimal)))


def test_what_cannot_be_written():
    with pytest.raises(ValueError, match="64 bits"):
        encode_varint(2**64)
    with pytest.raises(ValueError, match="at least 1"):
        encode_field(0, 1)
