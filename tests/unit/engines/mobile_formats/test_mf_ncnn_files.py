"""ncnn's two files: reading what was written, refusing what is broken."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.mobile_formats import (
    NcnnLayer,
    format_ncnn_param,
    insert_splits,
    pack_bin,
    pack_ncnn_weights,
    parse_ncnn_param,
    parse_param,
    unpack_ncnn_weights,
)

# the example of Tencent/ncnn's wiki, "param and model file structure"
WIKI = """7767517
3 3
Input         input    0 1 data 0=4 1=4 2=1
InnerProduct  ip       1 1 data fc 0=10 1=1 2=80
Softmax       softmax  1 1 fc prob 0=0
"""


def test_the_example_of_the_documentation():
    assert parse_param(WIKI) == [
        ("Input", "input", [], ["data"], {0: 4, 1: 4, 2: 1}),
        ("InnerProduct", "ip", ["data"], ["fc"], {0: 10, 1: 1, 2: 80}),
        ("Softmax", "softmax", ["fc"], ["prob"], {0: 0}),
    ]
    assert parse_param(format_ncnn_param(parse_ncnn_param(WIKI))) == parse_param(WIKI)


def test_values_keep_their_type():
    line = "7767517\n1 1\n\nThing t 0 1 a 0=1 1=2.5 2=1e-3 3=-4 4=1E2 -23303=2,2.0,3.0 -23300=0 5=1,2\n"
    (layer,) = parse_ncnn_param(line)
    # key 3 stands twice, as a plain number and as an array: the later one counts, as in a dict
    assert layer.params == {0: [], 1: 2.5, 2: 1e-3, 3: [2.0, 3.0], 4: 100.0, 5: [1, 2]}
    assert [type(layer.params[key]) for key in (1, 2, 4)] == [float] * 3


def test_names_are_found_by_their_count():
    assert parse_param("7767517\n1 2\nA a 1 2 x=1 y z=2 0=3\n") == [("A", "a", ["x=1"], ["y", "z=2"], {0: 3})]


finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
values = st.one_of(st.integers(-10**6, 10**6), finite, st.lists(st.integers(-99, 99), max_size=4),
                   st.lists(finite, min_size=1, max_size=4))


@given(st.lists(st.dictionaries(st.integers(0, 19), values, max_size=5), min_size=1, max_size=5))
def test_what_is_written_is_read(all_params):
    layers = [NcnnLayer("Thing", f"t{i}", [f"b{i - 1}"] if i else [], [f"b{i}"], params)
              for i, params in enumerate(all_params)]
    read = parse_ncnn_param(format_ncnn_param(layers))
    assert read == layers
    for before, after in zip(layers, read):
        assert [type(v) for v in before.params.values()] == [type(v) for v in after.params.values()]


@pytest.mark.parametrize(("text", "words"), [
    ("", "magic"), ("7767518\n1 1\n", "magic"), ("7767517\n", "layer count"), ("7767517\n2 1\nA a 0 1 x\n", "line 2"),
    ("7767517\n1 1\nA a 0\n", "line 3"), ("7767517\n1 1\nA a 1 1 x\n", "line 3"),
    ("7767517\n1 1\nA a 0 1 x 0=one\n", "line 3"), ("7767517\n1 1\nA a 0 1 x what\n", "line 3"),
    ("7767517\n1 1\n\nA a 0 1 x -23301=2,1\n", "line 4"), ("7767517\n1 1\nA a 0 1 x -23301=1,1,2\n", "line 3"),
    ("7767517\n1 1\nA a -1 2 x y\n", "line 3"), ("7767517\n1 1 1\nA a 0 1 x\n", "line 2"), ("7767517\n1 1\nA a zero 1 x\n", "line 3"),
])
def test_broken_texts_are_refused_with_their_line(text, words):
    with pytest.raises(ValueError, match=words):
        parse_ncnn_param(text)


def test_writing_refuses_graphs_that_ncnn_would_misread():
    source = NcnnLayer("Input", "in", [], ["x"])
    with pytest.raises(ValueError, match="undefined 'y'"):
        format_ncnn_param([source, NcnnLayer("ReLU", "r", ["y"], ["z"])])
    with pytest.raises(ValueError, match="duplicate 'x'"):
        format_ncnn_param([source, NcnnLayer("Input", "again", [], ["x"])])
    with pytest.raises(ValueError, match="Split"):
        format_ncnn_param([source, NcnnLayer("BinaryOp", "add", ["x", "x"], ["z"])])
    with pytest.raises(ValueError, match="white space"):
        format_ncnn_param([NcnnLayer("Input", "my input", [], ["x"])])
    with pytest.raises(ValueError, match="finite"):
        format_ncnn_param([NcnnLayer("Input", "in", [], ["x"], {0: float("nan")})])


def test_a_split_gives_every_reader_a_blob_of_its_own():
    layers = [NcnnLayer("Input", "in", [], ["x"]), NcnnLayer("ReLU", "r", ["x"], ["a"]),
              NcnnLayer("BinaryOp", "add", ["x", "a"], ["y"]), NcnnLayer("BinaryOp", "twice", ["y", "y"], ["z"])]
    split = insert_splits(layers)
    assert [layer.type for layer in split] == ["Input", "Split", "ReLU", "BinaryOp", "Split", "BinaryOp"]
    assert split[1].outputs == ["x_splitncnn_0", "x_splitncnn_1"]
    format_ncnn_param(split)  # refuses a blob with two readers
    assert insert_splits(layers[:2]) == layers[:2]
    assert layers[2].inputs == ["x", "a"]  # the argument is left alone


# --- the .bin file --------------------------------------------------------------------------------


def test_the_bytes_of_a_small_layer():
    weight, bias = np.arange(15, dtype=np.float32).reshape(3, 5), np.ones(3, np.float32)
    full, half = pack_bin([(weight, bias, False)]), pack_bin([(weight, bias, True)])
    assert (len(full), len(half)) == (4 + 60 + 12, 4 + 30 + 2 + 12)
    assert full == struct.pack("<I15f3f", 0, *range(15), 1, 1, 1)
    assert half == bytes.fromhex("476b3001") + struct.pack("<15e", *range(15)) + b"\0\0" + struct.pack("<3f", 1, 1, 1)
    assert pack_bin([(weight.T.copy().T, None, False)]) == pack_bin([(weight, None, False)])  # C order, whatever the strides


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5), st.booleans(), st.booleans()), max_size=5), st.integers(0, 9))
def test_weights_come_back(shapes, seed):
    rng = np.random.default_rng(seed)
    arrays, layers, flags = [], [], []
    for index, (o, i, has_bias, fp16) in enumerate(shapes):
        weight, bias = rng.standard_normal((o, i)).astype(np.float32), rng.standard_normal(o).astype(np.float32)
        arrays.append((weight, bias if has_bias else None))
        flags.append(fp16)
        layers.append(NcnnLayer("InnerProduct", f"l{index}", [], [], {0: o, 1: int(has_bias), 2: o * i}))
    read = unpack_ncnn_weights(layers, pack_ncnn_weights(arrays, flags))
    for (weight, bias), layer, fp16 in zip(arrays, layers, flags):
        got_weight, got_bias = read[layer.name]
        stored = weight.astype(np.float16).astype(np.float32) if fp16 else weight
        assert np.array_equal(got_weight, stored.ravel())
        assert got_bias is None if bias is None else np.array_equal(got_bias, bias)


def test_what_float16_cannot_hold_is_refused():
    for value in (65505.0, -7e4, np.inf):
        with pytest.raises(ValueError, match="65504"):
            pack_bin([(np.array([value], np.float32), None, True)])
    assert pack_bin([(np.array([65504.0, -65504.0], np.float32), None, True)])[4:] == bytes.fromhex("ff7bfffb")
    assert len(pack_bin([(np.array([7e4], np.float32), None, False)])) == 8


def test_broken_bins_are_refused():
    layer = NcnnLayer("InnerProduct", "fc", [], [], {0: 2, 1: 1, 2: 4})
    data = pack_bin([(np.ones((2, 2), np.float32), np.ones(2, np.float32), False)])
    with pytest.raises(ValueError, match="left over"):
        unpack_ncnn_weights([layer], data + b"\0")
    with pytest.raises(ValueError, match="end of the file"):
        unpack_ncnn_weights([layer], data[:-1])
    with pytest.raises(ValueError, match="0x00000001"):
        unpack_ncnn_weights([layer], b"\1" + data[1:])
    with pytest.raises(ValueError, match="one flag for each"):
        pack_ncnn_weights([(np.ones(1), None)], [True, False])
