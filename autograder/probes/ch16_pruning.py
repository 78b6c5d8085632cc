"""Probes of chapter 16: a small network is fine-tuned, and its weights are read after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from .plain import to_plain

LOSSES = {
    "sum": lambda output, y: (output * y).sum(),
    "squares": lambda output, y: ((output - y) ** 2).mean(),
}


def finetune(answer: Callable, layers: Sequence[int], masks: Mapping[str, Any], *, optimizer: str = "SGD",
             options: Mapping[str, float] | None = None, warm_steps: int = 0, steps: int = 1, loss: str = "squares",
             weights: Mapping[str, Any] | None = None, bias: bool = True, mask_dtype: str = "bool",
             dtype: str = "float32", ones: bool = False, seed: int = 0) -> dict:
    """Let `answer(model, masks, optimizer, batches, loss_fn)` train a small seeded network.

    The network has a linear layer for each pair of `layers`, tanh between them. It takes `warm_steps` plain steps
    first, which fill the optimizer's state and leave gradients behind; then the masks are applied, so the answer
    starts from masked weights. `masks` has 0 and 1 in lists, by parameter name. `batches` is a generator.

    Returns what the answer returned, the weights before, after each step and at the end (read as the layers see
    them), their dtypes at the end, and how many steps the optimizer took. The weights after a step are read when
    the next loss is computed.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model, rng = _network(layers, bias, getattr(torch, dtype), weights or {}, seed)
        engine = getattr(torch.optim, optimizer)(model.parameters(), **(options or {}))
        wanted = {name: torch.tensor(np.array(mask), dtype=getattr(torch, mask_dtype)) for name, mask in masks.items()}
        data = [_batch(layers, rng, getattr(torch, dtype), ones) for _ in range(warm_steps + steps)]
        plain_loss, seen, taken = LOSSES[loss], [], []
        for x, y in data[:warm_steps]:
            engine.zero_grad()
            plain_loss(model(x), y).backward()
            engine.step()
        with torch.no_grad():
            for name, mask in wanted.items():
                model.get_parameter(name)[mask == 0] = 0
        names = [name for name, _ in model.named_parameters()]
        before = _weights(model, names)
        engine.register_step_post_hook(lambda *_: taken.append(1))

        def loss_fn(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            seen.append(_weights(model, names))
            return plain_loss(output, y)

        losses = to_plain(answer(model, wanted, engine, _given(data[warm_steps:]), loss_fn))
        end = _weights(model, names)
        dtypes = {name: str(_read(model, name).dtype).removeprefix("torch.") for name in names}
        return {"losses": losses, "before": before, "after": [*seen[1:], end] if seen else [], "end": end,
                "steps": len(taken), "dtypes": dtypes}
    finally:
        torch.set_num_threads(threads)


def _network(layers: Sequence[int], bias: bool, dtype: torch.dtype, weights: Mapping[str, Any],
             seed: int) -> tuple[nn.Sequential, np.random.Generator]:
    rng = np.random.default_rng(seed)
    modules: list[nn.Module] = []
    for n_in, n_out in pairwise(layers):
        modules += [nn.Linear(n_in, n_out, bias=bias, dtype=dtype), nn.Tanh()]
    model = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for name, p in model.named_parameters():
            value = weights.get(name, rng.uniform(0.2, 1.0, tuple(p.shape)) * rng.choice([-1, 1], tuple(p.shape)))
            p.copy_(torch.tensor(np.array(value), dtype=dtype))
    return model, rng


def _batch(layers: Sequence[int], rng: np.random.Generator, dtype: torch.dtype,
           ones: bool) -> tuple[torch.Tensor, torch.Tensor]:
    if ones:
        return torch.ones(1, layers[0], dtype=dtype), torch.ones(1, layers[-1], dtype=dtype)
    return (torch.tensor(rng.standard_normal((5, layers[0])), dtype=dtype),
            torch.tensor(rng.standard_normal((5, layers[-1])), dtype=dtype))


def _given(batches: Sequence) -> Iterator:
    yield from batches


def _read(model: nn.Module, name: str) -> torch.Tensor:
    """The weight as its layer sees it, also when the answer computes it in the forward pass."""
    place, _, attribute = name.rpartition(".")
    return getattr(model.get_submodule(place), attribute)


def _weights(model: nn.Module, names: Sequence[str]) -> dict[str, Any]:
    return {name: to_plain(_read(model, name)) for name in names}
