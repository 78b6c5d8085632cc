"""From a tensor's bytes to a NumPy array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

# TensorProto.DataType: number -> NumPy's name; those that NumPy lacks come from ml_dtypes.
DTYPE_NAMES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8_e4m3fn",
    18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4_e2m1fn",
    24: "float8_e8m0fnu", 25: "uint2", 26: "int2",
}  # fmt: skip
STRING = 8
# The typed field that holds each type when raw_data is absent; narrow types are stored as int32, float16 by its bits.
_WIDE_FIELD = {1: "float_data", 14: "float_data", 11: "double_data", 15: "double_data", 7: "int64_data",
               12: "uint64_data", 13: "uint64_data"}  # fmt: skip
_BY_BITS = {10: "uint16", 16: "uint16", 17: "uint8", 18: "uint8", 19: "uint8", 20: "uint8", 24: "uint8"}
_NARROW = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}  # bits of the types that share a byte
EXTERNAL = 1  # TensorProto.DataLocation


@dataclass(frozen=True)
class RawTensor:
    """A tensor as the file holds it. `typed` maps "float_data", "int32_data", … to their numbers."""

    name: str
    dims: tuple[int, ...]
    data_type: int
    raw_data: bytes | memoryview | None = None
    typed: dict[str, Sequence] = field(default_factory=dict)
    external: dict[str, str] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, wherever they are stored."""
        count = prod(self.dims)
        bits = _NARROW.get(self.data_type) or 8 * numpy_dtype(self.data_type).itemsize
        return (count * bits + 7) // 8


def numpy_dtype(data_type: int) -> np.dtype:
    """The NumPy dtype of an ONNX data type number; little endian in files, native here.

    Raises ValueError for a number that has no dtype, also when it needs ml_dtypes and that is not there.
    """
    if data_type == STRING:
        return np.dtype(object)
    name = DTYPE_NAMES.get(data_type)
    if name is None:
        raise ValueError(f"data_type must be a known dtype, got unknown dtype {data_type}")
    if hasattr(np, name):
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError as error:
        raise ValueError(f"data_type must be a dtype of NumPy, got unknown dtype {name}: install ml_dtypes") from error
    return np.dtype(getattr(ml_dtypes, name))


def tensor_to_numpy(tensor: RawTensor, folder: str | Path | None = None) -> np.ndarray:
    """The array of a tensor: from `raw_data` (little endian), typed fields, or a file beside the model.

    `folder` is the model's folder, needed for external data only. Strings come as an object array of bytes.
    Raises ValueError for an unknown dtype, a number of elements that does not fit the dims, and external data
    that is outside the folder or too short.
    """
    dtype = numpy_dtype(tensor.data_type)
    raw = _external_bytes(tensor, folder) if tensor.external else tensor.raw_data
    if tensor.data_type == STRING:
        flat = np.array([bytes(s) for s in tensor.typed.get("string_data", ())], object)
    elif raw is not None:
        flat = _from_raw(tensor, raw, dtype)
    else:
        flat = _from_typed(tensor, dtype)
    if flat.size != prod(tensor.dims):
        raise ValueError(f"tensor {tensor.name!r} must hold {prod(tensor.dims)} elements, got {flat.size}")
    return flat.reshape(tensor.dims)


def _from_raw(tensor: RawTensor, raw: bytes | memoryview, dtype: np.dtype) -> np.ndarray:
    if tensor.data_type in _NARROW:
        return _unpacked(np.frombuffer(raw, np.uint8), tensor, dtype)
    if len(raw) != prod(tensor.dims) * dtype.itemsize:
        raise ValueError(f"tensor {tensor.name!r} must hold {prod(tensor.dims) * dtype.itemsize} bytes, got {len(raw)}")
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype)  # a copy: the caller may write to it


def _from_typed(tensor: RawTensor, dtype: np.dtype) -> np.ndarray:
    values = tensor.typed.get(_WIDE_FIELD.get(tensor.data_type, "int32_data"), ())
    if tensor.data_type in _NARROW:
        return _unpacked(np.array(values, np.uint8), tensor, dtype)
    if tensor.data_type in _BY_BITS:
        return np.array(values, _BY_BITS[tensor.data_type]).view(dtype)
    if dtype.kind == "c":  # real and imaginary parts in turn
        return np.array(values, np.empty(0, dtype).real.dtype).view(dtype)
    return np.array(values, dtype)


def _unpacked(packed: np.ndarray, tensor: RawTensor, dtype: np.dtype) -> np.ndarray:
    """Several narrow numbers a byte, the low bits first; what is left in the last byte is padding."""
    bits = _NARROW[tensor.data_type]
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    fields = (packed[:, None] >> shifts & ((1 << bits) - 1)).ravel()[: prod(tensor.dims)]
    if dtype.name.startswith("float"):
        return fields.view(dtype)
    if dtype.name.startswith("int"):  # the top bit is the sign
        sign = np.int8(1 << (bits - 1))
        return ((fields.astype(np.int8) ^ sign) - sign).astype(dtype)
    return fields.astype(dtype)


def _external_bytes(tensor: RawTensor, folder: str | Path | None) -> bytes:
    """The bytes that a tensor with external data points at (ONNX, ExternalData.md)."""
    if folder is None:
        raise ValueError(f"folder must be given: tensor {tensor.name!r} keeps its data in another file")
    base = Path(folder).resolve()
    path = (base / tensor.external.get("location", "")).resolve()
    if not path.is_relative_to(base) or not path.is_file():
        raise ValueError(f"location of {tensor.name!r} must be a file in the model's folder, got {path.name!r}")
    size = path.stat().st_size
    offset = int(tensor.external.get("offset", 0))
    length = int(tensor.external.get("length", size - offset))
    if offset < 0 or length < 0 or offset + length > size:
        raise ValueError(f"external data of {tensor.name!r} must end by byte {size}, got {offset + length}")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)
