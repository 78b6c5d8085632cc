"""Exercise 28.encode_v2: a tensor as raw bytes behind a JSON header."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.serving.triton import wire

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

PROBE = "ch28_triton_containers.encoded"
_TYPES = {"f4": "FP32", "i8": "INT64", "u1": "UINT8", "b1": "BOOL"}


def _datatype(x: np.ndarray) -> str:
    if x.dtype.str[1:] not in _TYPES:
        raise ValueError(f"unknown dtype {x.dtype}")
    return _TYPES[x.dtype.str[1:]]


def _answer(*, raw: Callable[[np.ndarray], bytes] = wire.tensor_bytes, size: Callable[[np.ndarray, bytes], int] = lambda x, raw: len(raw),
            length: Callable[[str, bytes], int] = lambda text, body: len(text.encode()), ascii_only: bool = True, check: bool = True,
            separators: tuple[str, str] | None = (",", ":"), shape: Callable[[np.ndarray], list] = lambda x: list(x.shape),
            datatype: Callable[[np.ndarray], str] = _datatype, wanted: Callable[[str], dict] = lambda name: {"name": name, "parameters": {"binary_data": True}},
            order: tuple[str, ...] = ("name", "shape", "datatype", "parameters"), extra: bytes = b"") -> Callable:
    """An answer from its rules; with its defaults it is right."""

    def answer(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
        if check:
            _datatype(x)
        data = raw(x)
        one: dict[str, Any] = {"name": name, "shape": shape(x), "datatype": datatype(x), "parameters": {"binary_data_size": size(x, data)}}
        message = {"inputs": [{key: one[key] for key in order}], "outputs": [wanted(output)]}
        text = json.dumps(message, separators=separators, ensure_ascii=ascii_only)
        body = text.encode() + extra + data
        return body, length(text, body)

    return answer


def _as_json(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
    """The tensor as numbers in the JSON."""
    message = {"inputs": [{"name": name, "shape": list(x.shape), "datatype": _datatype(x), "data": x.ravel().tolist()}],
               "outputs": [{"name": output, "parameters": {"binary_data": True}}]}
    text = json.dumps(message, separators=(",", ":")).encode()
    return text, len(text)


def _as_json_and_bytes(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
    text, length = _as_json(name, x, output)
    return text + wire.tensor_bytes(x), length


def _nested_json(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
    message = {"inputs": [{"name": name, "shape": list(x.shape), "datatype": _datatype(x), "data": x.tolist()}],
               "outputs": [{"name": output, "parameters": {"binary_data": True}}]}
    text = json.dumps(message, separators=(",", ":")).encode()
    return text, len(text)


def _loose_names(x: np.ndarray) -> str:
    return {"f": "FP", "i": "INT", "u": "UINT", "b": "BOOL"}.get(x.dtype.kind, "?") + ("" if x.dtype.kind == "b" else str(8 * x.dtype.itemsize))


def _with_struct(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
    """Packs each element by itself."""
    letters = {("f", 4): ("f", "FP32"), ("i", 8): ("q", "INT64"), ("u", 1): ("B", "UINT8"), ("b", 1): ("?", "BOOL")}
    if (x.dtype.kind, x.dtype.itemsize) not in letters:
        raise ValueError(f"dtype {x.dtype} can't be sent")
    letter, datatype = letters[x.dtype.kind, x.dtype.itemsize]
    numbers = [x[index].item() for index in np.ndindex(*x.shape)]
    data = struct.pack(f"<{len(numbers)}{letter}", *numbers)
    quoted, wanted = (json.dumps(n, ensure_ascii=False) for n in (name, output))
    text = (f'{{"inputs":[{{"name":{quoted},"shape":[{",".join(map(str, x.shape))}],"datatype":"{datatype}","parameters":{{"binary_data_size":{len(data)}}}}}],'
            f'"outputs":[{{"name":{wanted},"parameters":{{"binary_data":true}}}}]}}').encode()
    return text + data, len(text)


def _with_buffers(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
    """Joins memory views."""
    for native, wire_type, datatype in ((np.float32, "<f4", "FP32"), (np.int64, "<i8", "INT64"), (np.uint8, "|u1", "UINT8"), (np.bool_, "|b1", "BOOL")):
        if x.dtype.type is native:
            y = np.ascontiguousarray(x, wire_type)
            head = json.dumps({"inputs": [{"name": name, "shape": list(x.shape), "datatype": datatype, "parameters": {"binary_data_size": y.nbytes}}],
                               "outputs": [{"name": output, "parameters": {"binary_data": True}}]}, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
            return b"".join((head, y.reshape(-1).view(np.uint8).tobytes())), len(head)
    raise ValueError("this dtype has no name here")


def _case(numbers: list, shape: list[int], dtype: str, layout: str = "plain", big: bool = False, name: str = "x", output: str = "p", error: str = "", word: str = "") -> Case:
    told = f"{'big-endian ' if big else ''}{dtype} of shape {tuple(shape)}{'' if layout == 'plain' else f', {layout}'}"
    names = "" if (name, output) == ("x", "p") else f", names {name!r} and {output!r}"
    return Case(numbers=numbers, shape=shape, dtype=dtype, layout=layout, big=big, name=name, output=output, label=told + names, error=error, word=word)


def _numbers(rng: np.random.Generator, dtype: str, count: int) -> list:
    if dtype == "bool":
        return (rng.random(count) < 0.5).tolist()
    if dtype == "float32":
        return (rng.integers(-4000, 4000, count) / 8).tolist()
    return rng.integers(0 if dtype == "uint8" else -10**6, 255 if dtype == "uint8" else 10**12, count).tolist()


def _draw(rng: np.random.Generator) -> Case:
    dtype = str(rng.choice(["float32", "int64", "uint8", "bool"]))
    shape = [int(n) for n in rng.integers(1, 5, int(rng.integers(1, 4)))]
    layout = str(rng.choice(["plain", "transposed", "every second", "reversed"]))
    names = [str(n) for n in rng.choice(["x", "images", "input_ids", "图像", "größe", "a\"b", "out", "y"], 2)]
    return _case(_numbers(rng, dtype, int(np.prod(shape))), shape, dtype, layout, bool(rng.random() < 0.5) and dtype in ("float32", "int64"), *names)


def _show(value: Any) -> str:
    """The header's text, and the bytes after it."""
    if not isinstance(value, dict):
        return brief(value)
    return f"{value.get('length', '?')} + {len(value.get('data') or b'')} bytes, {brief(value.get('data') or b'', 40)}"


_TEXT = [1.5, -2.0]
_SIX = [0, 1, 2, 3, 4, 5]

encode_v2 = Exercise(
    id="28.encode_v2", points=4, difficulty=2, minutes=15, idea="JSON header, then raw little-endian bytes in row-major order",
    reference=wire.encode_v2, probe=PROBE,
    cases=[_case(_TEXT, [2], "float32"), _case(_SIX, [2, 3], "int64")],
    hidden=[
        _case(_SIX, [2, 3], "int64", "transposed"), _case(_TEXT, [2], "float32", big=True), _case(_SIX, [3, 2], "float32", "transposed", big=True), _case(_SIX, [6], "int64", "every second"),
        _case(_SIX, [2, 3], "uint8", name="images", output="logits"), _case([True, False, True], [3], "bool"), _case(_TEXT, [2], "float32", name="图像", output="p"),
        _case(_TEXT, [2], "float32", name="x", output="größe"), _case(_SIX, [2, 3], "int64", "reversed", big=True), _case([], [0, 3], "float32"), _case([7], [1, 1, 1], "uint8"),
        _case(list(range(24)), [2, 3, 4], "float32", "transposed"), _case(_SIX, [2, 3], "uint8", "transposed"), _case([True, False, False, True, True, False], [2, 3], "bool", "transposed"),
    ],
    draw=_draw, draws=30, compare=exact(), show=_show,
    raises=[_case(_TEXT, [2], "float64", word="dtype"), _case(_SIX, [6], "int32", word="dtype"), _case(_TEXT, [2], "float16", word="dtype"), _case(_SIX, [6], "uint64", word="dtype"),
            _case(_SIX, [2, 3], "int8", word="dtype"), _case(_SIX, [2, 3], "float64", big=True, word="dtype")],
    misconceptions=[
        Misconception(
            "machine_order", _answer(raw=lambda x: x.tobytes()),
            "A big-endian array goes out as it lies in memory. On the wire the bytes are little-endian, whatever the array's dtype says.",
            "The wire is little-endian.", also=(_answer(raw=lambda x: np.ascontiguousarray(x).tobytes()),)),
        Misconception(
            "big_endian", _answer(raw=lambda x: x.astype(x.dtype.newbyteorder(">")).tobytes()),
            "You send the most significant byte first, as Internet protocols often do. This one is little-endian.",
            "The wire is little-endian."),
        Misconception(
            "memory_order", _answer(raw=lambda x: x.astype(x.dtype.newbyteorder("<"), order="K").tobytes(order="A")),
            "A transposed array goes out in the order of its memory. The receiver reads row by row (the last index runs fastest), so that is how it must be written.",
            "Row-major order.", also=(_answer(raw=lambda x: x.astype(x.dtype.newbyteorder("<")).tobytes(order="F")),)),
        Misconception(
            "counts_characters", _answer(ascii_only=False, length=lambda text, body: len(text)),
            "You count the characters of the JSON text. A name such as \"图像\" has more bytes than characters in UTF-8, and the receiver counts bytes.",
            "The length is in bytes."),
        Misconception(
            "content_length", _answer(length=lambda text, body: len(body)),
            "You return the length of the whole body. That is HTTP's Content-Length; the number that is asked says where the JSON ends.",
            "The length counts the JSON only."),
        Misconception(
            "numbers_in_json", _as_json,
            "Your numbers stand in the JSON, under \"data\". That is the other form. Here the JSON says how many bytes follow, and the tensor itself comes after it.",
            "That is the JSON form.", also=(_as_json_and_bytes, _nested_json)),
        Misconception(
            "elements_for_bytes", _answer(size=lambda x, raw: x.size),
            "`binary_data_size` counts bytes, and you give the number of elements. A float32 has 4 bytes, an int64 has 8.",
            "Bytes, not elements."),
        Misconception(
            "spaces", _answer(separators=None),
            "Your JSON has spaces after its commas and colons. Compact JSON is asked: `json.dumps` takes the two separators as an argument.",
            "The JSON is not compact."),
        Misconception(
            "newline_between", _answer(extra=b"\n"),
            "You put something between the JSON and the tensor. The bytes begin right where the JSON ends.",
            "Nothing stands between.", also=(_answer(extra=b"\n", length=lambda text, body: len(text.encode()) + 1),)),
        Misconception(
            "numpy_names", _answer(datatype=lambda x: x.dtype.name.upper()),
            "You write NumPy's name of the type. The protocol has its own: FP32, INT64, UINT8, BOOL.",
            "The protocol's names.", also=(_answer(datatype=lambda x: f"TYPE_{_datatype(x)}"), _answer(datatype=lambda x: x.dtype.name))),
        Misconception(
            "flat_shape", _answer(shape=lambda x: [x.size]),
            "You send the number of elements as the shape. The receiver needs the size of every axis.",
            "The shape has all axes."),
        Misconception(
            "keys_in_another_order", _answer(order=("name", "datatype", "shape", "parameters")),
            "The keys of the input come in another order than asked: name, shape, datatype, parameters.",
            "The order of the keys."),
        Misconception(
            "json_answer", _answer(wanted=lambda name: {"name": name}),
            "You don't ask for the output in binary, so it would come back as JSON. Give the output its parameter `binary_data`.",
            "The answer would come as JSON.", also=(_answer(wanted=lambda name: {"name": name, "parameters": {"binary_data": 1}}),
                                                    _answer(wanted=lambda name: {"name": name, "binary_data": True}))),
        Misconception(
            "any_dtype", _answer(check=False, datatype=_loose_names, raw=lambda x: x.astype(x.dtype.newbyteorder("<")).tobytes()),
            "You send dtypes that are not asked for. float32, int64, uint8 and bool are allowed, everything else is a ValueError with \"dtype\" in its message.",
            "Other dtypes are refused.", also=(_answer(check=False, datatype=lambda x: _TYPES.get(x.dtype.str[1:], "FP32"), raw=lambda x: x.astype("<f4" if x.dtype.str[1:] not in _TYPES else x.dtype.newbyteorder("<")).tobytes()),)),
    ],
    alternatives=[_with_struct, _with_buffers, _answer()],
    hints=(
        "`json.dumps(message, separators=(\",\", \":\")).encode()` makes the header's bytes; its `len` is what you return.",
        "`x.dtype.newbyteorder(\"<\")` is the same dtype in little-endian order; `astype` converts to it.",
        "`tobytes()` writes row by row, whatever the memory looks like.",
    ),
    worth_knowing="For the text's example these bytes are the same as those of NVIDIA's own client, tritonclient 2.73.0.",
)
