"""Our FlatBuffers against Google's: the schema's slots and defaults, and both libraries on each other's files."""

import re

import numpy as np
import pytest

from utils.engines.mobile_formats import example_cnn, nchw_to_nhwc, onnx_to_tflite
from utils.engines.mobile_formats.tflite_numpy import interpret_tflite, read_tflite
from utils.engines.mobile_formats.tflite_schema import BUILTINS, IDENTIFIER, SCHEMA
from utils.engines.mobile_formats.zoo import ZOO, zoo_feeds

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")


def slots_of(table):
    """{field in snake case: (slot, default)} as the generated builder functions say."""
    import inspect

    found = {}
    for name, function in vars(schema).items():
        if not name.startswith(f"{table}Add"):
            continue
        match = re.search(r"Prepend(\w+)Slot\((\d+), .*, (\S+)\)", inspect.getsource(function))
        field = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name[len(table) + 3:]).lower()
        found[field] = int(match[2]), match[1], match[3]
    return found


@pytest.mark.parametrize("table", [t for t in SCHEMA if t != "union" and SCHEMA[t]])
def test_slots_types_and_defaults_are_googles(table):
    theirs = slots_of(table)
    for field, (slot, kind, default) in SCHEMA[table].items():
        if kind == "union":
            assert theirs[f"{field}_type"][0] == slot and theirs[field][0] == slot + 1
            continue
        their_slot, their_kind, their_default = theirs[field]
        assert their_slot == slot
        if their_kind == "UOffsetTRelative":
            assert kind not in ("int8", "int32", "uint32", "bool", "float32")
        else:
            assert their_kind.lower() == kind
            assert {"False": 0.0, "True": 1.0}.get(their_default) == default or float(their_default) == default


def test_numbers_of_operators_and_options_are_googles():
    for name, number in BUILTINS.items():
        assert getattr(schema.BuiltinOperator, name) == number
    for name, number in SCHEMA["union"].items():
        assert getattr(schema.BuiltinOptions, name) == number


@pytest.mark.parametrize("name", ZOO)
def test_googles_reader_sees_what_ours_sees(name):
    data = onnx_to_tflite(ZOO[name]())
    ours, theirs = read_tflite(data), schema.ModelT.InitFromPackedBuf(data, 0)
    graph = theirs.subgraphs[0]
    names = [tensor.name.decode() for tensor in graph.tensors]
    assert theirs.version == 3 and theirs.buffers[0].data is None
    assert dict(zip(names, (tuple(t.shape) if t.shape is not None else () for t in graph.tensors))) == dict(ours.shapes)
    assert [tuple(names[i] for i in op.inputs) for op in graph.operators] == [op.inputs for op in ours.operators]
    for tensor in graph.tensors:
        raw = theirs.buffers[tensor.buffer].data
        if raw is not None:
            assert bytes(raw) == ours.constants[tensor.name.decode()].tobytes()


def test_our_reader_reads_what_googles_writer_writes():
    """The example, unpacked and packed again by the official library: another order of bytes, the same network."""
    data = onnx_to_tflite(example_cnn())
    builder = flatbuffers.Builder(1024)
    builder.Finish(schema.ModelT.InitFromPackedBuf(data, 0).Pack(builder), file_identifier=IDENTIFIER)
    repacked = bytes(builder.Output())
    assert repacked != data
    feeds = {"x": nchw_to_nhwc(zoo_feeds(example_cnn())["x"])}
    np.testing.assert_array_equal(interpret_tflite(repacked, feeds)["y"], interpret_tflite(data, feeds)["y"])
