"""The reader against onnx's own: the schema, whole models, every dtype, external data."""

import contextlib
import itertools
import subprocess
import sys

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from utils.graphs.onnx_tools import make_model
from utils.graphs.protobuf import (
    DTYPE_NAMES,
    SCHEMA,
    byte_map,
    decode_message,
    encode_field,
    numpy_dtype,
    parse_model,
    read_graph,
    read_model,
    tensor_to_numpy,
)
from utils.graphs.simplify.examples import messy_cnn

NESTED = {"TypeTensor": onnx.TypeProto.Tensor, "Dimension": onnx.TensorShapeProto.Dimension}
RELU = bytes.fromhex(
    "08083a3d0a0c0a0178120179220452656c751201675a140a0178120f0a0d080112090a0312014e0a0208026214"
    "0a0179120f0a0d080112090a0312014e0a02080242040a001011")  # 71 bytes: Relu, opset 17, IR 8


@pytest.mark.parametrize("message", SCHEMA)
def test_the_schema_is_that_of_onnx(message):
    of_onnx = (NESTED.get(message) or getattr(onnx, message)).DESCRIPTOR
    kinds = {9: "string", 12: "bytes", 2: "float", 1: "double", 3: "int64", 5: "int64", 14: "int64", 4: "uint64"}
    for number, field in SCHEMA[message].items():
        theirs = of_onnx.fields_by_number[number]
        assert (field.name, field.repeated) == (theirs.name, theirs.is_repeated)
        kind = kinds.get(theirs.type) or theirs.message_type.name
        assert field.kind == {"Tensor": "TypeTensor"}.get(kind, kind)


def assert_same_model(raw, model: onnx.ModelProto) -> None:
    assert raw.ir_version == model.ir_version
    assert raw.opset == {e.domain: e.version for e in model.opset_import}
    assert [(n.op_type, list(n.input), list(n.output), n.name, n.domain) for n in raw.graph.nodes] == [
        (n.op_type, list(n.input), list(n.output), n.name, n.domain) for n in model.graph.node]
    for mine, theirs in zip(raw.graph.nodes, model.graph.node):
        assert list(mine.attributes) == [a.name for a in theirs.attribute]
        for attribute in theirs.attribute:
            expected, got = helper.get_attribute_value(attribute), mine.attributes[attribute.name]
            if attribute.type == onnx.AttributeProto.TENSOR:
                expected, got = numpy_helper.to_array(expected).tolist(), tensor_to_numpy(got).tolist()
            assert got == expected
    assert len(raw.graph.initializers) == len(model.graph.initializer)
    for mine, theirs in zip(raw.graph.initializers, model.graph.initializer):
        expected, got = numpy_helper.to_array(theirs), tensor_to_numpy(mine)
        assert (mine.name, got.dtype, got.shape) == (theirs.name, expected.dtype, expected.shape)
        assert got.tobytes() == expected.tobytes() and mine.nbytes == expected.nbytes


def test_messy_cnn_reads_as_onnx_reads_it():
    model = messy_cnn(batch="N")
    raw = parse_model(model.SerializeToString())
    assert_same_model(raw, model)
    assert raw.graph.inputs[0].shape == ("N", 3, 16, 16)


def test_a_torch_export_reads_as_onnx_reads_it():
    from torch import nn, zeros

    from utils.graphs.onnx_tools import export_torch

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Hardswish(), nn.Flatten(), nn.Linear(144, 3))
    model = export_torch(net, zeros(1, 1, 8, 8), dynamic_batch="N")
    assert_same_model(parse_model(model.SerializeToString()), model)


def test_the_small_file():
    assert len(RELU) == 71
    assert read_graph(RELU) == {"ir_version": 8, "opset": {"": 17}, "nodes": [("Relu", ["x"], ["y"])], "initializers": {}}
    onnx.checker.check_model(onnx.load_from_string(RELU))


def test_it_needs_no_onnx():
    """In a Python where onnx, protobuf and the runtime can't be imported, the file is read and run."""
    code = (
        "import sys\n"
        "for name in ('onnx', 'google', 'google.protobuf', 'onnxruntime', 'torch'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from utils.graphs.runtime import NumpyRuntime\n"
        f"run = NumpyRuntime(bytes.fromhex('{RELU.hex()}'))\n"
        "print(run.run({'x': np.array([[-1, 2]], np.float32)})['y'].tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[[0.0, 2.0]]", done.stderr


@pytest.mark.parametrize("data_type", DTYPE_NAMES)
@pytest.mark.parametrize("raw", [True, False])
def test_every_dtype_both_ways_of_storing(data_type, raw):
    dtype = helper.tensor_dtype_to_np_dtype(data_type)
    assert numpy_dtype(data_type) == dtype
    numbers = np.array([0, 1, 1, 0, 1], np.float32) if "u" in dtype.name or dtype.kind == "b" else np.array([0, 1, -1, 1, -2], np.float32)
    if dtype == ml_dtypes.float8_e8m0fnu:
        numbers = np.array([1, 2, 4, 0.5, 1], np.float32)  # no zero, no sign
    values = numbers.astype(dtype)
    proto = numpy_helper.from_array(values, "t") if raw else helper.make_tensor("t", data_type, [5], values.tolist())
    tensor = parse_model(encode_field(7, encode_field(5, proto.SerializeToString()))).graph.initializers[0]
    assert (tensor.raw_data is not None) == raw
    got = tensor_to_numpy(tensor)
    assert got.dtype == dtype and got.tobytes() == numpy_helper.to_array(proto).tobytes()


def test_strings_and_scalars():
    text = helper.make_tensor("t", TensorProto.STRING, [2], [b"a", b"\xff"])
    scalar = numpy_helper.from_array(np.float32(1.5), "s")
    graph = b"".join(encode_field(5, t.SerializeToString()) for t in (text, scalar))
    raw = parse_model(encode_field(7, graph))
    assert tensor_to_numpy(raw.graph.initializers[0]).tolist() == [b"a", b"\xff"]
    assert tensor_to_numpy(raw.graph.initializers[1]).shape == ()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6))
def test_packed_and_unpacked_numbers_read_the_same(dims):
    packed = helper.make_tensor("t", TensorProto.INT64, [len(dims)], dims)  # proto3's way, as int64_data is declared
    one_by_one = b"".join(encode_field(7, d) for d in dims)
    assert decode_message(packed.SerializeToString(), "TensorProto").get("int64_data", []) == dims
    assert decode_message(one_by_one, "TensorProto").get("int64_data", []) == dims


def test_a_message_in_two_pieces_is_merged_and_the_last_scalar_counts():
    halves = encode_field(7, encode_field(2, "first")) + encode_field(7, encode_field(2, "second") + encode_field(1, b""))
    raw = parse_model(encode_field(1, 3) + encode_field(1, 9) + halves)
    theirs = onnx.load_from_string(encode_field(1, 3) + encode_field(1, 9) + halves)
    assert (raw.ir_version, raw.graph.name, len(raw.graph.nodes)) == (9, "second", 1)
    assert (theirs.ir_version, theirs.graph.name, len(theirs.graph.node)) == (9, "second", 1)


@settings(max_examples=200)
@given(st.data())
def test_damaged_files_raise_value_error_and_nothing_else(data):
    damaged = bytearray(RELU[: data.draw(st.integers(0, len(RELU)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        parse_model(bytes(damaged))


def test_a_file_nested_without_end_is_refused():
    graph = b""
    for _ in range(400):  # a graph in an attribute of a node of a graph in …
        graph = encode_field(1, encode_field(5, encode_field(6, graph)))
    with pytest.raises(ValueError, match="nested"):
        parse_model(encode_field(7, graph))


def test_external_data_and_its_fence(tmp_path):
    weights = np.arange(3000, dtype=np.float32).reshape(30, 100)
    model = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": (1, 30)}, {"y": (1, 100)}, {"w": weights})
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    raw = read_model(path)
    assert (tensor_to_numpy(raw.graph.initializers[0], raw.folder) == weights).all()
    with pytest.raises(ValueError, match="folder must be given"):
        tensor_to_numpy(raw.graph.initializers[0])
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "m.onnx").write_bytes(path.read_bytes().replace(b"m.data", b"../m.d"))
    (tmp_path / "m.d").write_bytes(b"secret")
    escaped = read_model(tmp_path / "inner" / "m.onnx")
    with pytest.raises(ValueError, match="in the model's folder"):
        tensor_to_numpy(escaped.graph.initializers[0], escaped.folder)
    (tmp_path / "m.data").write_bytes(b"short")
    with pytest.raises(ValueError, match="must end by"):
        tensor_to_numpy(raw.graph.initializers[0], raw.folder)


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="ONNX model"):
        parse_model(b"")
    with pytest.raises(ValueError, match="wire type of ir_version"):
        parse_model(encode_field(1, b"eight") + RELU)
    with pytest.raises(ValueError, match="UTF-8"):
        parse_model(encode_field(7, encode_field(2, b"\xff\xfe")))
    with pytest.raises(ValueError, match="unknown dtype 99"):
        numpy_dtype(99)
    short = encode_field(1, 4) + encode_field(2, 1) + encode_field(8, "w") + encode_field(9, b"\0" * 8)
    with pytest.raises(ValueError, match="16 bytes, got 8"):
        tensor_to_numpy(parse_model(encode_field(7, encode_field(5, short))).graph.initializers[0])


def test_the_byte_map_covers_the_file_and_names_every_piece():
    pieces = byte_map(RELU)
    assert [start for start, *_ in pieces] == [0, *[stop for _, stop, *_ in pieces[:-1]]] and pieces[-1][1] == 71
    by_path = {path: (start, stop, text) for start, stop, path, text in pieces}
    assert by_path["graph.node[0].op_type"] == (12, 18, "field 4, length-delimited: 'Relu'")
    assert by_path["opset_import[0].version"][2].endswith(": 17")
    assert byte_map(encode_field(99, b"abc"))[0][3] == "field 99, length-delimited: 3 bytes, unknown here: skipped"
    big = byte_map(messy_cnn().SerializeToString())
    assert all(a[1] == b[0] for a, b in itertools.pairwise(big))
