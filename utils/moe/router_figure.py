"""Pure functions of the router playground: a recorded training run on tokens that lie in a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from utils.moe.accounting import expert_capacity
from utils.moe.digits_moe import DigitsMoE, fit, load_cv
from utils.moe.layer import Balance
from utils.moe.routing import Routing, capacity_mask, load_balancing_loss, route_topk
from utils.networks.digits import load_digits_split, seeded


@dataclass(frozen=True)
class RouterHistory:
    """Tokens (T, 2) with labels (T,), and before each step the router's planes (S, E, 3) and selection bias (S, E).

    A router logit is planes[..., :2] @ token + planes[..., 2]: the regions of the experts are convex polygons.
    """

    tokens: np.ndarray
    labels: np.ndarray
    planes: np.ndarray
    selection_bias: np.ndarray
    k: int

    def routing(self, step: int, points: np.ndarray) -> Routing:
        """Routing of points (n, 2) with the router of `step`. Raises ValueError when there is no such step."""
        if not 0 <= step < len(self.planes):
            raise ValueError(f"step must be between 0 and {len(self.planes) - 1}, got {step}")
        planes = self.planes[step]
        logits = torch.from_numpy(points @ planes[:, :2].T + planes[:, 2])  # (n, E)
        bias = self.selection_bias[step]
        return route_topk(logits, self.k, bias=torch.from_numpy(bias) if bias.any() else None)


def record_router(num_experts: int = 8, k: int = 1, balance: Balance = "none", aux_coefficient: float = 0.02,
                  steps: int = 200, tokens: int = 600, seed: int = 0) -> RouterHistory:
    """Really train a sparse classifier on the digits' first two principal components, and keep its routers.

    Only the first `tokens` images are used. Entry 0 of the history is the untrained router, entry s that after s
    steps.
    """
    X, _, y, _ = load_digits_split(397)
    X, y = X[:tokens], y[:tokens]
    plane = _principal_plane(X)  # (T, 2)
    model = seeded(lambda: DigitsMoE(balance, k, num_experts=num_experts, n_in=2), seed)
    planes, biases = [], []

    def record(m: DigitsMoE) -> None:
        planes.append(m.router_planes())
        biases.append(m.moe.selection_bias.numpy().copy())

    record(model)
    fit(model, plane, y, steps=steps, seed=seed, aux_coefficient=aux_coefficient, after_step=record)
    return RouterHistory(plane, y, np.stack(planes), np.stack(biases), k)


def _principal_plane(X: np.ndarray) -> np.ndarray:
    centred = X - X.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    return (plane / plane.std(0)).astype(np.float32)


def routing_snapshot(history: RouterHistory, step: int, capacity_factor: float) -> dict[str, Any]:
    """The playground at one step: who goes where, how full the experts are, and what is dropped.

    expert (T,): first choice of each token. dropped (T,): True where every choice of the token was refused.
    load (E,): assignments before dropping; capacity: places of one expert; dropped_fraction: refused share of
    the assignments; aux_loss; load_cv; alive: experts with a token.
    """
    routing = history.routing(step, history.tokens)
    tokens, num_experts = routing.probs.shape
    capacity = expert_capacity(tokens, num_experts, history.k, capacity_factor)
    keep, _ = capacity_mask(routing.indices, num_experts, capacity)
    load = torch.bincount(routing.indices.reshape(-1), minlength=num_experts).numpy()
    return {
        "expert": routing.indices[:, 0].numpy(),
        "dropped": ~keep.any(1).numpy(),
        "load": load,
        "capacity": capacity,
        "dropped_fraction": 1 - float(keep.double().mean()),
        "aux_loss": float(load_balancing_loss(routing.probs, routing.indices, num_experts)),
        "load_cv": load_cv(load),
        "alive": int((load > 0).sum()),
    }


def router_regions(history: RouterHistory, step: int,
                   resolution: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, y, expert): the first choice on a grid around the tokens; x and y (resolution,), expert (y, x)."""
    low, high = history.tokens.min(0) - 0.3, history.tokens.max(0) + 0.3
    x, y = (np.linspace(a, b, resolution, dtype=np.float32) for a, b in zip(low, high))
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    return x, y, history.routing(step, points).indices[:, 0].numpy().reshape(resolution, resolution)
