"""The KServe v2 protocol on the wire: tensors as JSON numbers, or as raw bytes behind a JSON header.

KServe v2, also called the open inference protocol, is what Triton speaks over HTTP and gRPC. With the *binary tensor
data* extension the body is a JSON header followed by the tensors' bytes; the HTTP header
Inference-Header-Content-Length says how long the JSON is.
Source: triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

HEADER = "Inference-Header-Content-Length"
# the protocol's names of data types; BYTES holds strings
DTYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_NAMES = {(t.kind, t.itemsize): name for name, t in DTYPES.items()}


def datatype_of(x: np.ndarray) -> str:
    """The protocol's name of an array's data type; ValueError "dtype" for one that it does not have."""
    if x.dtype.kind in "OSU":
        return "BYTES"
    try:
        return _NAMES[x.dtype.kind, x.dtype.itemsize]
    except KeyError:
        raise ValueError(
            f"x must have a dtype of the protocol ({', '.join(DTYPES)}, BYTES), got dtype {x.dtype}"
        ) from None


def tensor_bytes(x: np.ndarray) -> bytes:
    """Little-endian bytes of an array in row-major order; of strings: each after its length, 4 bytes."""
    if datatype_of(x) == "BYTES":
        return b"".join(len(raw).to_bytes(4, "little") + raw for raw in map(_raw, x.ravel().tolist()))
    return np.ascontiguousarray(x, DTYPES[datatype_of(x)]).tobytes()


def tensor_from(data: bytes, datatype: str, shape: Sequence[int]) -> np.ndarray:
    """The array that `tensor_bytes` wrote. Raises ValueError "datatype" or "bytes" for what can't be one."""
    if datatype == "BYTES":
        return np.array(_strings(data), object).reshape(shape)
    if datatype not in DTYPES:
        raise ValueError(f"datatype must be one of the protocol, got {datatype!r}")
    count = int(np.prod(shape, dtype=np.int64))
    if len(data) != count * DTYPES[datatype].itemsize:
        raise ValueError(
            f"data must hold {count * DTYPES[datatype].itemsize} bytes for the shape {list(shape)}, "
            f"got {len(data)} bytes"
        )
    return np.frombuffer(data, DTYPES[datatype]).reshape(shape).copy()


def _raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _strings(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data) or at + 4 > len(data):
            raise ValueError("data must hold whole strings, got bytes that end within one")
        found.append(data[at + 4 : end])
        at = end
    return found


# --- messages -----------------------------------------------------------------------------------


def encode_request(
    inputs: Mapping[str, np.ndarray], outputs: Sequence[str], binary: bool = True
) -> tuple[bytes, int | None]:
    """The body of a request and the length of its JSON in bytes, which is None when all of it is JSON.

    `outputs` names what is wanted back, in the same form as the inputs.
    """
    return _message(
        "inputs", inputs, [{"name": name, "parameters": {"binary_data": binary}} for name in outputs], binary
    )


def encode_response(model: str, outputs: Mapping[str, np.ndarray], binary: bool = True) -> tuple[bytes, int | None]:
    """The body of an answer and the length of its JSON, as in `encode_request`."""
    return _message("outputs", outputs, None, binary, {"model_name": model, "model_version": "1"})


def _message(
    part: str, tensors: Mapping[str, np.ndarray], wanted: list | None, binary: bool, head: dict | None = None
) -> tuple[bytes, int | None]:
    described, raw = [], []
    for name, x in tensors.items():
        one: dict[str, Any] = {"name": name, "shape": list(x.shape), "datatype": datatype_of(x)}
        if binary:
            raw.append(tensor_bytes(x))
            one["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            one["data"] = _numbers(x)
        described.append(one)
    message = {**(head or {}), part: described, **({"outputs": wanted} if wanted is not None else {})}
    text = json.dumps(message, separators=(",", ":")).encode()
    return b"".join([text, *raw]), (len(text) if binary else None)


def _numbers(x: np.ndarray) -> list:
    flat = x.ravel().tolist()
    return [_raw(v).decode() for v in flat] if datatype_of(x) == "BYTES" else flat


def decode_request(body: bytes, header_len: int | None) -> tuple[dict[str, np.ndarray], list[dict]]:
    """(inputs, descriptions of the wanted outputs) of a request. Raises ValueError for one that is malformed."""
    message, tensors = _read("inputs", body, header_len)
    return tensors, message.get("outputs", [])


def decode_response(body: bytes, header_len: int | None) -> dict[str, np.ndarray]:
    """The output tensors of an answer, by name. Raises ValueError for one that is malformed."""
    return _read("outputs", body, header_len)[1]


def _read(part: str, body: bytes, header_len: int | None) -> tuple[dict, dict[str, np.ndarray]]:
    if header_len is not None and not 0 <= header_len <= len(body):
        raise ValueError(f"header_len must lie within the body of {len(body)} bytes, got {header_len}")
    end = len(body) if header_len is None else header_len
    try:
        message = json.loads(body[:end])
        found, at = {}, end
        for one in message[part]:
            size = one.get("parameters", {}).get("binary_data_size")
            if size is None:
                found[one["name"]] = _from_numbers(one)
                continue
            found[one["name"]] = tensor_from(body[at : at + size], one["datatype"], one["shape"])
            at += size
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"body must be a message of the v2 protocol, got none: {error!r}") from error
    if at != len(body):
        raise ValueError(f"body must hold the bytes that its JSON announces, got {len(body) - at} bytes more")
    return message, found


def _from_numbers(one: dict) -> np.ndarray:
    if one["datatype"] == "BYTES":
        return np.array([_raw(v) for v in one["data"]], object).reshape(one["shape"])
    if one["datatype"] not in DTYPES:
        raise ValueError(f"datatype must be one of the protocol, got {one['datatype']!r}")
    return np.array(one["data"], DTYPES[one["datatype"]]).reshape(one["shape"])


def encode_v2(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
    """Body and JSON length of a binary request with one float32, int64, uint8 or bool tensor and one output.

    Raises ValueError "dtype" for another data type.

    >>> body, length = encode_v2("x", np.array([1.5, -2], np.float32), "p")
    >>> length, len(body), body[-8:].hex()
    (150, 158, '0000c03f000000c0')
    """
    if x.dtype.newbyteorder("=") not in (np.float32, np.int64, np.uint8, np.bool_):
        raise ValueError(f"x must have the dtype float32, int64, uint8 or bool, got dtype {x.dtype}")
    return encode_request({name: x}, [output])
