"""FlatBuffers: reading what was written, refusing what is damaged."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.mobile_formats import build_flatbuffer, example_cnn, onnx_to_tflite, read_flatbuffer
from utils.engines.mobile_formats.tflite_numpy import interpret_tflite, read_tflite

SCHEMA = {
    "union": {"Leaf": 1},
    "Root": {"a": (0, "int8", 0), "b": (1, "int32", 7), "name": (2, "string", None), "numbers": (3, "[int32]", None),
             "data": (4, "[uint8]", None), "leaves": (5, "[Leaf]", None), "leaf": (6, "Leaf", None),
             "choice": (7, "union", None), "f": (9, "float32", 0.0), "flag": (10, "bool", False)},
    "Leaf": {"x": (0, "float32", 1.5), "y": (1, "uint16", 0)},
}
leaves = st.fixed_dictionaries({"x": st.floats(width=32, allow_nan=False), "y": st.integers(0, 2**16 - 1)})
roots = st.fixed_dictionaries({
    "a": st.integers(-128, 127), "b": st.integers(-2**31, 2**31 - 1), "name": st.none() | st.text(max_size=9),
    "numbers": st.none() | st.lists(st.integers(-2**31, 2**31 - 1), max_size=5), "data": st.none() | st.binary(max_size=40),
    "leaves": st.none() | st.lists(leaves, max_size=3), "leaf": st.none() | leaves,
    "choice": st.none() | st.tuples(st.just("Leaf"), leaves), "f": st.floats(width=32, allow_nan=False), "flag": st.booleans()})


@given(roots)
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_read(root):
    read = read_flatbuffer(SCHEMA, "Root", build_flatbuffer(SCHEMA, "Root", root, b"TEST"), b"TEST")
    read["data"] = None if read["data"] is None else read["data"].tobytes()
    assert read == root


@given(st.binary(max_size=40), st.text(max_size=5))
def test_everything_is_aligned(payload, name):
    """A byte vector begins at a multiple of 16, so that an engine can use weights where they lie."""
    marked = b"\xaa" * 24 + payload
    data = build_flatbuffer(SCHEMA, "Root", {"name": name, "a": 3, "data": marked}, b"TEST")
    assert data.index(marked) % 16 == 0


def test_absent_fields_have_their_defaults():
    data = build_flatbuffer(SCHEMA, "Root", {"b": 7, "leaf": {}}, b"TEST")
    read = read_flatbuffer(SCHEMA, "Root", data, b"TEST")
    assert (read["a"], read["b"], read["name"], read["choice"]) == (0, 7, None, None)
    assert read["leaf"] == {"x": 1.5, "y": 0}
    with pytest.raises(KeyError):
        build_flatbuffer(SCHEMA, "Root", {"unknown": 1}, b"TEST")


def test_another_identifier_is_refused():
    with pytest.raises(ValueError, match="identifier"):
        read_flatbuffer(SCHEMA, "Root", build_flatbuffer(SCHEMA, "Root", {}, b"OTHR"), b"TEST")


@given(st.integers(0, 2**31), st.integers(1, 60))
@settings(max_examples=300, deadline=None)
def test_damaged_files_end_in_a_value_error_or_a_model(seed, count):
    """Random bytes overwritten or cut off: the reader may understand less, but it ends, and only with a ValueError."""
    rng = np.random.default_rng(seed)
    data = bytearray(onnx_to_tflite(example_cnn()))
    for _ in range(count):
        data[int(rng.integers(8, len(data)))] = int(rng.integers(256))
    damaged = bytes(data[:int(rng.integers(8, len(data)))]) if rng.random() < 0.3 else bytes(data)
    with contextlib.suppress(ValueError):
        read_tflite(damaged)


def test_tables_that_share_each_other_do_not_explode():
    """Ten thousand references to one table cost a file of 40 kB; nested, they would be 10^8 tables."""
    schema = {"union": {}, "A": {"bs": (0, "[B]", None)}, "B": {"cs": (0, "[C]", None)}, "C": {"x": (0, "int8", 0)}}
    data = bytearray(build_flatbuffer(schema, "A", {"bs": [{"cs": [{"x": 1}] * 500}] * 2}, b"TEST"))
    plain = read_flatbuffer(schema, "A", bytes(data), b"TEST")
    assert len(plain["bs"][0]["cs"]) == 500
    wide = build_flatbuffer(schema, "A", {"bs": [{"cs": [{"x": 1}] * 500}] * 500}, b"TEST")
    shared = bytearray(build_flatbuffer(schema, "A", {"bs": [{"cs": [{"x": 1}] * 500}] + [{}] * 499}, b"TEST"))
    root = int.from_bytes(shared[:4], "little")
    field = root + int.from_bytes(shared[root - int.from_bytes(shared[root:root + 4], "little") + 4:][:2], "little")
    vector = field + int.from_bytes(shared[field:field + 4], "little")
    target = vector + 4 + int.from_bytes(shared[vector + 4:vector + 8], "little")
    for i in range(500):
        at = vector + 4 + 4 * i
        shared[at:at + 4] = (target - at).to_bytes(4, "little")
    assert len(shared) < len(wide) / 50
    with pytest.raises(ValueError, match="share"):
        read_flatbuffer(schema, "A", bytes(shared), b"TEST")


def test_numpy_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="identifier"):
        interpret_tflite(b"\0" * 64, {})
    with pytest.raises(ValueError):
        read_tflite(b"")
