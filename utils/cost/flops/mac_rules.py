"""The MACs of one call of a torch layer, and of one ONNX node, from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

Shape = Sequence[int | None] | None


def torch_rules() -> dict[type, Callable[[Any, tuple, Any], int]]:
    """Rules by torch class: (module, inputs, output) -> MACs. Subclasses inherit them."""
    from torch import nn

    multiplying = {
        nn.modules.conv._ConvTransposeNd: _conv_transpose,
        nn.modules.conv._ConvNd: _conv,
        nn.Linear: lambda m, inputs, out: out.numel() * m.in_features,
        nn.Bilinear: lambda m, inputs, out: out.numel() * (m.in1_features + 1) * m.in2_features,
        nn.RNNBase: _recurrent,
        nn.MultiheadAttention: _attention,
    }
    elementwise = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.Embedding,
                   nn.EmbeddingBag, nn.PReLU)
    return {**multiplying, **dict.fromkeys(elementwise, lambda m, inputs, out: 0)}


def _conv(m: Any, inputs: tuple, out: Any) -> int:
    return out.numel() * (m.in_channels // m.groups) * math.prod(m.kernel_size)


def _conv_transpose(m: Any, inputs: tuple, out: Any) -> int:
    return inputs[0].numel() * (m.out_channels // m.groups) * math.prod(m.kernel_size)  # every input spreads a kernel


def _recurrent(m: Any, inputs: tuple, out: Any) -> int:
    x = inputs[0].data if hasattr(inputs[0], "batch_sizes") else inputs[0]
    steps = x.numel() // x.shape[-1]  # vectors, whatever the layout
    weights = sum(p.numel() for name, p in m.named_parameters(recurse=False) if name.startswith("weight"))
    return steps * weights


def _attention(m: Any, inputs: tuple, out: Any) -> int:
    q, k, v = inputs[:3]
    batch = math.prod(q.shape) // (q.shape[-1] * _length(m, q))
    q_len, kv_len, d = _length(m, q), _length(m, k), m.embed_dim
    project = (2 * q_len * d + kv_len * k.shape[-1] + kv_len * v.shape[-1]) * d  # q, out, k, v
    seen = kv_len + (m.bias_k is not None) + m.add_zero_attn
    return batch * (project + 2 * q_len * seen * d)  # Q K^T and P V over all heads


def _length(m: Any, x: Any) -> int:
    """Sequence length of an (L, E), (L, N, E) or, batch first, (N, L, E) tensor."""
    return x.shape[1] if m.batch_first and x.dim() == 3 else x.shape[0]


def _known(*shapes: Shape) -> bool:
    return all(s is not None and None not in s for s in shapes)


def _onnx_conv(node: Any, inputs: list[Shape], out: Shape, weight: int = 1) -> int | None:
    w = inputs[weight]  # (C_out, C_in / groups, k...)
    return math.prod(out) * math.prod(w[1:]) if _known(w, out) else None


def _onnx_conv_transpose(node: Any, inputs: list[Shape], out: Shape) -> int | None:
    x, w = inputs[:2]  # w: (C_in, C_out / groups, k...)
    return math.prod(x) * math.prod(w[1:]) if _known(x, w) else None


def _onnx_gemm(node: Any, inputs: list[Shape], out: Shape) -> int | None:
    a = inputs[0]
    if not _known(a, out):
        return None
    transposed = any(attr.name == "transA" and attr.i for attr in node.attribute)
    return math.prod(out) * a[0 if transposed else 1]


def _onnx_matmul(node: Any, inputs: list[Shape], out: Shape) -> int | None:
    return math.prod(out) * inputs[0][-1] if _known(inputs[0], out) else None


ONNX_RULES: dict[str, Callable[[Any, list[Shape], Shape], int | None]] = {
    "Conv": _onnx_conv,
    "ConvInteger": _onnx_conv,
    "QLinearConv": lambda node, inputs, out: _onnx_conv(node, inputs, out, weight=3),
    "ConvTranspose": _onnx_conv_transpose,
    "Gemm": _onnx_gemm,
    "MatMul": _onnx_matmul,
    "MatMulInteger": _onnx_matmul,
    "QLinearMatMul": _onnx_matmul,
}
