"""Structured pruning: neurons and filters leave the network, and what is left is a smaller dense network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils.networks.digits import Array, DigitsMLP

Score = Literal["in_norm", "product", "taylor", "random"]


def neuron_scores(model: DigitsMLP, layer: int, method: Score, X: Array | None = None, y: Array | None = None, *,
                  seed: int = 0) -> Tensor:
    """Importance of each neuron of hidden layer `layer` (0 is the first), shape (hidden[layer],).

    in_norm: L2 norm of the incoming weights. product: times that of the outgoing ones. taylor: mean over the
    rows of X of |activation * its gradient|, the first-order estimate of the loss without the neuron
    (Molchanov et al. 2017). random: by lot, from `seed`.
    Raises ValueError for an unknown layer or method, and for taylor without data.
    """
    if not 0 <= layer < len(model.hidden):
        raise ValueError(f"layer must be between 0 and {len(model.hidden) - 1}, got {layer}")
    if method == "random":
        return torch.rand(model.hidden[layer], generator=torch.Generator().manual_seed(seed))
    if method == "taylor":
        if X is None or y is None:
            raise ValueError("X and y must be given for method 'taylor', got None")
        return _taylor_scores(model, layer, torch.as_tensor(X), torch.as_tensor(y))
    if method not in ("in_norm", "product"):
        raise ValueError(f"method must be 'in_norm', 'product', 'taylor' or 'random', got {method!r}")
    into, out_of = model.linears[layer].weight.detach(), model.linears[layer + 1].weight.detach()
    return into.norm(dim=1) * (out_of.norm(dim=0) if method == "product" else 1)


def _taylor_scores(model: DigitsMLP, layer: int, X: Tensor, y: Tensor) -> Tensor:
    after = 2 * layer + 2  # in net, each hidden layer is a Linear and a ReLU
    with torch.no_grad():
        hidden = model.net[:after](X.flatten(1))  # (n, hidden)
    hidden.requires_grad_()
    loss = F.cross_entropy(model.net[after:](hidden), y, reduction="sum")  # each row gets its own loss's gradient
    (gradient,) = torch.autograd.grad(loss, hidden)
    return (hidden * gradient).detach().abs().mean(0)


def keep_neurons(scores: Tensor, share_removed: float) -> Tensor:
    """Ascending indices of the best neurons when a share of them goes; at least one stays."""
    kept = max(1, len(scores) - round(share_removed * len(scores)))
    return torch.argsort(scores, descending=True, stable=True)[:kept].sort().values


def kept_neurons(model: DigitsMLP, share_removed: float, method: Score, X: Array | None = None,
                 y: Array | None = None, *, seed: int = 0) -> list[Tensor]:
    """Indices of the best neurons of every hidden layer when the same share of each goes."""
    return [keep_neurons(neuron_scores(model, layer, method, X, y, seed=seed + layer), share_removed)
            for layer in range(len(model.hidden))]


def neuron_masks(model: DigitsMLP, keep: Sequence[Tensor]) -> dict[str, Tensor]:
    """Masks that silence the neurons which `keep` (one index tensor a hidden layer) does not name.

    A silent neuron has a zero row, a zero bias and, for the next layer, a zero column.
    """
    masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in model.named_parameters()}
    for layer, index in enumerate(_checked(model, keep)):
        dropped = torch.ones(model.hidden[layer], dtype=torch.bool)
        dropped[index] = False
        masks[f"net.{2 * layer}.weight"][dropped] = False
        masks[f"net.{2 * layer}.bias"][dropped] = False
        masks[f"net.{2 * layer + 2}.weight"][:, dropped] = False
    return masks


def shrink_mlp(model: DigitsMLP, keep: Sequence[Tensor]) -> DigitsMLP:
    """A smaller dense network with the kept neurons only: what `neuron_masks` computes, without the zeros.

    `keep` has one tensor of neuron indices a hidden layer. Raises ValueError when one is empty, out of range or
    names a neuron twice.

    >>> small = shrink_mlp(DigitsMLP(), [torch.arange(64), torch.arange(32)])
    >>> sum(p.numel() for p in small.parameters())
    6570
    """
    keep = _checked(model, keep)
    small = DigitsMLP(tuple(map(len, keep))).to(model.linears[0].weight)  # same dtype and device
    rows = [*keep, torch.arange(10)]
    columns = [torch.arange(64), *keep]
    with torch.no_grad():
        for old, new, r, c in zip(model.linears, small.linears, rows, columns):
            new.weight.copy_(old.weight[r][:, c])
            new.bias.copy_(old.bias[r])
    return small.train(model.training)


def _checked(model: DigitsMLP, keep: Sequence[Tensor]) -> list[Tensor]:
    if len(keep) != len(model.hidden):
        raise ValueError(f"keep must have one index tensor for each of {len(model.hidden)} layers, got {len(keep)}")
    return [_distinct_indices(index, n) for index, n in zip(keep, model.hidden)]


def _distinct_indices(keep: Tensor, n: int) -> Tensor:
    index = torch.as_tensor(keep, dtype=torch.long)
    if not len(index) or index.min() < 0 or index.max() >= n or len(index.unique()) < len(index):
        raise ValueError(f"keep must name at least one of 0..{n - 1}, none twice, got {index.tolist()}")
    return index


def remove_neurons(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray,
                   dead: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y = W2 relu(W1 x + b1) + b2 without the neurons flagged in `dead`, computing the same y.

    W1 (h, d), b1 (h,), W2 (o, h), b2 (o,), dead (h,) bool. A neuron whose weights are zero but whose bias is not
    still sends the constant relu(bias): it moves into the next bias. Raises ValueError when a flagged row of W1
    is not all zero.
    """
    dead = np.asarray(dead, bool)
    if np.any(W1[dead]):
        raise ValueError(f"dead must flag only all-zero rows of W1, got {np.flatnonzero(dead & W1.any(axis=1))}")
    constant = W2[:, dead] @ np.maximum(b1[dead], 0)  # (o,)
    return W1[~dead], b1[~dead], W2[:, ~dead], b2 + constant


def fold_constant_neurons(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray,
                          b2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Remove every neuron whose row of W1 is all zero, its constant folded into b2."""
    return remove_neurons(W1, b1, W2, b2, ~np.any(W1, axis=1))


def shrink_conv_pair(conv1: nn.Conv2d, bn: nn.BatchNorm2d | None, conv2: nn.Conv2d,
                     keep: Tensor) -> tuple[nn.Conv2d, nn.BatchNorm2d | None, nn.Conv2d]:
    """Keep the filters `keep` of conv1, with their batch-norm channels and the matching input channels of conv2.

    The new layers compute what the old ones do when the other channels between them are zero.
    Raises ValueError when a convolution is grouped, the channels do not fit, or `keep` is not valid.
    """
    if conv1.groups != 1 or conv2.groups != 1:
        raise ValueError(f"groups must be 1 in both convolutions, got {conv1.groups} and {conv2.groups}")
    if not conv1.out_channels == conv2.in_channels == (bn.num_features if bn else conv1.out_channels):
        raise ValueError(f"conv2 must take the {conv1.out_channels} channels of conv1, got {conv2.in_channels}")
    index = _distinct_indices(keep, conv1.out_channels)
    first = _conv_like(conv1, conv1.in_channels, len(index))
    second = _conv_like(conv2, len(index), conv2.out_channels)
    norm = None
    if bn is not None:
        norm = type(bn)(len(index), bn.eps, bn.momentum, bn.affine, bn.track_running_stats).to(conv1.weight)
    with torch.no_grad():
        _copy_state(conv1, first, lambda _, value: value[index])
        _copy_state(conv2, second, lambda name, value: value[:, index] if name == "weight" else value)
        if bn is not None:
            _copy_state(bn, norm, lambda _, value: value[index] if value.ndim else value)  # not the step counter
            norm.train(bn.training)
    return first, norm, second


def _conv_like(conv: nn.Conv2d, c_in: int, c_out: int) -> nn.Conv2d:
    new = nn.Conv2d(c_in, c_out, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
                    bias=conv.bias is not None, padding_mode=conv.padding_mode)
    return new.to(conv.weight)  # same dtype and device


def _copy_state(old: nn.Module, new: nn.Module, select: Callable[[str, Tensor], Tensor]) -> None:
    new.load_state_dict({name: select(name, value) for name, value in old.state_dict().items()})
