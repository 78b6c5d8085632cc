"""Tensors in HTTP bodies: JSON for people, a line of JSON and the raw bytes for large arrays.

The raw form is `{"dtype": "float32", "shape": [1, 64]}`, a line feed, and the elements in row-major order, little
endian.
It is not NumPy's .npy, whose reader parses its header with `ast`, which Python 3.11 can't do in two threads at once
("AST constructor recursion depth mismatch").
"""

from __future__ import annotations

import json
import math

import numpy as np

from utils.serving.inference_service.models import BadInput

JSON, TENSOR = "application/json", "application/x-tensor"
DEADLINE_HEADER = "X-Deadline-Ms"


def array_to_bytes(array: np.ndarray) -> bytes:
    """The raw form of an array. Raises BadInput for one that holds no numbers."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise BadInput(f"an array of numbers can be sent, got dtype {array.dtype}")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    head = json.dumps({"dtype": array.dtype.name, "shape": list(array.shape)})
    return head.encode() + b"\n" + little.tobytes()


def bytes_to_array(data: bytes) -> np.ndarray:
    """The array of a raw form. Raises BadInput for one that is malformed, or has another length than it says."""
    line, _, raw = data.partition(b"\n")
    try:
        head = json.loads(line)
        dtype, shape = np.dtype(str(head["dtype"])), tuple(int(n) for n in head["shape"])
    except (ValueError, KeyError, TypeError):
        raise BadInput('the body must begin with a line such as {"dtype": "float32", "shape": [1, 64]}') from None
    if dtype.kind not in "biuf" or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(raw):
        raise BadInput(f"the body must hold {list(shape)} numbers of {dtype}, got {len(raw)} bytes")
    return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape).astype(dtype)


def read_feeds(body: bytes, content_type: str, inputs: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The inputs of a request by name. A single tensor needs no name: a raw body, or JSON {"inputs": [...]}.

    Raises BadInput for a body that is malformed, or lacks an input.
    """
    if content_type == TENSOR:
        given: object = bytes_to_array(body)
    else:
        try:
            given = json.loads(body)["inputs"]
        except (ValueError, KeyError, TypeError):
            raise BadInput('the body must be JSON {"inputs": tensor or {name: tensor}}') from None
    if not isinstance(given, dict):
        if len(inputs) != 1:
            raise BadInput(f"the model has the inputs {list(inputs)}: give them by name")
        given = {inputs[0]: given}
    if missing := [name for name in inputs if name not in given]:
        raise BadInput(f"the inputs {missing} are missing")
    return {name: _tensor(name, given[name]) for name in inputs}


def _tensor(name: str, value: object) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise BadInput(f"input {name!r} must be a rectangular array of numbers")
    return array


def write_outputs(outputs: dict[str, np.ndarray], content_type: str, model: str, version: int) -> bytes:
    """The answer's body, in the form of the request's: the first output raw, or all of them as JSON."""
    if content_type == TENSOR:
        return array_to_bytes(next(iter(outputs.values())))
    tensors = {name: array.tolist() for name, array in outputs.items()}
    return json.dumps({"model": model, "version": version, "outputs": tensors}).encode()
