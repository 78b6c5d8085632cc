"""`parse_pbtxt` against protobuf's own text format, on generated texts of a schema that is made here."""

from importlib import import_module

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from utils.serving.triton import parse_pbtxt

exercise = import_module("autograder.exercises.ch28_triton_containers.parse_pbtxt")  # its writer of random texts
FIELD = descriptor_pb2.FieldDescriptorProto
TYPES = {"ints": FIELD.TYPE_INT64, "floats": FIELD.TYPE_DOUBLE, "flags": FIELD.TYPE_BOOL, "texts": FIELD.TYPE_STRING, "kinds": FIELD.TYPE_ENUM, "inner": FIELD.TYPE_MESSAGE}
WORDS = ("KIND_AUTO", "KIND_GPU", "TYPE_FP32")


def node_class():
    """message Node with a repeated field of each type, `inner` being Nodes."""
    file = descriptor_pb2.FileDescriptorProto(name="node.proto", package="test", syntax="proto3")
    enum = file.enum_type.add(name="Kind")
    for number, name in enumerate(WORDS):
        enum.value.add(name=name, number=number)
    node = file.message_type.add(name="Node")
    for number, (name, kind) in enumerate(TYPES.items(), 1):
        field = node.field.add(name=name, number=number, type=kind, label=FIELD.LABEL_REPEATED)
        if name in ("kinds", "inner"):
            field.type_name = ".test.Kind" if name == "kinds" else ".test.Node"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Node"))


NODE = node_class()


def as_dict(message):
    """A message in the form of parse_pbtxt, whose empty fields are left out."""
    found = {}
    for field, values in message.ListFields():
        read = {"inner": as_dict, "kinds": WORDS.__getitem__}.get(field.name, lambda v: v)
        found[field.name] = [read(v) for v in values]
    return found


def without_empty(fields):
    return {name: [without_empty(v) if isinstance(v, dict) else v for v in values] for name, values in fields.items() if values}


def as_floats(fields):
    """Whole numbers of the double field are read as int from the text alone."""
    return {name: [as_floats(v) if isinstance(v, dict) else float(v) if name == "floats" else v for v in values] for name, values in fields.items()}


def random_text(rng, depth=2):
    return exercise._written(rng, random_tree(rng, depth))


def random_tree(rng, depth):
    names = [n for n in rng.permutation(list(TYPES)).tolist() if rng.random() < 0.5 and (n != "inner" or depth)]
    make = {"ints": lambda: int(rng.integers(-(2**40), 2**40)), "floats": lambda: float(rng.normal()), "flags": lambda: bool(rng.random() < 0.5),
            "texts": lambda: str(rng.choice([t for t in exercise._TEXTS if t != "TYPE_FP32"])), "kinds": lambda: Bare(rng.choice(WORDS)), "inner": lambda: random_tree(rng, depth - 1)}
    return {name: [make[name]() for _ in range(int(rng.integers(1, 4)))] for name in names}


class Bare:
    """A word that is written without quotes."""

    def __init__(self, word):
        self.word = str(word)

    def __str__(self):
        return self.word


@pytest.mark.parametrize("seed", range(120))
def test_generated_texts(seed):
    text = random_text(np.random.default_rng(seed))
    ours, theirs = parse_pbtxt(text), as_dict(text_format.Parse(text, NODE()))
    assert as_floats(without_empty(ours)) == theirs


@pytest.mark.parametrize("text", [
    "ints: 0x1F ints: 017 ints: -0x10", "floats: 1f floats: .5e-3 floats: 2.", "texts: 'a' \"b\" texts: \"c\"", "inner < ints: 1 > inner: < ints: 2 >", "ints: 1, ints: 2; inner { ints: [3, 4] },",
    r"""texts: "\n\t\r\\\"\'\a\b\f\v" """, "inner: [ { }, { ints: [] } ]", "flags: true flags: false kinds: KIND_GPU", "# nothing\n\n", "ints:-1 floats:-2.5",
])
def test_forms_of_the_language(text):
    assert as_floats(without_empty(parse_pbtxt(text))) == as_dict(text_format.Parse(text, NODE()))


@pytest.mark.parametrize("text", ["ints 1", "ints: [1", "inner {", "inner { ] }", "ints: 1 }", "texts: 'a\nb'", "ints: @", "ints: [1 2]", "ints [1]", "inner: [ { } ", "ints: : 1", "1: 2", "ints:", "inner }"])
def test_both_refuse(text):
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text, NODE())
    with pytest.raises(ValueError, match="line 1"):
        parse_pbtxt(text)
