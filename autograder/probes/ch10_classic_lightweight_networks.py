"""Probe of chapter 10: a block of layers is built, filled with weights that depend on their shapes alone, and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from .ask import ProbeError


def block(answer: Callable, c_in: int, c_out: int, stride: int, expand_ratio: int, size: Sequence[int] = (7, 7),
          seed: int = 0) -> dict:
    """Build a block and run it twice on one image of `size` (height, width), in eval mode.

    Tensors are filled by role and shape, whatever they are called: so two blocks of the same layers compute the same.
    Returns the number of parameters, the output, and the output with all convolutions at zero and all norms at
    identity.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        module = answer(c_in, c_out, stride, expand_ratio)
        if not isinstance(module, nn.Module):
            raise ProbeError(f"expected a torch.nn.Module, got {type(module).__name__}")
        module.eval()
        x = torch.from_numpy(np.random.default_rng(seed).uniform(-3, 3, (1, c_in, *size)).astype(np.float32))
        with torch.no_grad():
            _fill(module, seed)
            output = _array(module(x.clone()))
            _empty(module)
            bare = _array(module(x.clone()))
        return {"parameters": sum(p.numel() for p in module.parameters()), "output": output, "bare": bare}
    finally:
        torch.set_num_threads(threads)


def _array(y: Any) -> np.ndarray:
    if not isinstance(y, torch.Tensor):
        raise ProbeError(f"the block must return a tensor, got {type(y).__name__}")
    return y.numpy().copy()


def _fill(module: nn.Module, seed: int) -> None:
    """Weights of several axes like He's initialisation; norms with scales and shifts that reach below 0 and above 6."""
    for layer in module.modules():
        norm = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        for name, p in layer.named_parameters(recurse=False):
            role = {"weight": 1, "bias": 2}.get(name, 0) if norm else 3
            rng = np.random.default_rng([seed, role, *p.shape])
            if role == 3 and p.dim() > 1:
                value = rng.normal(size=tuple(p.shape)) * np.sqrt(2 / max(p[0].numel(), 1))
            else:
                low, high = {1: (0.5, 3.0), 2: (-3.0, 5.0)}.get(role, (-1.0, 1.0))
                value = rng.uniform(low, high, tuple(p.shape))
            p.copy_(torch.from_numpy(np.asarray(value)))
        if norm and layer.running_mean is not None:
            rng = np.random.default_rng([seed, 4, *layer.running_mean.shape])
            layer.running_mean.copy_(torch.from_numpy(rng.uniform(-1, 1, tuple(layer.running_mean.shape))))
            layer.running_var.copy_(torch.from_numpy(rng.uniform(0.5, 2, tuple(layer.running_var.shape))))


def _empty(module: nn.Module) -> None:
    """All weights and biases zero; norms at identity."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.reset_parameters()
        else:
            for p in layer.parameters(recurse=False):
                p.zero_()
