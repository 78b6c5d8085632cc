"""Exercise 20.pack_bin: ncnn's weight file, byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines import mobile_formats

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

FP16_FLAG = 0x01306B47
Layer = tuple[np.ndarray, np.ndarray | None, bool]


def _flag(fp16: bool) -> bytes:
    return struct.pack("<I", FP16_FLAG if fp16 else 0)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _halves(weight: np.ndarray) -> bytes:
    return _padded(weight.astype("<f2").tobytes())


def _singles(array: np.ndarray) -> bytes:
    return array.astype("<f4").tobytes()


def _require(weight: np.ndarray, fp16: bool) -> None:
    if fp16 and (np.abs(weight) > 65504).any():
        raise ValueError("a weight is too large for float16")


def _pack(*, flag: Callable[[bool], bytes] = _flag, halves: Callable[[np.ndarray], bytes] = _halves, singles: Callable[[np.ndarray], bytes] = _singles,
          bias: Callable[[np.ndarray, bool], bytes] = lambda b, fp16: _singles(b), shape: Callable[[np.ndarray], np.ndarray] = lambda w: w,
          check: bool = True) -> Callable:
    """An answer from how flag, weights and bias become bytes."""

    def answer(layers: list[Layer]) -> bytes:
        parts = []
        for weight, b, fp16 in layers:
            if check:
                _require(weight, fp16)
            with np.errstate(over="ignore"):
                parts += [flag(fp16), halves(shape(weight)) if fp16 else singles(shape(weight))]
            if b is not None:
                parts.append(bias(b, fp16))
        return b"".join(parts)

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _pack(**rules), "also": (_pack(**rules, check=False),)}


def _dense_transposed(weight: np.ndarray) -> np.ndarray:
    return weight.T if weight.ndim == 2 else weight


def _one_flag(layers: list[Layer]) -> bytes:
    """A single flag at the start of the file."""
    body = _pack(flag=lambda fp16: b"")(layers)
    return (_flag(any(fp16 for _, _, fp16 in layers)) if layers else b"") + body


def _weights_first(layers: list[Layer]) -> bytes:
    """All weights, then all biases."""
    weights = _pack()([(weight, None, fp16) for weight, _, fp16 in layers])
    return weights + b"".join(_singles(b) for _, b, _ in layers if b is not None)


def _with_struct(layers: list[Layer]) -> bytes:
    """Number by number, with the standard library alone."""
    data = bytearray()
    for weight, bias, fp16 in layers:
        numbers = weight.ravel(order="C").tolist()
        if fp16 and any(abs(n) > 65504 for n in numbers):
            raise ValueError("too large for float16")
        data += struct.pack(f"<I{len(numbers)}{'e' if fp16 else 'f'}", FP16_FLAG if fp16 else 0, *numbers)
        while len(data) % 4:
            data.append(0)
        if bias is not None:
            data += struct.pack(f"<{bias.size}f", *bias.tolist())
    return bytes(data)


def _with_buffers(layers: list[Layer]) -> bytes:
    """Everything as arrays of 32-bit words."""
    words = []
    for weight, bias, fp16 in layers:
        flat = np.ascontiguousarray(weight).reshape(-1)
        if fp16:
            if flat.size and np.abs(flat).max() > 65504:
                raise ValueError("out of float16's range")
            flat = np.append(flat, np.zeros(flat.size % 2, flat.dtype)).astype(np.float16)
            words += [np.array([FP16_FLAG], "<u4"), flat.astype("<f2").view("<u4")]
        else:
            words += [np.zeros(1, "<u4"), flat.astype("<f4").view("<u4")]
        if bias is not None:
            words.append(np.asarray(bias, "<f4").view("<u4"))
    return b"".join(word.tobytes() for word in words)


def _same_bytes(expected: Any, got: Any, case: Any = None) -> str | None:
    """Equal bytes; otherwise the first place where they part."""
    if type(got) is not bytes:
        return exact()(expected, got, case)
    if got == expected:
        return None
    at = next((i for i, (e, g) in enumerate(zip(expected, got)) if e != g), min(len(expected), len(got)))
    if len(got) != len(expected):
        return f"{len(got)} bytes, expected {len(expected)}; they part at byte {at}"
    return f"byte {at} is 0x{got[at]:02x}, expected 0x{expected[at]:02x}"


# --- cases ----------------------------------------------------------------------------------------


def _told(layers: list[Layer]) -> str:
    parts = [f"{w.shape} {'fp16' if fp16 else 'fp32'}{'' if b is None else ' + bias'}" for w, b, fp16 in layers]
    return f"{len(layers)} layer{'s' * (len(layers) > 1)}: " + ", ".join(parts) if layers else "no layers"


def _layer(shape: tuple[int, ...], bias: bool, fp16: bool, order: str = "C") -> Layer:
    weight = np.array((np.arange(int(np.prod(shape))) - 5).reshape(shape) / 8, np.float32, order=order)
    return weight, (np.arange(shape[0]) + 0.5).astype(np.float32) if bias else None, fp16


def _case(*layers: Layer, label: str = "") -> Case:
    return Case(list(layers), label=label or _told(list(layers)))


def _draw(rng: np.random.Generator) -> Case:
    layers = []
    for _ in range(int(rng.integers(1, 4))):
        shape = tuple(int(n) for n in (rng.integers(1, 5, 4) if rng.random() < 0.4 else rng.integers(1, 8, 2)))
        weight = (rng.standard_normal(shape) * 10.0 ** rng.integers(-5, 4)).astype(np.float32)
        layers.append((weight, rng.standard_normal(shape[0]).astype(np.float32) if rng.random() < 0.7 else None, bool(rng.random() < 0.5)))
    return _case(*layers)


def _large(value: float, fp16: bool = True) -> Layer:
    return np.array([[1.0, value, 2.0]], np.float32), np.array([1e6], np.float32), fp16


def _show(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)[:70]
    return f"{len(value)} bytes: {value[:10].hex(' ')}{' …' if len(value) > 10 else ''}"


pack_bin = Exercise(
    id="20.pack_bin", points=4, difficulty=2, minutes=12, idea="a file without names: every byte has its place",
    reference=mobile_formats.pack_bin, compare=_same_bytes, show=_show, time_limit_s=3,
    cases=[_case(_layer((3, 5), True, False)), _case(_layer((3, 5), True, True)), _case(_layer((2, 2), False, True), _layer((3, 1), True, False))],
    hidden=[
        _case(), _case(_layer((8, 1, 3, 3), True, False)), _case(_layer((2, 4), True, True)), _case(_layer((1, 1), False, True)), _case(_layer((4, 3), False, False)),
        _case(_layer((5, 3, 1, 1), True, True), _layer((2, 5), True, True)), _case(_layer((3, 4), True, False, "F"), _layer((3, 5), False, True, "F"), label="two weights in Fortran order"),
        _case(_large(65504.0), label="a weight of 65504 as fp16, bias 1e6"), _case(_large(-65504.0), label="a weight of -65504 as fp16, bias 1e6"),
        _case(_large(1e30, False), label="a weight of 1e30 as fp32"), _case((np.array([[1e-7, 3.14159, 1 / 3]], np.float32), None, True), label="weights that fp16 rounds"),
        _case((np.array([[0.0, -0.0]], np.float32), None, False), label="0.0 and -0.0 as fp32"),
    ],
    draw=_draw, draws=30,
    raises=[_case(_large(65536.0), label="a weight of 65536 as fp16"), _case(_large(65504.5), label="a weight of 65504.5 as fp16"), _case(_large(-1e5), label="a weight of -1e5 as fp16"), _case(_large(np.inf), label="an infinite weight as fp16"),
            _case(_large(66000.0, False), _large(66000.0), label="66000 as fp32, then as fp16")],
    misconceptions=[
        Misconception(
            "flag_before_bias", **_both(bias=lambda b, fp16: _flag(False) + _singles(b)),
            message="ncnn reads no flag before a bias. It takes your four bytes for the first number, and everything behind them is shifted, to the end of the file.",
            title="A bias has no flag."),
        Misconception(
            "no_padding", **_both(halves=lambda w: w.astype("<f2").tobytes()),
            message="An odd number of halves ends in the middle of a 32-bit word. ncnn reads on at the next multiple of four bytes, so two bytes are missing.",
            title="The padding is missing."),
        Misconception(
            "always_padded", **_both(halves=lambda w: w.astype("<f2").tobytes() + b"\0\0"),
            message="You pad an even number of halves too. It already ends at a multiple of four bytes.",
            title="There is padding where none is needed."),
        Misconception(
            "big_endian", **_both(flag=lambda fp16: struct.pack(">I", FP16_FLAG if fp16 else 0), halves=lambda w: _padded(w.astype(">f2").tobytes()),
                                  singles=lambda w: w.astype(">f4").tobytes(), bias=lambda b, fp16: b.astype(">f4").tobytes()),
            message="Your numbers have their most significant byte first. ncnn reads little-endian: in `struct` that is `<`, in a NumPy dtype `<f4`.",
            title="The byte order is reversed."),
        Misconception(
            "dense_transposed", **_both(shape=_dense_transposed),
            message="You transpose the weights with two axes. ncnn's InnerProduct keeps them as ONNX and PyTorch do: all inputs of the first output, then those of "
                    "the second.",
            title="A dense weight stays as it is."),
        Misconception(
            "bias_as_halves", **_both(bias=lambda b, fp16: _halves(b) if fp16 else _singles(b)),
            message="Only weights are stored as float16. A bias is small and stays float32.",
            title="A bias stays float32."),
        Misconception(
            "no_flag_for_fp32", **_both(flag=lambda fp16: _flag(True) if fp16 else b""),
            message="A float32 weight has a flag too: four zero bytes. Without it, ncnn takes your first number for the flag.",
            title="Float32 needs its flag."),
        Misconception(
            "one_flag_a_file", _one_flag,
            "The flag belongs to a weight, not to the file: each layer says for itself how it is stored.",
            "Every weight has its own flag."),
        Misconception(
            "weights_before_biases", _weights_first,
            "You write all weights first and all biases after them. ncnn reads layer by layer: weight, bias, next weight.",
            "A bias follows its weight."),
        Misconception(
            "range_unchecked", _pack(check=False),
            "Beyond 65504 a float16 is infinite, and a single infinite weight makes the output useless. Refuse it before you convert.",
            "An overflow goes unnoticed."),
    ],
    alternatives=[_pack(), _with_struct, _with_buffers],
    hints=(
        "`struct.pack(\"<I\", flag)` makes four little-endian bytes; `weight.astype(\"<f2\").tobytes()` makes halves in C order.",
        "Pad the halves of one weight: `data + bytes(-len(data) % 4)`.",
        "Check `np.abs(weight).max()` against 65504 before you convert to float16.",
    ),
    worth_knowing="ncnn has a flag for int8 weights too, 0x000D4B38. Most other non-zero values make it read a table of 256 numbers and one byte a weight.",
)
