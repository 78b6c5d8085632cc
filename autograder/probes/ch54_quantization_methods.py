"""Probes of chapter 54: an autograd function is run forwards and backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .ask import ProbeError


def fake_quant(answer: Any, x: Any, scale: float, qmin: int, qmax: int, *, upstream: Any = None, dtype: str = "float32",
               transpose: bool = False) -> dict:
    """Call `answer.apply(x, scale, qmin, qmax)` and send a gradient back (ones unless `upstream` is given).

    Returns the output, its dtype, the gradient that arrives at x (None if none does), and whether x was changed.
    `transpose` hands over a matrix that is not contiguous.
    """
    if not hasattr(answer, "apply"):
        raise ProbeError("expected a class with a static method apply, as torch.autograd.Function has")
    kind = getattr(torch, dtype)
    leaf = torch.tensor(np.array(x), dtype=kind).requires_grad_()
    before = leaf.detach().clone()
    given = leaf.T if transpose else leaf
    output = answer.apply(given, scale, qmin, qmax)
    if not isinstance(output, torch.Tensor):
        raise ProbeError(f"expected apply to return a tensor, got {type(output).__name__}")
    if output.requires_grad:
        sent = torch.ones_like(output) if upstream is None else torch.tensor(np.array(upstream)).to(output.dtype)
        output.backward(sent)
    return {"output": output.detach(), "dtype": str(output.dtype).removeprefix("torch."), "gradient": leaf.grad,
            "changed": not torch.equal(leaf.detach(), before)}
