"""The ideas of FlashAttention and PagedAttention in plain torch operators, to be timed beside torch's own kernels.

They are exact, and they are not fused: every operator reads and writes the device's memory. So tiles save memory
here and no traffic, and a gather through a block table moves the cache three times instead of once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def tiled_attention(q: Tensor, k: Tensor, v: Tensor, block_q: int = 1024, block_k: int = 1024) -> Tensor:
    """Attention of q (B, H, Nq, d) over k and v (B, H, Nk, d), a tile of scores at a time: (B, H, Nq, d).

    Scores and sums are float32 where the inputs are shorter.
    """
    scale, wide = q.shape[-1] ** -0.5, torch.promote_types(q.dtype, torch.float32)
    o = torch.empty_like(q)
    for start in range(0, q.shape[-2], block_q):
        qi = q[..., start:start + block_q, :] * scale
        m = torch.full((*qi.shape[:-1], 1), float("-inf"), dtype=wide, device=q.device)
        l, acc = torch.zeros_like(m), torch.zeros(qi.shape, dtype=wide, device=q.device)
        for at in range(0, k.shape[-2], block_k):
            s = (qi @ k[..., at:at + block_k, :].mT).to(wide)
            m_new = torch.maximum(m, s.amax(-1, keepdim=True))
            p, keep = torch.exp(s - m_new), torch.exp(m - m_new)
            l = keep * l + p.sum(-1, keepdim=True)
            acc = keep * acc + p.to(v.dtype) @ v[..., at:at + block_k, :]
            m = m_new
        o[..., start:start + block_q, :] = (acc / l).to(q.dtype)
    return o


def gathered_attention(q: Tensor, k_pool: Tensor, v_pool: Tensor, tables: Tensor) -> Tensor:
    """One query of each sequence, q (B, H, d), over all tokens of its block table: (B, H, d).

    The pools are (blocks, block_size, H, d); `tables` (B, n) holds block ids on the pools' device. The blocks are
    copied behind one another first; then torch's own kernel runs over the copy.
    """
    k, v = (pool[tables].flatten(1, 2).transpose(1, 2) for pool in (k_pool, v_pool))  # (B, H, n * block_size, d)
    return scaled_dot_product_attention(q[:, :, None], k, v)[:, :, 0]
