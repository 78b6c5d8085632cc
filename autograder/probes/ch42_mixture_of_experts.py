"""Probes of chapter 42: tensors in, gradients out, and experts that count the rows that they are handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ask import ProbeError


def with_tensors(answer: Callable, args: list) -> Any:
    """Call a function with its arrays handed over as torch tensors."""
    import torch

    return answer(*[torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a for a in args])


def loss_gradient(answer: Callable, probs: np.ndarray, indices: np.ndarray, num_experts: int) -> dict:
    """Call a loss with tensors; its value, its number of axes, and the gradient that arrives at `probs`.

    What is no tensor has ndim -1; a loss without a gradient leaves None.
    """
    import torch

    leaf = torch.from_numpy(probs.copy()).requires_grad_()
    loss = answer(leaf, torch.from_numpy(indices.copy()), num_experts)
    if not isinstance(loss, torch.Tensor):
        return {"value": float(loss), "ndim": -1, "gradient": None}
    if loss.requires_grad:
        loss.sum().backward()
    return {"value": float(loss.detach().sum()), "ndim": loss.ndim, "gradient": leaf.grad}


def forward(answer: Callable, x: np.ndarray, router_w: np.ndarray, up: np.ndarray, bias: np.ndarray, down: np.ndarray,
            k: int, capacity_factor: float | None = None, count: bool = False) -> Any:
    """Run a sparse layer with feed-forward experts, relu(rows @ up[e] + bias[e]) @ down[e].

    up (E, d, f), bias (E, f), down (E, f, d). Returns [y, dropped_fraction]; with `count` a dict of y and the
    number of rows that each expert was handed.
    """
    rows = [0] * len(up)

    def expert(e: int) -> Callable:
        def run(tokens: Any) -> Any:
            values = np.asarray(tokens, np.float64)
            if values.ndim != 2 or values.shape[1] != x.shape[1]:
                raise ValueError(f"an expert takes an array of shape (n, {x.shape[1]}), got {values.shape}")
            rows[e] += len(values)
            result = np.maximum(values @ up[e] + bias[e], 0) @ down[e]
            return tokens.new_tensor(result) if hasattr(tokens, "new_tensor") else result

        return run

    told = answer(x.copy(), router_w.copy(), [expert(e) for e in range(len(up))], k, capacity_factor)
    if not isinstance(told, (tuple, list)) or len(told) != 2:
        raise ProbeError(f"expected a pair (y, dropped_fraction), got {type(told).__name__}")
    y, dropped = told
    return {"y": y, "rows": rows} if count else [y, dropped]
