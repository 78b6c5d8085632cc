"""Plain data: the only form in which anything leaves a learner's answer.

`to_plain` copies a value into None, bool, int, float, complex, str, bytes, list, tuple, dict and
`np.ndarray` of exactly these types, without calling methods that the value's own class could
override. What has no plain form becomes `Opaque`. `pack` and `unpack` carry plain data over a pipe
as JSON tags followed by raw array bytes; `unpack` builds nothing but plain data and checks limits.
"""

from __future__ import annotations

import json
import math
import re
import struct
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_DEPTH = 24
MAX_ITEMS = 2_000_000
MAX_BYTES = 64 * 2**20
ARRAY_KINDS = "biufc"
MAX_INT_BITS = 14_000  # Python writes integers of up to 4,300 digits
_DTYPE = re.compile(r"[<>|=]?[biufc][0-9]{1,2}")


class PlainError(ValueError):
    """A message on the pipe is not well-formed plain data, or is too large."""


@dataclass(frozen=True)
class Opaque:
    """Stands for a value without a plain form: its type's name and what to tell about it."""

    type_name: str
    note: str = ""


def to_plain(value: Any) -> Any:
    """Copy `value` into plain data; never raises for what `value` is."""
    return _Copier().copy(value, 0)


class _Copier:
    def __init__(self) -> None:
        self.items = 0

    def copy(self, value: Any, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH:
            return Opaque("nested value", f"more than {MAX_DEPTH} levels deep")
        if self.items > MAX_ITEMS:
            return Opaque("large value", f"more than {MAX_ITEMS:,} items")
        kind = type(value)
        if kind is int:
            return _bounded(value)
        if value is None or kind in (bool, float, complex, str, bytes, Opaque):
            return value
        if kind is np.ndarray or isinstance(value, np.ndarray):
            return self.array(value, depth)
        if isinstance(value, np.generic):
            return self.scalar(value)
        if isinstance(value, (list, tuple)):
            return self.sequence(value, depth)
        if isinstance(value, dict):
            if dict.__len__(value) + self.items > MAX_ITEMS:
                return Opaque("dict", f"{dict.__len__(value):,} entries")
            return {
                self.key(k): self.copy(v, depth + 1) for k, v in list(dict.items(value))
            }
        if isinstance(value, (set, frozenset)):
            return Opaque(kind.__name__, "a set has no order: return a list or a tuple")
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self.tensor(value, torch)
        for base in (bool, int, float, str, bytes):
            if isinstance(value, base):
                return base.__new__(base, base.__str__(value)) if base is str else _bounded(base(_raw(value, base)))
        return Opaque(getattr(kind, "__name__", "object"))

    def key(self, key: Any) -> Any:
        plain = self.scalar(key) if isinstance(key, np.generic) else key
        return plain if _is_key(plain) else f"<{type(key).__name__}>"

    def array(self, value: np.ndarray, depth: int) -> Any:
        base = np.ndarray.view(value, np.ndarray)
        if base.dtype.kind in ARRAY_KINDS:
            return np.array(base, copy=True, order="C")
        if base.dtype.kind in "OUS" and base.size <= 10_000:
            return self.copy(base.tolist(), depth + 1)
        if (base.dtype.kind == "V" and base.dtype.name in ("bfloat16",)) or "float8" in base.dtype.name:
            return np.asarray(base, np.float32)
        return Opaque("array", f"of dtype {base.dtype}")

    def scalar(self, value: np.generic) -> Any:
        plain = np.asarray(value).item()
        return plain if type(plain) in (bool, int, float, complex, str, bytes) else Opaque(type(value).__name__)

    def sequence(self, value: list | tuple, depth: int) -> Any:
        base = list if isinstance(value, list) else tuple
        if base.__len__(value) + self.items > MAX_ITEMS:
            return Opaque(base.__name__, f"{base.__len__(value):,} items")
        copied = [self.copy(item, depth + 1) for item in base.__iter__(value)]
        return copied if base is list else tuple(copied)

    def tensor(self, value: Any, torch: Any) -> Any:
        tensor = torch.Tensor.detach(value).cpu()
        if tensor.is_sparse or tensor.is_quantized:
            return Opaque("Tensor", "sparse or quantised")
        if tensor.dtype not in _numpy_dtypes(torch):
            tensor = tensor.float()
        return np.array(tensor.numpy(), copy=True, order="C")


def _bounded(value: Any) -> Any:
    if type(value) is int and value.bit_length() > MAX_INT_BITS:
        return Opaque("int", f"of more than {MAX_INT_BITS:,} bits")
    return value


def _is_key(key: Any) -> bool:
    """Whether a plain dict may have this key."""
    if type(key) is tuple:
        return all(type(k) is not tuple and k is not None and _is_key(k) for k in key)
    return type(key) in (str, bool, float, type(None)) or (type(key) is int and key.bit_length() <= MAX_INT_BITS)


def _numpy_dtypes(torch: Any) -> set:
    names = "bool uint8 int8 int16 int32 int64 float16 float32 float64 complex64 complex128 uint16 uint32 uint64"
    return {getattr(torch, name) for name in names.split()}


def _raw(value: Any, base: type) -> Any:
    """The value behind an instance of a subclass of int, float or bytes, without its own methods."""
    return {bool: bool, int: int.__int__, float: float.__float__, bytes: bytes.__bytes__}[base](value)


# --- the pipe ---------------------------------------------------------------------------------


def pack(value: Any) -> bytes:
    """Plain data as bytes: 4-byte length, JSON of tagged values, then the arrays' raw bytes.

    Raises PlainError when `value` is not plain or the message is larger than MAX_BYTES.
    """
    arrays: list[bytes] = []
    text = json.dumps(_tag(value, arrays, 0), separators=(",", ":"), allow_nan=False).encode()
    message = struct.pack("<I", len(text)) + text + b"".join(arrays)
    if len(message) > MAX_BYTES:
        raise PlainError(f"the message has {len(message):,} bytes, more than {MAX_BYTES:,}")
    return message


def unpack(message: bytes) -> Any:
    """The value that `pack` wrote. Raises PlainError for anything that `pack` cannot have written."""
    if not 4 <= len(message) <= MAX_BYTES:
        raise PlainError(f"a message of {len(message):,} bytes is not plain data")
    (length,) = struct.unpack_from("<I", message)
    if length > len(message) - 4:
        raise PlainError("the message is cut off")
    try:
        tree = json.loads(message[4 : 4 + length], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PlainError(f"the message is not JSON: {error}") from error
    reader = _Reader(memoryview(message)[4 + length :])
    value = reader.untag(tree, 0)
    if reader.at != len(reader.raw):
        raise PlainError("the message has bytes left over")
    return value


def _whole(text: str) -> str:
    """The text without lone surrogates: no file and no database takes one."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not allowed")


def _tag(value: Any, arrays: list[bytes], depth: int) -> Any:
    if depth > 2 * MAX_DEPTH:
        raise PlainError(f"nested more than {2 * MAX_DEPTH} levels deep")
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if -(2**53) < value < 2**53 else {"i": hex(value)}
    if kind is float:
        return {"f": value.hex()} if not math.isfinite(value) or value.is_integer() else value
    if kind is complex:
        return {"c": [value.real.hex(), value.imag.hex()]}
    if kind is bytes:
        arrays.append(value)
        return {"b": len(value)}
    if kind is list:
        return [_tag(item, arrays, depth + 1) for item in value]
    if kind is tuple:
        return {"t": [_tag(item, arrays, depth + 1) for item in value]}
    if kind is dict:
        return {"d": [[_tag(k, arrays, depth + 1), _tag(v, arrays, depth + 1)] for k, v in value.items()]}
    if kind is np.ndarray and value.dtype.kind in ARRAY_KINDS:
        little = np.asarray(value, value.dtype.newbyteorder("<"), order="C")
        arrays.append(little.tobytes())
        return {"a": [little.dtype.str, list(value.shape)]}
    if kind is Opaque:
        return {"o": [value.type_name[:100], value.note[:200]]}
    raise PlainError(f"{kind.__name__} is not plain data")


class _Reader:
    def __init__(self, raw: memoryview) -> None:
        self.raw, self.at, self.items = raw, 0, 0

    def take(self, count: int) -> bytes:
        if type(count) is not int or count < 0 or self.at + count > len(self.raw):
            raise PlainError("an array is cut off")
        self.at += count
        return bytes(self.raw[self.at - count : self.at])

    def untag(self, tree: Any, depth: int) -> Any:
        self.items += 1
        if depth > 4 * MAX_DEPTH or self.items > 2 * MAX_ITEMS:
            raise PlainError("the message is nested too deep or has too many items")
        if isinstance(tree, list):
            return [self.untag(item, depth + 1) for item in tree]
        if isinstance(tree, str):
            return _whole(tree)
        if not isinstance(tree, dict):
            return tree
        if len(tree) != 1:
            raise PlainError("a tag must stand alone")
        (tag, body), = tree.items()
        try:
            return self.tagged(tag, body, depth)
        except PlainError:
            raise
        except (TypeError, ValueError, LookupError, OverflowError, MemoryError) as error:
            raise PlainError(f"a value with the tag {tag!r} is malformed") from error

    def tagged(self, tag: str, body: Any, depth: int) -> Any:
        if tag == "i":
            if len(body) > MAX_INT_BITS // 4 + 4:
                raise PlainError("an integer is too large")
            return int(body, 16)
        if tag == "f":
            return float.fromhex(body)
        if tag == "c":
            return complex(float.fromhex(body[0]), float.fromhex(body[1]))
        if tag == "b":
            return self.take(body)
        if tag == "t":
            return tuple(self.untag(item, depth + 1) for item in body)
        if tag == "d":
            return {self.key(k, depth + 1): self.untag(v, depth + 1) for k, v in body}
        if tag == "o":
            return Opaque(_whole(str(body[0])[:100]), _whole(str(body[1])[:200]))
        if tag == "a":
            return self.array(*body)
        raise PlainError(f"{tag!r} is not a tag")

    def key(self, tree: Any, depth: int) -> Any:
        key = self.untag(tree, depth)
        if not _is_key(key):
            raise PlainError(f"a {type(key).__name__} is no key of a plain dict")
        return key

    def array(self, dtype: str, shape: list[int]) -> np.ndarray:
        # NumPy parses a dtype's name as a small language, whose errors are of many kinds.
        if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype) or len(shape) > 32:
            raise PlainError(f"arrays of dtype {dtype!r:.40} are not plain data")
        kind = np.dtype(dtype)
        if any(type(n) is not int or n < 0 for n in shape):
            raise PlainError("an array has a malformed shape")
        raw = self.take(math.prod(shape) * kind.itemsize)
        return np.frombuffer(raw, kind).reshape(shape).astype(kind.newbyteorder("="), copy=True)
