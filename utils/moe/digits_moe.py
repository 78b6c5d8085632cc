"""Expert collapse and its cures, seen on real data: a classifier of digits whose middle is a sparse layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils.moe.layer import Balance, MoELayer
from utils.networks.digits import Array, accuracy, load_digits_split, minibatches, one_thread, seeded


class DigitsMoE(nn.Module):
    """Linear embedding, x + MoE(x), linear head; one token an image. Input (B, n_in), logits (B, 10).

    No nonlinearity stands before the router, so its logits are affine in the input: see `router_planes`.
    """

    def __init__(self, balance: Balance = "none", k: int = 1, capacity_factor: float | None = None, *,
                 num_experts: int = 8, n_in: int = 64, d_model: int = 32, d_ff: int = 32) -> None:
        super().__init__()
        self.embed = nn.Linear(n_in, d_model)
        self.moe = MoELayer(d_model, d_ff, num_experts, k, capacity_factor, balance=balance)
        self.head = nn.Linear(d_model, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        return self.head(h + self.moe(h))

    @torch.no_grad()
    def router_planes(self) -> np.ndarray:
        """(E, n_in + 1): the router's logits as planes over the input, the constant in the last column."""
        slope = self.moe.router.weight @ self.embed.weight
        constant = self.moe.router.weight @ self.embed.bias
        return torch.cat([slope, constant[:, None]], 1).numpy()


def fit(model: DigitsMoE, X: Array, y: Array, *, steps: int, seed: int, aux_coefficient: float = 0.02,
        lr: float = 5e-3, batch_size: int = 128, after_step: Callable[[DigitsMoE], object] | None = None) -> DigitsMoE:
    """Train in place for a number of AdamW steps; the layer's balancing loss or bias is looked after."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, fused=True)  # many small tensors: half the time
    generator = torch.Generator().manual_seed(seed)
    done = 0
    model.train()
    with one_thread():
        while done < steps:
            for x, target in minibatches(X, y, batch_size, generator):
                if done == steps:
                    break
                loss = F.cross_entropy(model(x), target) + model.moe.balancing_loss(aux_coefficient)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                model.moe.update_bias()
                done += 1
                if after_step is not None:
                    after_step(model)
    return model


@dataclass(frozen=True)
class TrainReport:
    """One training run: load (steps, E) in assignments, share dropped (steps,), and two results on test images.

    `expert_class_mi` is the mutual information in bits between the first expert of an image and its digit.
    """

    test_accuracy: float
    load_history: np.ndarray
    drop_history: np.ndarray
    expert_class_mi: float

    def final_load_cv(self, last: int = 20) -> float:
        """Coefficient of variation of the load over the experts, mean of the last steps; 0 is perfectly even."""
        return float(np.mean([load_cv(load) for load in self.load_history[-last:]]))

    def final_drop(self, last: int = 20) -> float:
        """Share of assignments dropped, mean of the last steps."""
        return float(self.drop_history[-last:].mean())


def train_digits_moe(balance: Balance, k: int = 1, capacity_factor: float | None = 1.25, steps: int = 200,
                     seed: int = 0, *, aux_coefficient: float = 0.02) -> TrainReport:
    """Train eight experts on 1,400 digits and test on the other 397; `seed` decides weights and batches."""
    X, X_test, y, y_test = load_digits_split(397)
    model = seeded(lambda: DigitsMoE(balance, k, capacity_factor), seed)
    loads, drops = [], []

    def record(m: DigitsMoE) -> None:
        loads.append(m.moe.stats.load.numpy())
        drops.append(m.moe.stats.dropped_fraction)

    fit(model, X, y, steps=steps, seed=seed, aux_coefficient=aux_coefficient, after_step=record)
    with torch.no_grad():
        first_expert = model.moe.route(model.embed(torch.as_tensor(X_test))).indices[:, 0].numpy()
    return TrainReport(accuracy(model, X_test, y_test), np.stack(loads), np.array(drops),
                       mutual_information_bits(first_expert, y_test))


def load_cv(load: np.ndarray) -> float:
    """Standard deviation over mean of the load per expert (E,); sqrt(E - 1) when one expert takes all."""
    return float(np.std(load) / np.mean(load))


def mutual_information_bits(a: np.ndarray, b: np.ndarray) -> float:
    """Bits that one label (n,) tells about the other: sum p(a, b) log2(p(a, b) / p(a) p(b)).

    >>> mutual_information_bits(np.array([0, 0, 1, 1]), np.array([5, 5, 7, 7]))
    1.0
    """
    joint = np.zeros((np.max(a) + 1, np.max(b) + 1), np.int64)
    np.add.at(joint, (a, b), 1)
    expected = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True) / len(a)  # counts if independent
    seen = joint > 0
    return float((joint[seen] * np.log2(joint[seen] / expected[seen])).sum() / len(a))
