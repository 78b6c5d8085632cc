"""The counter court: one network, six judges, and why they disagree."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.cost.flops.counter import count_module_macs, count_onnx_macs
from utils.cost.flops.counting_float import count_by_execution, naive_attention, naive_conv2d, naive_matmul
from utils.cost.flops.layer_ops import OpCount, attention_ops, conv2d_ops, linear_ops

if TYPE_CHECKING:
    import torch
    from torch import nn

_FUSED = "the fused attention kernel has no counting rule on the CPU"
_MASK = "computes the whole score matrix: the causal mask is not halved"
_NO_LAYER = "forward writes the product out: no layer owns it"
_FAST_PATH = "in eval mode without gradients one fused operator without a rule runs"


@dataclass(frozen=True)
class Case:
    """A network on trial: how to build and feed it, its exact count, its execution, and who errs why."""

    build: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    formula: Callable[[], OpCount]
    execute: Callable[[], OpCount]
    causes: dict[str, str]


def _attention_module(causal: bool) -> nn.Module:
    from torch import nn
    from torch.nn.functional import scaled_dot_product_attention

    class Attention(nn.Module):
        def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return scaled_dot_product_attention(q, k, v, is_causal=causal)

    return Attention()


def _conv_net() -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())


def _separable() -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), nn.Conv2d(4, 6, 1, bias=False))


def _encoder() -> nn.Module:
    from torch import nn

    # wrapped, because the fast ONNX exporter would turn the layer's own is_causal default into a tensor
    return nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True))


def _times(n: int, ops: OpCount) -> OpCount:
    return OpCount(n * ops.muls, n * ops.adds, n * ops.other)


def _encoder_formula() -> OpCount:
    return (linear_ops(5, 8, 24) + attention_ops(1, 2, 5, 5, 4) + linear_ops(5, 8, 8)
            + linear_ops(5, 8, 16) + linear_ops(5, 16, 8))


def _encoder_execution() -> OpCount:
    def product(n_in: int, n_out: int) -> OpCount:
        return count_by_execution(lambda x, w, b: naive_matmul(x, w) + b, (5, n_in), (n_in, n_out), (n_out,))

    attention = _times(2, count_by_execution(naive_attention, (5, 4), (5, 4), (5, 4)))
    return product(8, 24) + attention + product(8, 8) + product(8, 16) + product(16, 8)


def _heads(causal: bool) -> OpCount:
    return _times(4, count_by_execution(lambda q, k, v: naive_attention(q, k, v, causal), (16, 8), (16, 8), (16, 8)))


CASES: dict[str, Case] = {
    "convolution": Case(
        _conv_net, ((1, 3, 6, 6),),
        lambda: conv2d_ops(6, 6, 3, 4, 3, padding=1),
        lambda: count_by_execution(lambda x, w, b: naive_conv2d(x, w, b, padding=1), (3, 6, 6), (4, 3, 3, 3), (4,)),
        {},
    ),
    "separable": Case(
        _separable, ((1, 4, 6, 6),),
        lambda: (conv2d_ops(6, 6, 4, 4, 3, padding=1, groups=4, bias=False)
                 + conv2d_ops(6, 6, 4, 6, 1, bias=False)),
        lambda: (count_by_execution(lambda x, w: naive_conv2d(x, w, padding=1, groups=4), (4, 6, 6), (4, 1, 3, 3))
                 + count_by_execution(naive_conv2d, (4, 6, 6), (6, 4, 1, 1))),
        {},
    ),
    "attention": Case(
        lambda: _attention_module(causal=False), ((1, 4, 16, 8),) * 3,
        lambda: attention_ops(1, 4, 16, 16, 8), lambda: _heads(causal=False),
        {"FlopCounterMode": _FUSED, "module hooks": _NO_LAYER},
    ),
    "causal attention": Case(
        lambda: _attention_module(causal=True), ((1, 4, 16, 8),) * 3,
        lambda: attention_ops(1, 4, 16, 16, 8, causal=True), lambda: _heads(causal=True),
        {"FlopCounterMode": _FUSED, "module hooks": _NO_LAYER, "FlopCounterMode, math attention": _MASK,
         "ONNX graph": _MASK},
    ),
    "encoder layer": Case(
        _encoder, ((1, 5, 8),), _encoder_formula, _encoder_execution,
        {"FlopCounterMode": _FAST_PATH, "FlopCounterMode, math attention": _FAST_PATH},
    ),
}


def counter_verdicts(model_name: str) -> list[dict[str, Any]]:
    """What six judges say about one network: rows judge, macs, flops, agrees, cause.

    MACs are those of matrix products and convolutions; `agrees` compares them with the closed form, `cause`
    explains a difference. FLOPs follow each judge's own convention: exact additions for the formula and the
    execution, 2 * MACs for the tools, None for those that count MACs only. KeyError for an unknown network.
    """
    case = CASES[model_name]
    exact = case.formula()
    rows = []
    for judge, (macs, flops) in _testimony(case).items():
        agrees = macs == exact.macs
        cause = "" if agrees else case.causes.get(judge, "unexplained")
        rows.append({"judge": judge, "macs": macs, "flops": flops, "agrees": agrees, "cause": cause})
    return rows


def _testimony(case: Case) -> dict[str, tuple[int, int | None]]:
    """(MACs, FLOPs) by judge."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    model = case.build().eval()
    inputs = tuple(torch.randn(shape) for shape in case.shapes)
    formula, executed = case.formula(), case.execute()
    counted = _flop_counter(model, inputs)
    with sdpa_kernel(SDPBackend.MATH):
        counted_math = _flop_counter(model, inputs)
    return {
        "closed form": (formula.macs, formula.flops),
        "execution": (executed.macs, executed.flops),
        "FlopCounterMode": (counted // 2, counted),
        "FlopCounterMode, math attention": (counted_math // 2, counted_math),
        "module hooks": (count_module_macs(model, inputs).macs, None),
        "ONNX graph": (_onnx_macs(model, inputs), None),
    }


def _flop_counter(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(*inputs)
    return counter.get_total_flops()


def _onnx_macs(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    import onnx
    import torch

    file = io.BytesIO()
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused operator has no ONNX form
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fast exporter announces its age at each call
            torch.onnx.export(model, inputs, file, opset_version=17, dynamo=False)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return count_onnx_macs(onnx.load_from_string(file.getvalue()))["total"]
