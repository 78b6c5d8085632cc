"""Exercise 15.pack_int4: two signed 4-bit values in a byte, and back."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.compression import quantization

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

_PACK, _UNPACK = "ch15_quantization.pack", "ch15_quantization.unpack"


def _pack(values: np.ndarray, *, high_first: bool = False, masked: bool = True, tail: bool = True, lowest: int = -8,
          highest: int = 7, checked: bool = True) -> np.ndarray:
    """Packing with one mistake; with its defaults it is right (an independent formulation)."""
    flat = [int(v) for v in values]
    if checked and any(v < lowest or v > highest for v in flat):
        raise ValueError("a value outside the range")
    if len(flat) % 2:
        flat = [*flat, 0] if tail else flat[:-1]
    codes = [v % 16 if masked else v for v in flat]
    pairs = [(codes[i + 1], codes[i]) if high_first else (codes[i], codes[i + 1]) for i in range(0, len(codes), 2)]
    return np.array([(low | high << 4) % 256 for low, high in pairs], dtype=np.uint8)


def _unpack(data: np.ndarray, n: int, *, high_first: bool = False, signed: bool = True, trimmed: bool = True,
            ) -> np.ndarray:
    """Unpacking with one mistake; with its defaults it is right."""
    nibbles = []
    for byte in data.tolist():
        pair = [byte % 16, byte // 16]
        nibbles += pair[::-1] if high_first else pair
    values = [v - 16 if signed and v >= 8 else v for v in nibbles]
    return np.array(values[:n] if trimmed else values, dtype=np.int8)


def _byte_each(values: np.ndarray) -> np.ndarray:
    if len(values) and (min(values) < -8 or max(values) > 7):
        raise ValueError("outside")
    return (values.astype(np.int64) & 15).astype(np.uint8)


_TABLE = {(a, b): (a & 15) | (b & 15) << 4 for a in range(-8, 8) for b in range(-8, 8)}
_BACK = {byte: pair for pair, byte in _TABLE.items()}


def _pack_by_table(values: np.ndarray) -> np.ndarray:
    padded = [*map(int, values), *[0] * (len(values) % 2)]
    try:
        return np.array([_TABLE[pair] for pair in zip(padded[::2], padded[1::2])], np.uint8)
    except KeyError:
        raise ValueError("not a pair of 4-bit values") from None


def _unpack_by_table(data: np.ndarray, n: int) -> np.ndarray:
    return np.array([v for byte in data for v in _BACK[int(byte)]], np.int8)[:n]


def _pack_by_arithmetic(values: np.ndarray) -> np.ndarray:
    if values.size and not (values.min() >= -8 and values.max() <= 7):
        raise ValueError("outside -8 ... 7")
    codes = np.zeros(values.size + values.size % 2, np.int64)
    codes[: values.size] = values % 16
    return (codes.reshape(-1, 2) @ np.array([1, 16])).astype(np.uint8)


def _unpack_by_shifts(data: np.ndarray, n: int) -> np.ndarray:
    """A shift left and an arithmetic shift right carry the sign."""
    out = np.empty(2 * data.size, np.int8)
    out[0::2] = (data << 4).astype(np.uint8).view(np.int8) >> 4
    out[1::2] = data.view(np.int8) >> 4
    return out[:n]


def _packs(*values: int) -> Case:
    array = np.array(values, np.int8 if not values or max(map(abs, values)) < 100 else np.int64)
    return Case(values=array, label=f"pack_int4({list(values)})")


def _spaced(text: str) -> str:
    """Bytes in hexadecimal, two digits each."""
    return f"bytes {bytes.fromhex(text).hex(' ')}" if text else "no bytes"


def _unpacks(text: str, n: int) -> Case:
    return Case(data=np.frombuffer(bytes.fromhex(text), np.uint8), n=n, probe=_UNPACK, label=f"unpack_int4({_spaced(text)}, {n})")


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(1, 24))
    values = rng.integers(-8, 8, n).astype(str(rng.choice(["int8", "int32", "int64"])))
    if rng.random() < 0.5:
        return Case(values=values, label=f"pack_int4 of {n} random values ({values.dtype})")
    data = rng.integers(0, 256, n).astype(np.uint8)
    count = int(rng.integers(2 * n - 1, 2 * n + 1))
    return Case(data=data, n=count, probe=_UNPACK, label=f"unpack_int4 of {n} random bytes, n={count}")


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.size <= 24:
        return f"bytes {value.tobytes().hex(' ')}"
    return brief(value)


_ALL = np.array([(a, b) for a in range(-8, 8) for b in range(-8, 8)], np.int8).ravel()
pack_int4 = Exercise(
    id="15.pack_int4", points=4, difficulty=2, minutes=15, idea="two values share a byte, and a sign bit must be rebuilt",
    names=("pack_int4", "unpack_int4"), reference=(quantization.pack_int4, quantization.unpack_int4), probe=_PACK,
    cases=[_packs(1, -8, 7, -1, 3), _packs(-1, 2), _unpacks("81f703", 5), _unpacks("2f", 2)],
    hidden=[
        Case(values=_ALL, label="pack_int4 of all 256 pairs"),
        Case(data=np.arange(256, dtype=np.uint8), n=512, probe=_UNPACK, label="unpack_int4 of all 256 bytes"),
        _packs(), _unpacks("", 0), _packs(-8), _packs(7, 7, 7), _packs(-3, 0, -5), _unpacks("08", 1), _unpacks("f0", 1),
        _unpacks("3c9e", 3), Case(values=np.array([5, -6, 0, -1], np.int64), label="pack_int4([5, -6, 0, -1])  int64"),
    ],
    draw=_draw, draws=40,
    raises=[_packs(8), _packs(-9), _packs(0, 15), _packs(3, -9, 2), _packs(255, 0), _packs(-120, 0)],
    compare=exact(), show=_shown,
    misconceptions=[
        Misconception(
            "high_first", (partial(_pack, high_first=True), partial(_unpack, high_first=True)),
            "Your bytes hold the right values in the other order. ONNX puts the first of two values into the low 4 bits: 1, −8 "
            "is the byte 81, not 18.",
            "The nibbles are swapped.", also=((partial(_pack, high_first=True), _unpack), (_pack, partial(_unpack, high_first=True)))),
        Misconception(
            "unmasked", (partial(_pack, masked=False), _unpack),
            "A negative number has ones in all its upper bits, and they overwrite the neighbour: −1, 2 became ff. "
            "Keep the low 4 bits of each value first: −1 is then 0xF.",
            "A sign covers the neighbour."),
        Misconception(
            "unsigned", (_pack, partial(_unpack, signed=False)),
            "Your values run from 0 to 15. The nibble 0xF stands for −1 and 0x8 for −8: codes from 8 on are 16 too high.",
            "The sign was not rebuilt."),
        Misconception(
            "no_tail", (partial(_pack, tail=False), _unpack),
            "Five values need three bytes. The last one stands alone: pad it with a 0 instead of leaving it out.",
            "The odd value is lost."),
        Misconception(
            "not_trimmed", (_pack, partial(_unpack, trimmed=False)),
            "Three bytes hold six nibbles, and the last one is padding. That is what n is for.",
            "The padding came back as a value."),
        Misconception(
            "byte_each", (_byte_each, _unpack),
            "Each value still has a byte of its own, so nothing is saved. Two neighbours share one byte.",
            "Nothing was packed."),
        Misconception(
            "refuses_8", (partial(_pack, lowest=-7), _unpack),
            "Two's complement with 4 bits runs from −8 to 7. −8 has the code 0x8. It is only *symmetric quantization* that "
            "leaves it unused.",
            "−8 is refused."),
        Misconception(
            "unchecked", (partial(_pack, checked=False), _unpack),
            "The bytes are right. But 8 has the same low 4 bits as −8: without a check it changes its sign in silence.",
            "Values that do not fit are accepted."),
    ],
    alternatives=[(_pack, _unpack), (_pack_by_table, _unpack_by_table), (_pack_by_arithmetic, _unpack_by_shifts)],
    hints=(
        "`values & 15` keeps the low 4 bits, also of negative numbers. Even positions are `codes[0::2]`, odd ones `codes[1::2]`.",
        "low | (high << 4). For an odd length append a 0 before you split.",
        "Back: `data & 15` and `data >> 4`, interleaved. As int8, a nibble above 7 is 16 too high.",
    ),
    worth_knowing="No processor loads 4 bits. INT4 kernels load bytes and unpack them in registers, which costs instructions "
                  "and saves memory traffic.",
)
