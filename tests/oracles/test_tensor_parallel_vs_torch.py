"""Layers cut over ranks against torch's own layers on one."""

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.functional import silu as torch_silu

from utils.engines.tensorrt_llm import silu, tp_attention, tp_mlp

D, T, SIZE = 12, 5, 6


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
@pytest.mark.parametrize("heads, kv_heads", [(8, 8), (8, 2), (8, 1)])
def test_attention(tp, heads, kv_heads):
    x, wq, wk, wv, wo = arrays((T, D), (D, heads * SIZE), (D, kv_heads * SIZE), (D, kv_heads * SIZE), (heads * SIZE, D))
    result = tp_attention(x, wq, wk, wv, wo, heads, kv_heads, tp)
    q, k, v = (torch.from_numpy(x @ w).unflatten(-1, (-1, SIZE)).transpose(0, 1) for w in (wq, wk, wv))
    k, v = (a.repeat_interleave(heads // kv_heads, dim=0) for a in (k, v))
    expected = scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(-2).numpy() @ wo
    assert np.abs(result.y - expected).max() < 1e-10  # sums of 48 products of order 10 in float64


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
def test_mlp(tp):
    x, gate, up, down = arrays((T, D), (D, 32), (D, 32), (32, D))
    tx, tg, tu, td = map(torch.from_numpy, (x, gate, up, down))
    expected = (torch_silu(tx @ tg) * (tx @ tu)) @ td
    assert np.abs(tp_mlp(x, gate, up, down, tp).y - expected.numpy()).max() < 1e-11


def test_silu_does_not_overflow():
    x = np.array([-1e4, -30.0, -1.0, 0.0, 0.5, 30.0, 1e4])
    assert np.allclose(silu(x), torch_silu(torch.from_numpy(x)).numpy(), rtol=1e-13, atol=1e-12)
