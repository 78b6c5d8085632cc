"""Flash and standard attention against torch's scaled-dot-product attention and autograd."""

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from utils.attention.flash import flash_backward, flash_forward, flash_forward_v1
from utils.attention.standard import standard_attention

CASES = [(67, 16, 16, 8), (50, 16, 64, 7), (1, 8, 4, 4), (33, 5, 1, 1)]  # n, d, block_q, block_k: mostly ragged


def draw(n_q, n_k, d, dv, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_q, d)), rng.standard_normal((n_k, d)), rng.standard_normal((n_k, dv))


def oracle(q, k, v, causal, offset):
    mask = torch.arange(len(k)) <= offset + torch.arange(len(q))[:, None] if causal else None
    return scaled_dot_product_attention(*(torch.as_tensor(a)[None] for a in (q, k, v)), attn_mask=mask)[0]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n", "d", "br", "bc"), CASES)
@pytest.mark.parametrize("more_keys", [0, 9])
def test_forward(n, d, br, bc, causal, more_keys):
    q, k, v = draw(n, n + more_keys, d, d + 2)
    expected = oracle(q, k, v, causal, more_keys)
    # convex combinations of order-1 values in float64; both sides round some hundred times
    np.testing.assert_allclose(flash_forward(q, k, v, br, bc, causal)[0], expected, atol=1e-12)
    np.testing.assert_allclose(standard_attention(q, k, v, causal), expected, atol=1e-12)
    if not causal:
        np.testing.assert_allclose(flash_forward_v1(q, k, v, br, bc)[0], expected, atol=1e-12)


def test_top_left_alignment_is_torchs_is_causal():
    q, k, v = draw(6, 9, 4, 4)
    expected = scaled_dot_product_attention(*(torch.as_tensor(a)[None] for a in (q, k, v)), is_causal=True)[0]
    np.testing.assert_allclose(flash_forward(q, k, v, 4, 2, True, q_offset=0)[0], expected, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n", "d", "br", "bc"), CASES)
def test_backward(n, d, br, bc, causal):
    q, k, v = draw(n, n, d, d)
    do = np.random.default_rng(1).standard_normal((n, d))
    o, lse = flash_forward(q, k, v, br, bc, causal)
    leaves = [torch.tensor(a, requires_grad=True) for a in (q, k, v)]
    oracle(*leaves, causal, 0).backward(torch.tensor(do))
    for mine, leaf in zip(flash_backward(q, k, v, o, do, lse, br, bc, causal), leaves):
        # gradients of order 10 that sum up to 67 products in float64
        np.testing.assert_allclose(mine, leaf.grad, atol=1e-10)
