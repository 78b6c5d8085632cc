"""The operators that a torch module really calls, each with the bytes of its real tensors.

Every operator below autograd is seen, also additions and activations that a forward writes out. On
`torch.device("meta")` nothing is computed and a large network costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from utils.cost.roofline import OpCost
from utils.cost.roofline.op_costs import ELEMENTWISE

_KINDS = {"convolution": "conv", "addmm": "linear", "mm": "linear", "bmm": "linear", "native_layer_norm": "norm",
          "max_pool2d_with_indices": "pool", "mean": "pool", "_adaptive_avg_pool2d": "pool", "_softmax": "softmax"}


def _tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += _tensors(value)
    return found


class _Tracer(TorchDispatchMode):
    """Notes every operator that makes a new tensor; views and reshapes move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: list[OpCost] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and func.overloadpacket.__name__ not in ("empty", "_unsafe_view", "detach"):
            self.ops.append(_cost(func, args, kwargs or {}, result, len(self.ops)))
        return result


def _cost(func: Any, args: tuple, kwargs: dict, result: Any, index: int) -> OpCost:
    packet = func.overloadpacket
    name = packet.__name__.rstrip("_") or packet.__name__
    output = _tensors([result])[0]  # a pool's indices and a norm's statistics are by-products
    inputs = [t for t in _tensors([*args, *kwargs.values()]) if t is not output or func._schema.is_mutable]
    kind = _KINDS.get(name, ELEMENTWISE)
    if kind == "conv" and args[8] == args[0].shape[1] > 1:
        kind = "depthwise"
    count = flop_registry.get(packet)
    values = inputs[0].numel() if kind == "pool" else output.numel()
    flops = count(*args, **kwargs, out_val=result) if count else values
    read = sum(t.numel() * t.element_size() for t in inputs)
    return OpCost(f"{index}.{name}", kind, flops, read, output.numel() * output.element_size())


def trace_ops(model: torch.nn.Module, *inputs: torch.Tensor) -> list[OpCost]:
    """Run `model` once in eval mode and list its operators in order: kind, FLOPs, bytes read and written.

    Convolutions and matrix products count two FLOPs a multiply–accumulate, pools one an input value,
    all others one an output value. Batch norm reads its statistics and counts as elementwise: in inference it is one.
    """
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), _Tracer() as tracer:
            model(*inputs)
    finally:
        for module, training in modes:
            module.training = training
    return tracer.ops
