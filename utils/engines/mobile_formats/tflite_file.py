"""A .tflite file while it is put together: tensors with their buffers, operators with their codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.engines.mobile_formats.flatbuffer import build_flatbuffer
from utils.engines.mobile_formats.tflite_schema import BUILTINS, FLOAT32, IDENTIFIER, INT32, SCHEMA, VERSION

_TYPES = {np.dtype(np.float32): FLOAT32, np.dtype(np.int32): INT32}
_LARGEST_OLD_CODE = 127


class TfliteFile:
    """Collects tensors and operators in order; `to_bytes` writes them.

    Buffer 0 is empty by convention: a tensor with buffer 0 is computed, one with another buffer is a constant.
    """

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []
        self.buffers: list[dict[str, Any]] = [{}]
        self.operators: list[dict[str, Any]] = []
        self.codes: list[tuple[str, int]] = []

    def activation(self, name: str, shape: Sequence[int]) -> int:
        """Add a computed float32 tensor; its index."""
        self.tensors.append({"shape": list(shape), "type": FLOAT32, "buffer": 0, "name": name, "has_rank": True})
        return len(self.tensors) - 1

    def constant(self, name: str, value: np.ndarray) -> int:
        """Add a constant float32 or int32 tensor; its index. Raises KeyError for other dtypes."""
        self.buffers.append({"data": np.ascontiguousarray(value).tobytes()})
        self.tensors.append({"shape": list(value.shape), "type": _TYPES[value.dtype], "buffer": len(self.buffers) - 1,
                             "name": name, "has_rank": True})
        return len(self.tensors) - 1

    def operator(self, builtin: str, inputs: Sequence[int], output: int,
                 options: tuple[str, Mapping[str, Any]] | None = None, version: int = 1) -> int:
        """Add an operator with one output; the output's index."""
        code = (builtin, version)
        if code not in self.codes:
            self.codes.append(code)
        self.operators.append({"opcode_index": self.codes.index(code), "inputs": list(inputs), "outputs": [output],
                               "builtin_options": options})
        return output

    def to_bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file, with the given tensors as inputs and outputs of its only subgraph."""
        codes = [{"deprecated_builtin_code": min(BUILTINS[name], _LARGEST_OLD_CODE), "version": version,
                  "builtin_code": BUILTINS[name]} for name, version in self.codes]
        graph = {"tensors": self.tensors, "inputs": list(inputs), "outputs": list(outputs),
                 "operators": self.operators, "name": "main"}
        model = {"version": VERSION, "operator_codes": codes, "subgraphs": [graph], "description": "course",
                 "buffers": self.buffers}
        return build_flatbuffer(SCHEMA, "Model", model, IDENTIFIER)
