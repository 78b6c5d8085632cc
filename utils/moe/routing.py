"""Routing: which experts see a token, with which weight, and who gets a place when an expert is full.

Letters: T tokens, E experts, k experts a token.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from utils.moe.accounting import expert_capacity

__all__ = ["Routing", "capacity_mask", "expert_capacity", "load_balancing_loss", "route_topk", "router_z_loss"]


class Routing(NamedTuple):
    """The router's decision: chosen experts (T, k), their weights (T, k), all probabilities (T, E)."""

    indices: Tensor
    weights: Tensor
    probs: Tensor


def route_topk(logits: Tensor, k: int, renormalize: bool = True, bias: Tensor | None = None) -> Routing:
    """Choose the k best experts of each row of `logits` (T, E), best first; on ties the lower index wins.

    Weights are the softmax over the chosen logits (Mixtral), or with `renormalize=False` their probabilities
    among all experts (Switch). `bias` (E,) is added to the probabilities for the choice alone: weights and
    gradients don't see it (DeepSeek-V3's balancing without a loss).
    Raises ValueError unless 1 <= k <= E.

    >>> route_topk(torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), 2).indices.tolist()
    [[0, 1], [2, 0]]
    """
    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"k must be between 1 and the number of experts {logits.shape[-1]}, got {k}")
    probs = logits.softmax(-1)  # (T, E)
    # without a bias the logits decide: their order survives where small probabilities all become 0
    score = logits.detach() if bias is None else probs.detach() + bias
    indices = torch.argsort(score, dim=-1, descending=True, stable=True)[:, :k]
    weights = logits.gather(1, indices).softmax(-1) if renormalize else probs.gather(1, indices)
    return Routing(indices, weights, probs)


def capacity_mask(indices: Tensor, num_experts: int, capacity: int) -> tuple[Tensor, Tensor]:
    """(keep, position), both (T, k): whether an expert accepts an assignment, and its place in the queue.

    All first choices queue in token order, then all second choices, and so on (GShard, Switch); the first
    `capacity` of an expert's queue are kept, the others are dropped. Raises ValueError for capacity < 1.
    """
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, got {capacity}")
    tokens, k = indices.shape
    queue = F.one_hot(indices.T.reshape(-1), num_experts).cumsum(0)  # (k * T, E): how many came so far
    position = queue.gather(1, indices.T.reshape(-1, 1)).reshape(k, tokens).T - 1
    return position < capacity, position


def load_balancing_loss(probs: Tensor, indices: Tensor, num_experts: int) -> Tensor:
    """E * sum(f_i * P_i), a 0-d tensor: f_i the share of the T * k assignments, P_i the mean probability.

    1 when both are uniform, E when all tokens go to one expert with certainty. 1 is not the minimum. f is
    counted before capacity drops anything, and no gradient flows through it (Switch Transformer, eq. 4).
    """
    f = torch.bincount(indices.reshape(-1), minlength=num_experts) / indices.numel()  # (E,)
    return num_experts * (f * probs.mean(0)).sum()


def router_z_loss(logits: Tensor) -> Tensor:
    """Mean over tokens of logsumexp(logits)^2: keeps the router's logits small (ST-MoE, eq. 5)."""
    return logits.logsumexp(-1).square().mean()
