"""Parameters counted in real objects: a torch module or an ONNX graph."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn


@dataclass(frozen=True)
class ModuleCount:
    """Values held by a torch module, each tensor once.

    `buffers` counts all registered buffers, `buffers_float` those of floating type (batch-norm statistics
    without the step counter), `by_type` the parameters by class of the module that owns them, `shared` the
    parameter values that a count by name would add a second time (tied weights).
    """

    trainable: int
    frozen: int
    buffers: int
    buffers_float: int
    by_type: dict[str, int]
    shared: int

    @property
    def parameters(self) -> int:
        """Trainable and frozen together."""
        return self.trainable + self.frozen

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


def _identity(tensor: torch.Tensor) -> tuple:
    """Equal for two names of the same values; meta and empty tensors have no address and go by object."""
    address = tensor.data_ptr()
    return (tensor.device, address, tensor.numel()) if address else (id(tensor),)


def count_module(m: nn.Module) -> ModuleCount:
    """Count parameters and buffers of a torch module, tied tensors once.

    Raises ValueError "uninitialized" when a lazy layer has not seen its first input.
    """
    from torch.nn.parameter import UninitializedTensorMixin

    parameters: dict[tuple, torch.Tensor] = {}
    by_type: Counter[str] = Counter()
    for name, module in m.named_modules():
        for own_name, p in module.named_parameters(recurse=False, remove_duplicate=False):
            if isinstance(p, UninitializedTensorMixin):
                raise ValueError(f"m must be initialized, got uninitialized parameter {name}.{own_name}")
            if _identity(p) not in parameters:
                parameters[_identity(p)] = p
                by_type[type(module).__name__] += p.numel()
    buffers = {_identity(b): b for b in m.buffers()}
    by_name = sum(p.numel() for _, p in m.named_parameters(remove_duplicate=False))
    unique = sum(p.numel() for p in parameters.values())
    trainable = sum(p.numel() for p in parameters.values() if p.requires_grad)
    return ModuleCount(
        trainable=trainable,
        frozen=unique - trainable,
        buffers=sum(b.numel() for b in buffers.values()),
        buffers_float=sum(b.numel() for b in buffers.values() if b.is_floating_point()),
        by_type=dict(by_type),
        shared=by_name - unique,
    )


@dataclass(frozen=True)
class OnnxCount:
    """Values stored in a graph's initializers.

    `elements` leaves out int64 tensors, which hold shapes and axes; they are in `shape_elements`. `by_op`
    gives each counted initializer to the operator that reads it first.
    """

    initializers: int
    elements: int
    by_op: dict[str, int]
    shape_elements: int

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


def count_onnx(model: onnx.ModelProto) -> OnnxCount:
    """Count the initializers of an ONNX model's main graph (scalars have one element)."""
    from onnx import TensorProto

    reader: dict[str, str] = {}
    for node in model.graph.node:
        for name in node.input:
            reader.setdefault(name, node.op_type)
    elements, shape_elements = 0, 0
    by_op: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        size = math.prod(tensor.dims)
        if tensor.data_type == TensorProto.INT64:
            shape_elements += size
        else:
            elements += size
            by_op[reader.get(tensor.name, "unused")] += size
    return OnnxCount(len(model.graph.initializer), elements, dict(by_op), shape_elements)
