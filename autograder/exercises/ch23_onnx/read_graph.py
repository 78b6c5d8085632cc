"""Exercise 23.read_graph: versions, nodes and weights of a file, from its bytes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from utils.graphs import protobuf
from utils.graphs.protobuf import encode_field, encode_varint

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

RELU = bytes.fromhex("08083a3d0a0c0a0178120179220452656c751201675a140a0178120f0a0d080112090a0312014e0a02080262140a0179120f0a0d08"
                     "0112090a0312014e0a02080242040a001011")
FORBIDDEN = {"onnx", "onnxruntime", "google", "utils", "importlib"}


def _forbid(tree: ast.AST) -> str | None:
    """A library that reads the file for the learner."""
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        names += [node.id] if isinstance(node, ast.Name) and node.id == "__import__" else []
        for name in names:
            if name.split(".")[0] in FORBIDDEN or name == "__import__":
                return f"The cell imports {name}. Read the bytes yourself: four wire types are all there is."
    return None


# --- a reader with switches for the mistakes ----------------------------------------------------


def _varint(buf: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buf[pos]
        value, shift, pos = value | (byte & 127) << shift, shift + 7, pos + 1
        if byte < 128:
            return value, pos


def _byte(buf: bytes, pos: int) -> tuple[int, int]:
    return buf[pos], pos + 1


def _fields(buf: bytes, tag: Callable = _varint, length: Callable = _varint,
            number: Callable = _varint) -> Iterator[tuple[int, int, Any]]:
    pos = 0
    while pos < len(buf):
        word, pos = tag(buf, pos)
        kind = word & 7
        if kind == 0:
            value, pos = number(buf, pos)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, pos = length(buf, pos)
            value, pos = buf[pos : pos + size], pos + size
        yield word >> 3, kind, value


def _dims(values: list[tuple[int, Any]]) -> tuple[int, ...]:
    """Both forms: one number a field, or all of them in one."""
    dims: list[int] = []
    for kind, value in values:
        if kind == 0:
            dims.append(value)
            continue
        pos = 0
        while pos < len(value):
            number, pos = _varint(value, pos)
            dims.append(number)
    return tuple(dims)


KNOWN = {"model": {1, 7, 8}, "graph": {1, 5}, "node": {1, 2, 4}, "tensor": {1, 8}, "opset": {1, 2}}


def _reader(dims: Callable[[list], Any] = _dims, text: Callable[[bytes], Any] = lambda raw: raw.decode(),
            stop: str | None = None, names: Callable[[list], list] = list, domain: Callable[[list], Any] | None = None,
            keep: Callable[[Any], bool] = lambda shape: True, wire: dict | None = None) -> Callable[[bytes], dict]:
    """An answer; each argument is the place of one mistake. `stop`: what happens at an unknown field."""
    domain = domain or (lambda found: found[-1] if found else "")

    def read(buf: bytes, message: str) -> dict[int, list[tuple[int, Any]]]:
        found: dict[int, list] = {}
        for number, kind, value in _fields(buf, **(wire or {})):
            if stop and number not in KNOWN[message]:
                if stop == "break":
                    break
                raise ValueError(f"unknown field {number}")
            found.setdefault(number, []).append((kind, value))
        return found

    def texts(found: dict, number: int) -> list:
        return [text(value) for _, value in found.get(number, [])]

    def answer(model: bytes) -> dict:
        top = read(model, "model")
        opset, nodes, initializers = {}, [], {}
        for _, raw in top.get(8, []):
            entry = read(raw, "opset")
            opset[domain(texts(entry, 1))] = entry[2][-1][1]
        graph = read(top[7][0][1], "graph")
        for _, raw in graph.get(1, []):
            node = read(raw, "node")
            nodes.append((texts(node, 4)[-1], names(texts(node, 1)), names(texts(node, 2))))
        for _, raw in graph.get(5, []):
            tensor = read(raw, "tensor")
            shape = dims(tensor.get(1, []))
            if keep(shape):
                initializers[texts(tensor, 8)[-1]] = shape
        return {"ir_version": top[1][-1][1], "opset": opset, "nodes": nodes, "initializers": initializers}

    return answer


def _packed_as_bytes(values: list) -> tuple:
    return tuple(number for kind, value in values for number in ([value] if kind == 0 else value))


def _packed_first_only(values: list) -> tuple:
    return tuple(value if kind == 0 else _varint(value, 0)[0] for kind, value in values)


def _packed_as_text(values: list) -> tuple:
    return tuple(value if kind == 0 else value.decode(errors="replace") for kind, value in values)


def _needs_domain(found: list) -> Any:
    return found[0]  # IndexError when the writer left it out


# --- right answers ------------------------------------------------------------------------------


def _with_a_cursor(model: bytes) -> dict:
    """A class with a position, the messages read one inside the other."""

    class Cursor:
        def __init__(self, buf: bytes) -> None:
            self.buf, self.pos = buf, 0

        def number(self) -> int:
            value, self.pos = _varint(self.buf, self.pos)
            return value

        def take(self, n: int) -> bytes:
            self.pos += n
            return self.buf[self.pos - n : self.pos]

        def field(self) -> tuple[int, Any]:
            key = self.number()
            kind = key % 8
            if kind == 0:
                return key // 8, self.number()
            return key // 8, self.take({1: 8, 5: 4}[kind] if kind in (1, 5) else self.number())

    def walk(buf: bytes) -> Iterator[tuple[int, Any]]:
        cursor = Cursor(buf)
        while cursor.pos < len(buf):
            yield cursor.field()

    result: dict = {"ir_version": 0, "opset": {}, "nodes": [], "initializers": {}}
    for number, value in walk(model):
        if number == 1:
            result["ir_version"] = value
        elif number == 8:
            entry = dict(walk(value))
            result["opset"][entry.get(1, b"").decode()] = entry[2]
        elif number == 7:
            for inner, raw in walk(value):
                parts = list(walk(raw)) if inner in (1, 5) else []
                if inner == 1:
                    op = next(v for n, v in parts if n == 4).decode()
                    result["nodes"].append((op, [v.decode() for n, v in parts if n == 1], [v.decode() for n, v in parts if n == 2]))
                elif inner == 5:
                    shape: list[int] = []
                    for n, v in parts:
                        if n == 1 and isinstance(v, int):
                            shape.append(v)
                        elif n == 1:
                            packed = Cursor(v)
                            while packed.pos < len(v):
                                shape.append(packed.number())
                    result["initializers"][next(v for n, v in parts if n == 8).decode()] = tuple(shape)
    return result


def _with_a_stack(model: bytes) -> dict:
    """No recursion: pairs of a message's kind and its bytes wait in a list."""
    out: dict = {"ir_version": 0, "opset": {}, "nodes": [], "initializers": {}}
    waiting = [("model", model)]
    while waiting:
        kind, buf = waiting.pop(0)
        found: dict[int, list] = {}
        for number, wire, value in _fields(buf):
            found.setdefault(number, []).append((wire, value))
        if kind == "model":
            out["ir_version"] = found.get(1, [(0, 0)])[-1][1]
            waiting += [("opset", v) for _, v in found.get(8, [])] + [("graph", v) for _, v in found.get(7, [])]
        elif kind == "graph":
            waiting += [("node", v) for _, v in found.get(1, [])] + [("tensor", v) for _, v in found.get(5, [])]
        elif kind == "node":
            names = {n: [v.decode("utf-8") for _, v in found.get(n, [])] for n in (1, 2, 4)}
            out["nodes"].append((names[4][0], names[1], names[2]))
        elif kind == "opset":
            out["opset"][b"".join(v for _, v in found.get(1, [])).decode()] = found[2][0][1]
        else:
            out["initializers"][found[8][0][1].decode()] = _dims(found.get(1, []))
    return out


# --- models -------------------------------------------------------------------------------------


def _skipped(rng: np.random.Generator, number: int) -> bytes:
    """A field of a type that the reader must jump over; the content looks like fields itself."""
    kind = int(rng.choice([0, 1, 2, 5]))
    key = encode_varint(number << 3 | kind)
    if kind == 0:
        return key + encode_varint(int(rng.integers(0, 2**40)))
    if kind == 2:
        content = encode_field(1, "not this") + encode_field(8, b"\x08\x07") + bytes(int(rng.integers(0, 200)))
        return key + encode_varint(len(content)) + content
    return key + rng.bytes(8 if kind == 1 else 4)


def _shuffled(rng: np.random.Generator, parts: list[bytes], extras: list[bytes]) -> bytes:
    """The parts in their order, with what is to be skipped anywhere between them."""
    for extra in extras:
        parts.insert(int(rng.integers(0, len(parts) + 1)), extra)
    return b"".join(parts)


def _tensor(rng: np.random.Generator, name: str) -> bytes:
    shape = [int(d) for d in rng.choice([0, 1, 3, 7, 64, 127, 128, 300, 1000, 2048, 70_000], int(rng.integers(0, 5)))]
    packed = bool(rng.integers(2)) and bool(shape)
    dims = [encode_field(1, b"".join(map(encode_varint, shape)))] if packed else [encode_field(1, d) for d in shape]
    raw = encode_field(9, bytes(int(rng.choice([0, 4, 130, 300]))))
    return _shuffled(rng, [*dims, encode_field(2, 1), encode_field(8, name), raw], [_skipped(rng, 21)] * int(rng.integers(2)))


def _node(rng: np.random.Generator, index: int, names: list[str]) -> bytes:
    inputs = [str(n) for n in rng.choice([*names, ""], int(rng.integers(0, 4)))]
    outputs = [f"t{index}"] + [f"t{index}'"] * int(rng.integers(2))
    op = str(rng.choice(["Relu", "Conv", "Gemm", "Clip", "卷积", "LayerNormalization"]))
    parts = [encode_field(1, n) for n in inputs] + [encode_field(2, n) for n in outputs] + [encode_field(4, op)]
    attribute = encode_field(1, "value") + encode_field(5, encode_field(1, 9) + encode_field(8, "inner")) + encode_field(20, 4)
    extras = [encode_field(3, f"node {index}"), encode_field(5, attribute), encode_field(7, "my.domain"), _skipped(rng, 40)]
    chosen = [e for e in extras if rng.integers(2)]
    return _shuffled(rng, parts, chosen)


def _model(rng: np.random.Generator) -> bytes:
    names = ["x", "weight", "größe"]
    weights = [str(n) for n in rng.permutation(["weight", "größe", "b"])[: int(rng.integers(0, 4))]]
    graph_parts = [encode_field(1, _node(rng, i, names)) for i in range(int(rng.integers(1, 5)))]
    graph_parts += [encode_field(5, _tensor(rng, name)) for name in weights]
    info = encode_field(1, "x") + encode_field(2, encode_field(1, encode_field(1, 1)))
    graph = _shuffled(rng, graph_parts, [encode_field(2, "g"), encode_field(11, info), encode_field(12, info), _skipped(rng, 19)])
    opset = [encode_field(2, int(rng.integers(7, 29)))]
    if rng.integers(2):
        opset = [encode_field(1, ""), *opset]  # onnx writes the empty domain, others leave it out
    imports = [encode_field(8, b"".join(opset))]
    if rng.integers(2):
        imports.append(encode_field(8, encode_field(2, 300) + encode_field(1, "com.microsoft")))
    parts = [encode_field(1, int(rng.integers(3, 15))), encode_field(7, graph), *imports]
    return _shuffled(rng, parts, [encode_field(2, "exporter"), encode_field(14, encode_field(1, "k")), _skipped(rng, 20), _skipped(rng, 50)])


def _draw(rng: np.random.Generator) -> Case:
    model = _model(rng)
    return Case(model, label=f"a model of {len(model):,} bytes")


def _small(*parts: bytes, label: str) -> Case:
    return Case(b"".join(parts), label=label)


_RELU_NODE = encode_field(1, "x") + encode_field(2, "y") + encode_field(4, "Relu")


def _with_tensor(*fields: bytes, label: str) -> Case:
    graph = encode_field(1, _RELU_NODE) + encode_field(5, b"".join(fields))
    return _small(encode_field(1, 8), encode_field(7, graph), encode_field(8, encode_field(2, 17)), label=label)


HIDDEN = [
    _with_tensor(encode_field(1, 64), encode_field(1, 3), encode_field(2, 1), encode_field(8, "w"), label="dims (64, 3), one field each"),
    _with_tensor(encode_field(1, b"\x40\x03"), encode_field(8, "w"), label="dims (64, 3), packed"),
    _with_tensor(encode_field(1, b"\xac\x02\x80\x10"), encode_field(8, "w"), label="dims (300, 2048), packed"),
    _with_tensor(encode_field(2, 1), encode_field(8, "s"), encode_field(9, bytes(4)), label="a scalar: no dims"),
    _small(encode_field(1, 10), encode_field(20, b"training"), encode_field(7, encode_field(1, _RELU_NODE)),
           encode_field(8, encode_field(1, "my.ops") + encode_field(2, 1)), label="field 20, and the domain my.ops"),
    _small(encode_field(1, 9), encode_field(7, encode_field(1, encode_field(1, "x") + encode_field(1, "") + encode_field(1, "hi")
           + encode_field(2, "y") + encode_field(4, "Clip"))), encode_field(8, encode_field(1, "") + encode_field(2, 18)), label="Clip without a lower bound"),
    _small(encode_field(1, 9), encode_field(7, encode_field(2, "empty")), encode_field(8, encode_field(2, 130)), label="no nodes, opset 130"),
]  # fmt: skip


def _show(value: Any) -> str:
    return f'bytes.fromhex("{value.hex()[:40]}…")' if isinstance(value, bytes) else repr(value)


read_graph = Exercise(
    id="23.read_graph", points=4, difficulty=3, minutes=15, idea="a message is a row of fields; what you do not know you skip",
    reference=protobuf.read_graph,
    cases=[Case(RELU, label="the 71 bytes of the Relu model")],
    hidden=HIDDEN, draw=_draw, draws=30, compare=exact(), show=_show, forbid=_forbid,
    misconceptions=[
        Misconception(
            "stops_at_the_unknown", _reader(stop="break"),
            "You stop (or raise) at a field that you do not know. Protobuf readers skip what they do not know: that is how a reader of "
            "IR version 8 can look into a file of version 10. The wire type says where the next field begins.",
            "Unknown fields are skipped.", also=(_reader(stop="raise"),)),
        Misconception(
            "last_of_repeated", _reader(names=lambda found: found[-1:]),
            "Of the inputs and outputs you keep the last one only. A repeated field occurs once for each value: collect them in a list.",
            "Repeated fields add up."),
        Misconception(
            "first_of_repeated", _reader(names=lambda found: found[:1]),
            "Of the inputs and outputs you keep the first one only. A repeated field occurs once for each value: collect them in a list.",
            "Repeated fields add up."),
        Misconception(
            "domain_needed", _reader(domain=_needs_domain),
            "You expect every entry of opset_import to name its domain. The empty domain is the default one, and a writer may leave out "
            "what has its default value.",
            "The domain may be absent.", also=(_reader(domain=lambda found: found[-1] if found else None),
                                               _reader(domain=lambda found: found[-1] if found else "ai.onnx"))),
        Misconception(
            "packed_as_bytes", _reader(dims=_packed_as_bytes),
            "Packed dims are taken byte by byte. They are varints one after another: 300 takes two bytes.",
            "Packed numbers are varints."),
        Misconception(
            "packed_as_text", _reader(dims=_packed_as_text),
            "Length-delimited dims become text or bytes. The wire type alone does not tell what is inside: field 1 of a tensor is numbers, "
            "and packed they share one field.",
            "Packed dims are numbers.", also=(_reader(dims=lambda values: tuple(value for _, value in values)),)),
        Misconception(
            "packed_first_only", _reader(dims=_packed_first_only),
            "Of packed dims you keep the first number. Go on until the field's content is used up.",
            "One field, several numbers."),
        Misconception(
            "packed_ignored", _reader(dims=lambda values: tuple(value for kind, value in values if kind == 0)),
            "Packed dims are left out, so the tensor looks like a scalar. Numbers may come one a field (wire type 0) or all in one "
            "(wire type 2).",
            "Dims may be packed."),
        Misconception(
            "unpacked_last", _reader(dims=lambda values: _dims(values[-1:])),
            "Of dims that come one a field you keep the last. Collect them all.",
            "One dimension is left."),
        Misconception(
            "scalars_dropped", _reader(keep=lambda shape: len(shape) > 0),
            "An initializer without dims is missing from your result. It is a scalar, and its shape is ().",
            "Scalars are tensors too."),
        Misconception(
            "absent_inputs_dropped", _reader(names=lambda found: [name for name in found if name]),
            "You leave out empty names. Their place counts: in Clip(x, \"\", hi) the third input is the upper bound.",
            "An empty name holds its place."),
        Misconception(
            "one_byte_tags", _reader(wire={"tag": _byte}),
            "You read one byte as the tag. A tag is a varint: from field number 16 on it takes two bytes.",
            "A tag is a varint.", also=(_reader(wire={"tag": _byte, "length": _byte}),)),
        Misconception(
            "one_byte_lengths", _reader(wire={"length": _byte}),
            "You read one byte as the length. It is a varint as well: content of 128 bytes or more has a length of two bytes.",
            "A length is a varint."),
        Misconception(
            "one_byte_numbers", _reader(wire={"number": _byte}),
            "You read numbers of wire type 0 as single bytes. They are varints: a dimension of 300 takes two bytes.",
            "Numbers are varints."),
        Misconception(
            "bytes_for_names", _reader(text=lambda raw: raw),
            "Your names are bytes. They are UTF-8 text: decode them.",
            "Names are text.", also=(_reader(text=lambda raw: raw.decode("latin-1")),)),
    ],
    alternatives=[_reader(), _with_a_cursor, _with_a_stack],
    hints=(
        "Write a generator `fields(buf)` first: read the tag as a varint, then number = tag >> 3 and wire type = tag & 7, then the "
        "content by the wire type.",
        "The content of a message is again a row of fields: call `fields` on it. Collect what you know by its number; everything else "
        "has been skipped by then.",
        "For dims: an int (wire type 0) is one dimension. Bytes (wire type 2) hold varints until they are used up.",
    ),
    worth_knowing="Field numbers never change their meaning. So the same reader opens files of IR version 3 and of version 14.",
)
