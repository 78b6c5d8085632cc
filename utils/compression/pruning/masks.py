"""Unstructured pruning: which weights go, when they go, and how they stay gone while the rest trains on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

Weights = TypeVar("Weights", np.ndarray, Tensor)


def magnitude_mask(weight: Weights, sparsity: float) -> Weights:
    """True where a weight is kept: all but the round(sparsity * size) smallest absolute values.

    The mask has the shape and kind (array or tensor) of `weight`; on equal values the lower flat index is
    pruned first. Raises ValueError unless sparsity is in [0, 1].

    >>> magnitude_mask(np.array([[0.5, -0.1, 0.3], [0.1, -2.0, 0.05]]), 0.5)
    array([[ True, False,  True],
           [False,  True, False]])
    """
    return _keep_largest(abs(weight), sparsity)


def global_masks(tensors: Sequence[Tensor], sparsity: float) -> list[Tensor]:
    """One threshold for all tensors together: exactly round(sparsity * total size) weights are pruned.

    A layer of small weights may lose far more than its share. Ties go by the order of the tensors, then by flat
    index.
    """
    flat = magnitude_mask(torch.cat([t.detach().flatten() for t in tensors]), sparsity)
    return [mask.view(t.shape) for mask, t in zip(flat.split([t.numel() for t in tensors]), tensors)]


def _keep_largest(scores: Weights, sparsity: float) -> Weights:
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must be in [0, 1], got {sparsity}")
    flat = scores.reshape(-1)
    pruned = round(sparsity * len(flat))
    if isinstance(scores, np.ndarray):
        mask = np.ones(flat.shape, bool)
        mask[np.argsort(flat, kind="stable")[:pruned]] = False
    else:
        mask = torch.ones_like(flat, dtype=torch.bool)
        mask[torch.argsort(flat, stable=True)[:pruned]] = False
    return mask.reshape(scores.shape)


def apply_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the pruned entries of the named parameters to exactly 0.0, in place.

    Raises KeyError for a name that the model does not have and ValueError for a mask of another shape, before
    anything is changed.
    """
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if parameters[name].shape != mask.shape:
            raise ValueError(f"mask of {name} must have its shape {tuple(parameters[name].shape)}, "
                             f"got {tuple(mask.shape)}")
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].masked_fill_(mask.to(parameters[name].device) == 0, 0)  # not *=: NaN * 0 is NaN


class MaskedTraining(AbstractContextManager):
    """While the context is open, masked weights are exactly 0.0 after every step of any optimizer.

    Masking gradients would not do: momentum moves a weight whose gradient is zero.

    >>> model = nn.Linear(2, 1)
    >>> with MaskedTraining(model, {"weight": torch.tensor([[True, False]])}):
    ...     bool(model.weight[0, 1] == 0)
    True
    """

    def __init__(self, model: nn.Module, masks: Mapping[str, Tensor]) -> None:
        self.model = model
        self.masks = masks

    def __enter__(self) -> MaskedTraining:
        apply_masks(self.model, self.masks)
        self._hook = register_optimizer_step_post_hook(lambda *_: apply_masks(self.model, self.masks))
        return self

    def __exit__(self, *exception: object) -> None:
        self._hook.remove()


def finetune_pruned(model: nn.Module, masks: Mapping[str, Tensor], optimizer: torch.optim.Optimizer,
                    batches: Iterable[tuple[Tensor, Tensor]],
                    loss_fn: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
    """One optimizer step a batch, after each of which every masked weight is exactly 0.0; the batches' losses."""
    losses = []
    with MaskedTraining(model, masks):
        for x, y in batches:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def polynomial_sparsity(step: int, *, initial: float, final: float, begin: int, steps: int, power: int = 3) -> float:
    """Gradual schedule: fast while the network has slack, slow near the end (Zhu & Gupta 2017 with power 3).

    `initial` up to step `begin`, `final` from begin + steps on, between them final + (initial - final)(1 - t)^power
    with t the share of the way. Raises ValueError unless steps is positive.

    >>> [round(polynomial_sparsity(t, initial=0, final=0.8, begin=2, steps=4), 4) for t in range(2, 7)]
    [0, 0.4625, 0.7, 0.7875, 0.8]
    """
    if steps <= 0:
        raise ValueError(f"steps must be positive, got {steps}")
    if step <= begin:
        return initial
    if step >= begin + steps:
        return final
    return final + (initial - final) * (1 - (step - begin) / steps) ** power


def sparsity_at(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    """The sparsity at `step`: from `initial` to `final` over `steps` steps from `begin` on."""
    return polynomial_sparsity(step, initial=initial, final=final, begin=begin, steps=steps)
