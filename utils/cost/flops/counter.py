"""MACs counted in real objects: a torch module by forward hooks, an ONNX graph by shape inference.

Nothing is silently zero: a module that owns parameters and has no rule, one that was never called, and a
node whose arithmetic is unknown are all listed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

MacRule = Callable[[Any, tuple, Any], int]  # (module, inputs, output) -> MACs of that call


@dataclass(frozen=True)
class LayerMacs:
    """One layer: its class, parameters, MACs over all its calls, calls, and the last output's shape."""

    name: str
    kind: str
    params: int
    macs: int
    calls: int
    out_shape: tuple[int, ...]


@dataclass(frozen=True)
class LayerTable:
    """Rows in order of first call; `unknown` modules have no rule, `not_called` own parameters but never ran.

    A module is not called when it is unused, or when its weights are read behind its back.
    """

    rows: tuple[LayerMacs, ...]
    unknown: tuple[str, ...]
    not_called: tuple[str, ...]

    @property
    def macs(self) -> int:
        """MACs of all rows."""
        return sum(row.macs for row in self.rows)

    @property
    def macs_by_kind(self) -> dict[str, int]:
        """MACs by class of layer, in order of first call."""
        by_kind: dict[str, int] = {}
        for row in self.rows:
            by_kind[row.kind] = by_kind.get(row.kind, 0) + row.macs
        return by_kind

    def as_dict(self) -> dict[str, Any]:
        """The table and its total as plain data."""
        return {**asdict(self), "macs": self.macs}


def count_module_macs(model: nn.Module, input_shape: Sequence[int] | torch.Tensor | tuple[torch.Tensor, ...], *,
                      strict: bool = False, rules: Mapping[type, MacRule] | None = None) -> LayerTable:
    """Run `model` once in eval mode and count the multiply–accumulates of its layers.

    `input_shape` is a float input's shape, batch included, or the input tensor(s) themselves. Convolutions,
    transposed convolutions, linear, bilinear, recurrent and multi-head attention layers have rules; norms,
    embeddings and PReLU count 0. `rules` adds or replaces rules by class, with or without parameters. Matrix
    products that a forward writes out (`q @ k.T`) belong to no layer and are not seen. Raises ValueError
    "no rule for <type>" when `strict` and a module that owns parameters has none.
    """
    from torch import nn

    from utils.cost.flops.mac_rules import torch_rules

    table = {**torch_rules(), **(rules or {})}
    modules = {name or "(root)": m for name, m in model.named_modules()}
    ruled = {name: table[kind] for name, m in modules.items() if (kind := _rule_type(m, table))}
    unknown = tuple(name for name, m in modules.items() if name not in ruled and list(m.parameters(recurse=False)))
    if strict and unknown:
        kind = type(modules[unknown[0]]).__name__
        raise ValueError(f"model must have a rule for every layer, got no rule for {kind} ({unknown[0]})")

    calls: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    hooks = [modules[name].register_forward_hook(_recorder(name, rule, calls), with_kwargs=True)
             for name, rule in ruled.items()]
    try:
        _forward_once(model, input_shape)
    finally:
        for hook in hooks:
            hook.remove()
    rows = tuple(_row(name, modules[name], seen) for name, seen in calls.items())
    # multi-head attention reads the weights of its output projection without calling it
    absorbed = {id(m.out_proj) for m in modules.values() if isinstance(m, nn.MultiheadAttention)}
    not_called = tuple(n for n in ruled if n not in calls and id(modules[n]) not in absorbed)
    return LayerTable(rows, unknown, not_called)


def _recorder(name: str, rule: MacRule, calls: dict[str, list]) -> Callable:
    """A forward hook that notes (MACs, output shape) of each call of one layer."""
    def hook(module: nn.Module, inputs: tuple, kwargs: dict, output: Any) -> None:
        args = tuple(inspect.signature(module.forward).bind(*inputs, **kwargs).arguments.values())
        first = output[0] if isinstance(output, tuple) else output
        calls.setdefault(name, []).append((rule(module, args, output), tuple(first.shape)))
    return hook


def _row(name: str, module: nn.Module, seen: list[tuple[int, tuple[int, ...]]]) -> LayerMacs:
    params = sum(p.numel() for p in module.parameters())  # a layer with a rule answers for what is inside it
    return LayerMacs(name, type(module).__name__, params, sum(macs for macs, _ in seen), len(seen), seen[-1][1])


def _rule_type(module: nn.Module, table: Mapping[type, MacRule]) -> type | None:
    """The closest class of `module` that has a rule."""
    return next((c for c in type(module).__mro__ if c in table), None)


def _forward_once(model: nn.Module, inputs: Sequence[int] | torch.Tensor | tuple) -> None:
    """One forward in eval mode; the fused transformer path is off because it calls no sub-module."""
    import torch

    if isinstance(inputs, torch.Tensor):
        inputs = (inputs,)
    elif not any(isinstance(x, torch.Tensor) for x in inputs):
        like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
        inputs = (torch.zeros(tuple(inputs), dtype=like.dtype, device=like.device),)
    modes = [(m, m.training) for m in model.modules()]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        model.eval()
        with torch.no_grad():
            model(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for module, training in modes:
            module.training = training


# ONNX operators that multiply and accumulate but have no rule here, and those that hide a graph inside.
_ONNX_UNRULED = {"LSTM", "GRU", "RNN", "Einsum", "Attention", "DeformConv", "Loop", "If", "Scan"}


def count_onnx_macs(model: Any, dims: Mapping[str, int] | None = None) -> dict[str, Any]:
    """MACs of an ONNX model by shape inference: keys total, by_op, by_node, unresolved.

    Conv, ConvTranspose, Gemm, MatMul and their integer forms are counted. `dims` gives symbolic dimensions
    a size ({"batch": 1}). `unresolved` lists nodes that multiply but whose shapes or rule are missing,
    including every node outside the standard domain.
    """
    from onnx import shape_inference

    from utils.cost.flops.mac_rules import ONNX_RULES

    graph = shape_inference.infer_shapes(_bind_dims(model, dims or {}), data_prop=True).graph
    shapes = _onnx_shapes(graph)
    by_op: dict[str, int] = {}
    by_node: dict[str, int] = {}
    unresolved: list[str] = []
    for index, node in enumerate(graph.node):
        name = node.name or f"{node.op_type}_{index}"
        standard = node.domain in ("", "ai.onnx")
        if standard and node.op_type in ONNX_RULES:
            macs = ONNX_RULES[node.op_type](node, [shapes.get(i) for i in node.input], shapes.get(node.output[0]))
        else:
            macs = None if not standard or node.op_type in _ONNX_UNRULED else 0
        if macs is None:
            unresolved.append(name)
        elif macs:
            by_node[name] = macs
            by_op[node.op_type] = by_op.get(node.op_type, 0) + macs
    return {"total": sum(by_node.values()), "by_op": by_op, "by_node": by_node, "unresolved": unresolved}


def _onnx_shapes(graph: Any) -> dict[str, tuple[int | None, ...]]:
    """Shapes by tensor name; a dimension without a number is None."""
    shapes: dict[str, tuple[int | None, ...]] = {t.name: tuple(t.dims) for t in graph.initializer}
    for info in [*graph.input, *graph.value_info, *graph.output]:
        tensor = info.type.tensor_type
        if tensor.HasField("shape"):
            shapes[info.name] = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return shapes


def _bind_dims(model: Any, dims: Mapping[str, int]) -> Any:
    """A copy of `model` whose symbolic dimensions named in `dims` have that size."""
    import onnx

    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for info in [*bound.graph.input, *bound.graph.output, *bound.graph.value_info]:
        for d in info.type.tensor_type.shape.dim:
            if d.dim_param in dims:
                d.dim_value = dims[d.dim_param]
    return bound
