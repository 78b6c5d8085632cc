"""Exercise 23.decode_varint: one number from the wire."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from utils.graphs import protobuf

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Answer = Callable[..., Any]


def _groups(buf: bytes, pos: int) -> bytes:
    """The bytes of the varint at `pos`, with the refusals of the text."""
    for count in range(10):
        if pos + count >= len(buf):
            raise ValueError("truncated")
        if buf[pos + count] < 128:
            return buf[pos : pos + count + 1]
    raise ValueError("too long")


def _carelessly(buf: bytes, pos: int) -> bytes:
    """The same without a look at the end: IndexError where the buffer ends, and no bound."""
    end = pos
    while buf[end] >= 128:
        end += 1
    return buf[pos : end + 1]


def _answer(value: Callable[[bytes], int], groups: Callable[[bytes, int], bytes] = _groups,
            end: Callable[[int, int], int] = lambda pos, n: pos + n) -> Answer:
    """An answer with a rule for the value, one for finding the bytes, and one for the position after them."""

    def answer(buf: bytes, pos: int = 0) -> tuple[int, int]:
        found = groups(buf, pos)
        return value(found), end(pos, len(found))

    return answer


def _value(found: bytes) -> int:
    return sum((byte & 127) << 7 * i for i, byte in enumerate(found))


def _big_endian(found: bytes) -> int:
    return reduce(lambda value, byte: value << 7 | byte & 127, found, 0)


def _added(found: bytes) -> int:
    return sum(byte & 127 for byte in found)


def _by_eight(found: bytes) -> int:
    return sum((byte & 127) << 8 * i for i, byte in enumerate(found))


def _unmasked(found: bytes) -> int:
    return reduce(lambda value, item: value | item[1] << 7 * item[0], enumerate(found), 0)


def _unmasked_sum(found: bytes) -> int:
    return sum(byte << 7 * i for i, byte in enumerate(found))


def _signed(found: bytes) -> int:
    value = _value(found)
    return value - (1 << 64) if value >> 63 else value


def _zigzag(found: bytes) -> int:
    value = _value(found)
    return value >> 1 if value % 2 == 0 else -(value >> 1) - 1


def _both(value: Callable[[bytes], int]) -> dict:
    """`answer` and `also` of a misconception about the value: with the refusals and without them."""
    return {"answer": _answer(value), "also": (_answer(value, _carelessly),)}


def _only_value(groups: Callable[[bytes, int], bytes]) -> Answer:
    return lambda buf, pos=0: _value(groups(buf, pos))


def _five_bytes(buf: bytes, pos: int) -> bytes:
    found = _groups(buf, pos)
    if len(found) > 5:
        raise ValueError("too long")
    return found


def _no_bound(buf: bytes, pos: int) -> bytes:
    """Knows the end of the buffer, and no end of the varint."""
    end = pos
    while end < len(buf) and buf[end] >= 128:
        end += 1
    if end >= len(buf):
        raise ValueError("truncated")
    return buf[pos : end + 1]


def _stops_quietly(buf: bytes, pos: int) -> bytes:
    """Returns what there is when the buffer ends."""
    end = pos
    while end < len(buf) and buf[end] >= 128 and end - pos < 9:
        end += 1
    return buf[pos : end + 1]


# --- right answers ------------------------------------------------------------------------------


def _by_recursion(buf: bytes, pos: int = 0, seen: int = 0) -> tuple[int, int]:
    if seen == 10:
        raise ValueError("the varint is too long")
    if pos >= len(buf):
        raise ValueError("truncated varint")
    byte = buf[pos]
    if byte < 128:
        return byte, pos + 1
    rest, end = _by_recursion(buf, pos + 1, seen + 1)
    return byte - 128 + 128 * rest, end


def _by_bit_strings(buf: bytes, pos: int = 0) -> tuple[int, int]:
    part = buf[pos : pos + 10]
    ends = [i for i, byte in enumerate(part) if byte < 128]
    if not ends:
        raise ValueError("too long" if len(part) == 10 else "truncated")
    bits = "".join(f"{byte & 127:07b}" for byte in reversed(part[: ends[0] + 1]))
    return int(bits, 2), pos + ends[0] + 1


def _with_numpy(buf: bytes, pos: int = 0) -> tuple[int, int]:
    part = np.frombuffer(buf, np.uint8)[pos : pos + 10]
    last = np.flatnonzero(part < 128)
    if last.size == 0:
        raise ValueError("too long" if part.size == 10 else "truncated")
    groups = (part[: last[0] + 1] & 127).astype(object)
    return int(sum(g << 7 * i for i, g in enumerate(groups))), int(pos + last[0] + 1)


def _draw(rng: np.random.Generator) -> Case:
    """A number of any length, with other bytes before and after it."""
    value = int(rng.integers(0, 2**63, dtype=np.uint64) * 2 + rng.integers(2)) >> int(rng.integers(0, 64))
    before, after = rng.bytes(int(rng.integers(0, 4))), rng.bytes(int(rng.integers(0, 3)))
    return Case(before + protobuf.encode_varint(value) + after, len(before))


def _show(value: Any) -> str:
    return f'bytes.fromhex("{value.hex(" ")}")' if isinstance(value, bytes) else repr(value)


decode_varint = Exercise(
    id="23.decode_varint", points=2, difficulty=1, minutes=6, idea="seven bits a byte, the least significant first",
    reference=protobuf.decode_varint,
    cases=[Case(b"\xac\x02"), Case(b"\x00\x96\x01", 1)],
    hidden=[Case(b"\x00"), Case(b"\x7f"), Case(b"\x80\x01"), Case(b"\x80\x00"), Case(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Case(b"\xff\xff\xff\xff\x0f\x01"), Case(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 0), Case(b"\x96\x01\x05", 2),
            Case(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Case(b"\xaa\xaa\xac\x02\xff", 2)],
    draw=_draw, draws=30, compare=exact(), pure=True, show=_show,
    raises=[Case(b"\x80", word="truncated"), Case(b"", word="truncated"), Case(b"\x05", 1, word="truncated"),
            Case(b"\xff" * 9, word="truncated"), Case(b"\xff" * 10, word="too long"),
            Case(b"\xff" * 10 + b"\x01", word="too long"), Case(b"\x01" + b"\x80" * 12, 1, word="too long")],
    misconceptions=[
        Misconception(
            "most_significant_first", **_both(_big_endian),
            message="You take the first group for the most significant one. ac 02 gives 5634 that way. The groups come little-end "
                    "first: where does the second group belong?",
            title="The other end first."),
        Misconception(
            "added", **_both(_added),
            message="You add the groups. Each group has its own place: the second one counts 128 times as much as the first.",
            title="Groups are added."),
        Misconception(
            "eight_bits_a_group", **_both(_by_eight),
            message="You shift by 8 bits for each byte. A byte carries seven bits of the number; the eighth says whether another "
                    "byte follows.",
            title="Eight bits instead of seven."),
        Misconception(
            "high_bit_kept", **_both(_unmasked),
            message="The bit that announces another byte is still in your number. It is no part of the value: mask it off before "
                    "you shift.",
            title="The high bit is kept."),
        Misconception(
            "high_bit_summed", **_both(_unmasked_sum),
            message="You add the bytes with their high bit. That bit says that another byte follows; it is no part of the value.",
            title="The high bit is added."),
        Misconception(
            "value_only", _only_value(_groups),
            "You return the value alone. Whoever reads on needs to know where the next byte is: return the position as well.",
            "Where does the next field start?", also=(_only_value(_carelessly),)),
        Misconception(
            "length_instead_of_position", _answer(_value, end=lambda pos, n: n),
            "You return how many bytes the number takes. Asked is the position after it, counted from the start of the buffer.",
            "A length is not a position.", also=(_answer(_value, _carelessly, end=lambda pos, n: n),)),
        Misconception(
            "last_position", _answer(_value, end=lambda pos, n: pos + n - 1),
            "You return the position of the last byte of the number. Asked is the next one.",
            "One position too early.", also=(_answer(_value, _carelessly, end=lambda pos, n: pos + n - 1),)),
        Misconception(
            "signed", **_both(_signed),
            message="You make a negative number of what has its 64th bit set. That is how the field's reader may understand it; the "
                    "varint itself is unsigned.",
            title="Unsigned was asked."),
        Misconception(
            "zigzag", **_both(_zigzag),
            message="You undo zigzag, by which protobuf's sint types store small negative numbers shortly. ONNX uses plain int64: no "
                    "zigzag, and unsigned here.",
            title="No zigzag here."),
        Misconception(
            "five_bytes", _answer(_value, _five_bytes),
            "You stop after five bytes, as for 32 bits. A varint carries up to 64 bits: ten groups of seven.",
            "64 bits need ten bytes.", also=(_answer(lambda found: _value(found) & 0xFFFFFFFF),)),
        Misconception(
            "no_bound", _answer(_value, _no_bound),
            "A run of bytes that all announce another one is read without a bound. After ten bytes no 64-bit number is left to read.",
            "It never gets too long."),
        Misconception(
            "end_of_buffer", _answer(_value, _carelessly),
            "At the end of the buffer your code fails with an IndexError, or returns what it has. A file that was cut off must be "
            "reported: ValueError with “truncated”.",
            "The buffer may end first.", also=(_answer(_value, _stops_quietly),)),
    ],
    alternatives=[_answer(_value), _by_recursion, _by_bit_strings, _with_numpy],
    hints=(
        "Take a byte: `byte & 0x7f` are its seven bits, `byte >= 0x80` says that another one follows.",
        "Start with `value = 0`. The group number i belongs at `<< (7 * i)`. Combine with `|`.",
        "Loop over `i in range(10)`: first check that `pos + i` lies in the buffer, and return as soon as a byte is below 0x80. "
        "What does it mean to come out of the loop?",
    ),
    worth_knowing="Small numbers take one byte: the 71 bytes of the Relu file hold 60 varints (tags, lengths, numbers), and each takes one.",
)
