"""Training the digits network with 16-bit weights: what stalls, what a master copy or a random bit repairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from utils.networks.digits import (
    Array,
    DigitsMLP,
    accuracy,
    load_digits_split,
    minibatches,
    one_thread,
    predict,
    seeded,
)
from utils.numerics import half

Policy = Literal["fp32", "bf16_weights", "bf16_master", "bf16_stochastic"]
POLICIES: tuple[Policy, ...] = ("fp32", "bf16_weights", "bf16_master", "bf16_stochastic")


def nearest_bf16(x: Tensor) -> Tensor:
    """float32 values rounded to the nearest bfloat16, ties to even; gradients passing through are rounded too."""
    return x.bfloat16().float()


def stochastic_bf16(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Finite float32 values on one of their two bfloat16 neighbours, with the value itself as the mean."""
    return torch.from_numpy(half.stochastic_bf16(x.numpy(), rng))


@dataclass(frozen=True)
class History:
    """A run: mean training loss and test accuracy after each epoch, and the share of updates without effect.

    `stalled_fraction` counts, over the whole run, the non-zero updates after which the stored weight was the
    same word as before. `test_acc` is empty without test data.
    """

    policy: Policy
    loss: tuple[float, ...]
    test_acc: tuple[float, ...]
    stalled_fraction: float

    def as_dict(self) -> dict[str, Any]:
        """The fields as a plain dict."""
        return asdict(self)


def train_low_precision(policy: Policy, X: Array, y: Array, lr: float, epochs: int, seed: int, *, hidden: int = 128,
                        batch_size: int = 32, test: tuple[Array, Array] | None = None) -> History:
    """Train 64 -> hidden -> 10 with plain SGD, storing and computing in the precision that `policy` names.

    fp32 does everything in float32. The others multiply bfloat16 operands and accumulate in float32, as tensor
    cores do; what differs is the copy that receives the update: rounded to nearest bfloat16 (bf16_weights),
    kept in float32 (bf16_master), or rounded stochastically (bf16_stochastic). Initial weights and batches
    depend on `seed` alone. X is float32 (n, 64), y int64 (n,); `test` is another such pair.
    Raises ValueError for an unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, got {policy!r}")
    order, noise = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    cast = _same if policy == "fp32" else nearest_bf16
    store = {"bf16_weights": nearest_bf16, "bf16_stochastic": lambda w: stochastic_bf16(w, noise)}.get(policy, _same)
    model = seeded(lambda: DigitsMLP((hidden,)), seed)
    weights = list(model.parameters())
    if store is not _same:  # no float32 copy exists, from the first step on
        _assign(weights, [nearest_bf16(w) for w in weights])

    losses, accuracies, counts = [], [], Counter()
    with one_thread():
        for _ in range(epochs):
            for x, target in minibatches(X, y, batch_size, order):
                gradients = torch.autograd.grad(F.cross_entropy(_logits(weights, x, cast), target), weights)
                _sgd_step(weights, gradients, lr, store, counts)
            losses.append(float(F.cross_entropy(predict(model, X), torch.as_tensor(y))))
            if test is not None:
                accuracies.append(accuracy(model, *test))
    return History(policy, tuple(losses), tuple(accuracies), counts["stalled"] / max(counts["tried"], 1))


def _same(x: Tensor) -> Tensor:
    return x


def _logits(weights: Sequence[Tensor], x: Tensor, cast: Callable[[Tensor], Tensor]) -> Tensor:
    w1, b1, w2, b2 = map(cast, weights)
    h = cast(F.relu(F.linear(cast(x), w1, b1)))  # (B, hidden)
    return F.linear(h, w2, b2)                   # (B, 10)


def _sgd_step(weights: Sequence[Tensor], gradients: Sequence[Tensor], lr: float, store: Callable[[Tensor], Tensor],
              counts: Counter[str]) -> None:
    updated = [store(w.detach() - lr * g) for w, g in zip(weights, gradients)]
    for w, g, new in zip(weights, gradients, updated):
        counts["tried"] += int((g != 0).sum())
        counts["stalled"] += int(((g != 0) & (new == w)).sum())
    _assign(weights, updated)


def _assign(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for w, value in zip(weights, values):
            w.copy_(value)


def trained_gradients(epochs: int = 150, seed: int = 0, lr: float = 1e-3, hidden: int = 64) -> np.ndarray:
    """All gradients, float32 in one vector, of a digits network after `epochs` of Adam.

    The loss is the mean over the whole training set. A fitted network has tiny gradients: this is the data in
    which FP16 underflow and its cure, loss scaling, can be seen.
    """
    X, _, y, _ = load_digits_split()
    model = seeded(lambda: DigitsMLP((hidden,)), seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)

    def backward(x: Array, target: Array) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(torch.as_tensor(x)), torch.as_tensor(target)).backward()

    with one_thread():
        for _ in range(epochs):
            for batch in minibatches(X, y, 64, generator):
                backward(*batch)
                optimizer.step()
        backward(X, y)
    return torch.cat([p.grad.flatten() for p in model.parameters()]).numpy()


def exponential_sums(logits: Sequence[float]) -> dict[str, dict[str, float]]:
    """The denominator of a softmax in fp32, bf16 and fp16: "naive" sums exp(x), "shifted" sums exp(x - max).

    exp(12) is above FP16's largest value, 65504: the naive sum becomes inf and the softmax NaN. Subtracting the
    maximum, or a format with eight exponent bits, keeps it finite.
    """
    sums = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)):
        x = torch.tensor(logits, dtype=dtype)
        sums[name] = {"naive": float(x.exp().sum()), "shifted": float((x - x.max()).exp().sum())}
    return sums
