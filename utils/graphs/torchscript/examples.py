"""Modules to capture: a branch on a value, the same with torch.cond, a loop, no branch at all, and a small CNN."""

from __future__ import annotations

import torch
from torch import nn


class Branch(nn.Module):
    """2 x where the sum is positive, else x - 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x * 2
        return x - 1


class Cond(nn.Module):
    """`Branch` with both sides in the graph, by torch.cond."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda v: v * 2, lambda v: v - 1, (x,))


class Where(nn.Module):
    """`Branch` with both sides computed, by torch.where."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x.sum() > 0, x * 2, x - 1)


class Doubling(nn.Module):
    """x, doubled until its sum is at least 100; its sum must be positive."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while x.sum() < 100:
            x = x * 2
        return x


class Straight(nn.Module):
    """No control flow: tanh(x w + b)."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) / 10)
        self.b = nn.Parameter(torch.tensor([0.5, -0.5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ self.w + self.b)


def small_cnn(seed: int = 0) -> nn.Sequential:
    """Two convolutions with batch norm, pooling and a linear layer, in evaluation mode; input (n, 3, 16, 16).

    The statistics of the batch norms are drawn too, so that folding them changes the weights.
    """
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if "running_var" in name:
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            elif value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator) * 0.2)
    return model.eval()
