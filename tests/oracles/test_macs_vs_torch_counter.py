"""Formulas and module counts against torch.utils.flop_counter (2 FLOPs a MAC, bias and norms ignored)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from utils.cost.flops import attention_ops, conv_macs, count_module_macs, linear_ops


def torch_macs(module, *inputs) -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module(*inputs)
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


@given(g=st.integers(1, 3), c=st.integers(1, 3), m=st.integers(1, 3), kh=st.integers(1, 3), kw=st.integers(1, 3),
       stride=st.integers(1, 3), pad=st.integers(0, 2), dilation=st.integers(1, 2), bias=st.booleans(), batch=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_convolutions(g, c, m, kh, kw, stride, pad, dilation, bias, batch):
    with torch.device("meta"):
        conv = nn.Conv2d(g * c, g * m, (kh, kw), stride, pad, dilation, g, bias)
        x = torch.empty(batch, g * c, 8, 7)
    want = torch_macs(conv, x)
    assert conv_macs(8, 7, g * c, g * m, (kh, kw), stride, pad, dilation, g, batch) == want
    assert count_module_macs(conv, x).macs == want


@given(g=st.integers(1, 3), c=st.integers(1, 3), m=st.integers(1, 3), k=st.integers(1, 3), stride=st.integers(1, 3), dims=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_transposed_and_other_dimensions(g, c, m, k, stride, dims):
    for kind in (f"Conv{dims}d", f"ConvTranspose{dims}d"):
        with torch.device("meta"):
            layer = getattr(nn, kind)(g * c, g * m, k, stride, groups=g)
            x = torch.empty(2, g * c, *[5] * dims)
        assert count_module_macs(layer, x).macs == torch_macs(layer, x)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.booleans())
@settings(max_examples=30, deadline=None)
def test_linear(rows, n_in, n_out, bias):
    layer = nn.Linear(n_in, n_out, bias)
    assert linear_ops(rows, n_in, n_out, bias).macs == torch_macs(layer, torch.zeros(rows, n_in))


@pytest.mark.parametrize("shape", [(1, 4, 16, 16, 8), (2, 3, 5, 7, 4)])
def test_attention(shape):
    batch, heads, q_len, kv_len, d = shape
    q, k = torch.zeros(batch, heads, q_len, d), torch.zeros(batch, heads, kv_len, d)
    with sdpa_kernel(SDPBackend.MATH):
        assert attention_ops(*shape).macs == torch_macs(scaled_dot_product_attention, q, k, k)


def test_transformer_layer_in_training_mode():
    """Training mode keeps torch's own count whole: neither the fused layer nor the fused attention runs."""
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True).train()
    x = torch.zeros(2, 6, 16)
    with sdpa_kernel(SDPBackend.MATH):
        assert count_module_macs(layer, x).macs == torch_macs(layer, x)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("both_ways", [False, True])
def test_recurrent(kind, both_ways):
    with torch.device("meta"):  # on the CPU torch runs an LSTM as one fused operator and counts 0
        net, x = kind(3, 5, num_layers=2, bidirectional=both_ways), torch.zeros(4, 2, 3)
        assert count_module_macs(net, x).macs == torch_macs(net, x)
    assert torch_macs(nn.LSTM(3, 5), torch.zeros(4, 1, 3)) == 0
