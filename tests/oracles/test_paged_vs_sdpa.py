"""Paged attention against torch's scaled-dot-product attention on gathered keys and values."""

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from utils.attention.paged import paged_attention, paged_attention_batch


@pytest.mark.parametrize("garbage", [1e9, np.nan])
@pytest.mark.parametrize(("block_size", "length"), [(1, 5), (4, 9), (4, 12), (16, 3), (5, 37)])
@pytest.mark.parametrize(("q_heads", "kv_heads"), [(1, 1), (4, 4), (8, 2)])
def test_against_sdpa(block_size, length, q_heads, kv_heads, garbage):
    rng = np.random.default_rng(length)
    used = -(-length // block_size)
    table = rng.permutation(used + 3)[:used].tolist()
    if used > 2:
        table[-2] = table[0]  # a physical block may serve twice
    q = rng.standard_normal((q_heads, 6)).astype(np.float32)
    k, v = (np.full((used + 3, block_size, kv_heads, 6), garbage, np.float32) for _ in range(2))
    for block in set(table):
        filled = block_size if block in table[:-1] else length - (used - 1) * block_size
        k[block, :filled], v[block, :filled] = rng.standard_normal((2, filled, kv_heads, 6))
    keys, values = (torch.tensor(a[table].reshape(-1, kv_heads, 6)[:length]).transpose(0, 1) for a in (k, v))
    expected = scaled_dot_product_attention(torch.tensor(q)[:, None], keys, values, enable_gqa=True)[:, 0]
    # float32 on torch's side: at most 37 terms of order 1
    np.testing.assert_allclose(paged_attention(q, k, v, table, length), expected, atol=1e-5)
    batch = paged_attention_batch(torch.tensor(q)[None], torch.tensor(k), torch.tensor(v), [table], [length])[0]
    torch.testing.assert_close(batch, expected, atol=1e-5, rtol=0)
