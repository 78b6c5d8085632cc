"""The arithmetic of many experts at once: a loop of small products against one grouped product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def expert_loop(x: Tensor, w: Tensor, counts: Sequence[int]) -> Tensor:
    """x (n, d) sorted by expert, w (E, d, f), counts (E,) rows of each: one product an expert, (n, f)."""
    return torch.cat([rows @ w[e] for e, rows in enumerate(x.split(list(counts))) if len(rows)])


def expert_grouped(x: Tensor, w: Tensor, counts: Sequence[int]) -> Tensor:
    """The same in one call. On CUDA x and w must be bfloat16, d and f multiples of 8."""
    ends = torch.tensor(counts, device=x.device).cumsum(0).to(torch.int32)
    return F.grouped_mm(x, w, offs=ends)


def grouped_rows(tokens: Sequence[int], time_ms: Callable[[Callable[[], object]], float], *, num_experts: int = 64,
                 d_model: int = 512, d_ff: int = 256, device: str = "cpu", dtype: str = "bfloat16",
                 seed: int = 0) -> list[dict[str, Any]]:
    """Rows tokens, loop_ms, grouped_ms, ratio: uniformly routed tokens through all experts' first matrices.

    `time_ms` measures a call (its median or minimum) and has to wait for the device.
    """
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(num_experts, d_model, d_ff, generator=generator).to(device=device, dtype=getattr(torch, dtype))
    rows = []
    for n in tokens:
        x = torch.randn(n, d_model, generator=generator).to(w)
        chosen = torch.randint(num_experts, (n,), generator=generator)
        counts = torch.bincount(chosen, minlength=num_experts).tolist()
        loop, grouped = (time_ms(lambda f=f, x=x, c=counts: f(x, w, c)) for f in (expert_loop, expert_grouped))
        rows.append({"tokens": n, "loop_ms": loop, "grouped_ms": grouped, "ratio": loop / grouped})
    return rows
