"""A sparse mixture-of-experts layer in PyTorch: router, dispatch, capacity and three ways to keep the load even."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from utils.moe.routing import (
    Routing,
    capacity_mask,
    expert_capacity,
    load_balancing_loss,
    route_topk,
    router_z_loss,
)

__all__ = [
    "Balance", "FeedForward", "MoELayer", "MoEStats", "Routing", "capacity_mask", "dense_reference",
    "expert_capacity", "load_balancing_loss", "moe_upcycle", "route_topk", "router_z_loss",
]

Balance = Literal["none", "aux", "bias"]


class FeedForward(nn.Module):
    """One expert: d_model -> d_ff -> d_model with a ReLU between."""

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.up = nn.Linear(d_model, d_ff)
        self.down = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x).relu())


@dataclass(frozen=True)
class MoEStats:
    """What a forward pass saw: assignments per expert before dropping (E,), and the two losses of the router.

    `aux_loss` and `z_loss` are 0-d tensors with gradients; `dropped_fraction` is a share of all assignments.
    """

    load: Tensor
    dropped_fraction: float
    aux_loss: Tensor
    z_loss: Tensor


class MoELayer(nn.Module):
    """num_experts feed-forward networks, of which a router picks k for each token.

    With a `capacity_factor` an expert takes at most that multiple of the even share; what it drops contributes 0,
    and the residual around the layer carries the token. `renormalize` makes the k weights sum to 1; by default it
    does so for k > 1 only, because a single weight would be constant 1 and the router would get no gradient.
    `balance`: "aux" offers `balancing_loss`, "bias" a selection bias that `update_bias` moves by `bias_rate`
    after each training step, "none" neither. `shared_experts` always run.
    Raises ValueError unless 1 <= k <= num_experts and balance is one of the three.
    """

    def __init__(self, d_model: int, d_ff: int, num_experts: int, k: int, capacity_factor: float | None = None,
                 renormalize: bool | None = None, balance: Balance = "none", bias_rate: float = 0.005,
                 shared_experts: int = 0) -> None:
        super().__init__()
        if not 1 <= k <= num_experts:
            raise ValueError(f"k must be between 1 and the number of experts {num_experts}, got {k}")
        if balance not in ("none", "aux", "bias"):
            raise ValueError(f"balance must be 'none', 'aux' or 'bias', got {balance!r}")
        self.num_experts, self.k, self.capacity_factor = num_experts, k, capacity_factor
        self.renormalize = k > 1 if renormalize is None else renormalize
        self.balance, self.bias_rate = balance, bias_rate
        self.router = nn.Linear(d_model, num_experts, bias=False)
        self.experts = nn.ModuleList(FeedForward(d_model, d_ff) for _ in range(num_experts))
        self.shared = nn.ModuleList(FeedForward(d_model, d_ff) for _ in range(shared_experts))
        self.register_buffer("selection_bias", torch.zeros(num_experts))
        self.stats: MoEStats | None = None

    def route(self, tokens: Tensor) -> Routing:
        """Routing of tokens (T, d_model)."""
        return self._choose(self.router(tokens))

    def _choose(self, logits: Tensor) -> Routing:
        bias = self.selection_bias if self.balance == "bias" else None
        return route_topk(logits, self.k, self.renormalize, bias)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.reshape(-1, x.shape[-1])  # (T, d)
        logits = self.router(tokens)              # (T, E)
        routing = self._choose(logits)
        keep = torch.ones_like(routing.indices, dtype=torch.bool)
        if self.capacity_factor is not None:
            capacity = expert_capacity(len(tokens), self.num_experts, self.k, self.capacity_factor)
            keep, _ = capacity_mask(routing.indices, self.num_experts, capacity)
        self.stats = self._statistics(logits, routing, keep)

        y = torch.zeros_like(tokens)
        for e, expert in enumerate(self.experts):
            token, choice = torch.nonzero((routing.indices == e) & keep, as_tuple=True)  # (n,), (n,)
            if len(token):
                y = y.index_add(0, token, routing.weights[token, choice, None] * expert(tokens[token]))
        for expert in self.shared:
            y = y + expert(tokens)
        return y.reshape(x.shape)

    def _statistics(self, logits: Tensor, routing: Routing, keep: Tensor) -> MoEStats:
        return MoEStats(
            load=torch.bincount(routing.indices.reshape(-1), minlength=self.num_experts),
            dropped_fraction=1 - float(keep.double().mean()),
            aux_loss=load_balancing_loss(routing.probs, routing.indices, self.num_experts),
            z_loss=router_z_loss(logits),
        )

    def balancing_loss(self, coefficient: float) -> Tensor:
        """The term to add to the training loss: coefficient * aux_loss with balance "aux", else 0."""
        return coefficient * self.stats.aux_loss if self.balance == "aux" else self.stats.aux_loss.new_zeros(())

    @torch.no_grad()
    def update_bias(self) -> None:
        """With balance "bias": raise the bias of experts below the mean load, lower that of those above."""
        if self.balance == "bias":
            load = self.stats.load.float()
            self.selection_bias += self.bias_rate * torch.sign(load.mean() - load)


def dense_reference(layer: MoELayer, x: Tensor) -> Tensor:
    """The same output without capacity, the slow and obvious way: every expert runs on every token."""
    tokens = x.reshape(-1, x.shape[-1])
    indices, weights, _ = layer.route(tokens)
    gates = torch.zeros(len(tokens), layer.num_experts, dtype=weights.dtype).scatter(1, indices, weights)  # (T, E)
    outputs = torch.stack([expert(tokens) for expert in layer.experts], 1)  # (T, E, d)
    y = (gates[:, :, None] * outputs).sum(1)
    return (y + sum(expert(tokens) for expert in layer.shared)).reshape(x.shape)


def moe_upcycle(dense_ffn: FeedForward, num_experts: int, noise: float = 0.0, k: int = 2, *, seed: int = 0) -> MoELayer:
    """Turn a trained feed-forward block into a sparse layer of identical experts (sparse upcycling).

    The weights of the k chosen experts sum to 1, so the layer starts as the block it came from. `noise` is the
    standard deviation of what is added to each expert's weights, relative to that of the weight itself.
    """
    d_ff, d_model = dense_ffn.up.weight.shape
    layer = MoELayer(d_model, d_ff, num_experts, k, renormalize=True)
    layer.experts = nn.ModuleList(copy.deepcopy(dense_ffn) for _ in range(num_experts))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in layer.experts.parameters():
            p += noise * p.std(correction=0) * torch.randn(p.shape, generator=generator)
    return layer
