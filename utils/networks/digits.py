"""Real data and two small networks that train in seconds: the guinea pigs of the course.

scikit-learn ships 1,797 scanned digits of 8 x 8 pixels, so nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Array = np.ndarray | Tensor


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return (images / 16).astype(np.float32), labels.astype(np.int64)


def load_digits_split(test_size: float = 540, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X_train, X_test, y_train, y_test of the digits, every class in the same share on both sides.

    X is float32 in [0, 1] of shape (n, 64), y int64 of shape (n,). `test_size` is a count of the 1,797 images
    or a share of them. Accuracies belong to their split: compare them only between equal ones.

    >>> [a.shape for a in load_digits_split()]
    [(1257, 64), (540, 64), (1257,), (540,)]
    """
    from sklearn.model_selection import train_test_split

    images, labels = _digits()
    return tuple(train_test_split(images, labels, test_size=test_size, random_state=seed, stratify=labels))


class DigitsMLP(nn.Module):
    """64 -> hidden... -> 10, ReLU between; the layers are in `net`. 17,226 parameters by default.

    The input has shape (B, 64), or any (B, ...) with 64 values an image.
    """

    def __init__(self, hidden: tuple[int, ...] = (128, 64)) -> None:
        super().__init__()
        self.hidden = tuple(hidden)
        layers: list[nn.Module] = []
        for n_in, n_out in zip((64, *hidden), hidden):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(hidden[-1] if hidden else 64, 10))

    @property
    def linears(self) -> list[nn.Linear]:
        """The fully connected layers in order; all but the last one are followed by a ReLU."""
        return [m for m in self.net if isinstance(m, nn.Linear)]

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.flatten(1))  # (B, 10)


class DigitsCNN(nn.Module):
    """conv 3x3, conv 3x3, max-pool 2, two linear layers, ReLU between. 9,802 parameters by default.

    The input has shape (B, 64) or (B, 1, 8, 8).
    """

    def __init__(self, channels: tuple[int, int] = (8, 16), hidden: int = 32) -> None:
        super().__init__()
        c1, c2 = channels
        self.net = nn.Sequential(
            nn.Conv2d(1, c1, 3, padding=1), nn.ReLU(),   # (B, c1, 8, 8)
            nn.Conv2d(c1, c2, 3, padding=1), nn.ReLU(),  # (B, c2, 8, 8)
            nn.MaxPool2d(2), nn.Flatten(),               # (B, 16 * c2)
            nn.Linear(16 * c2, hidden), nn.ReLU(),
            nn.Linear(hidden, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.reshape(-1, 1, 8, 8))  # (B, 10)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, then restore the count: on networks this small a second thread only costs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def minibatches(X: Array, y: Array, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """One shuffled epoch of (x, y) tensors; the last batch holds what is left over."""
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    for batch in torch.randperm(len(X), generator=generator).split(batch_size):
        yield X[batch], y[batch]


def train_classifier(model: nn.Module, X: Array, y: Array, *, epochs: int, lr: float = 2e-3, batch_size: int = 64,
                     seed: int = 0, weight_decay: float = 1e-4,
                     loss: Callable[[Tensor, Tensor], Tensor] | None = None,
                     after_step: Callable[[nn.Module], object] | None = None) -> nn.Module:
    """Train `model` in place with AdamW and return it.

    `loss(logits, y)` is cross-entropy unless given, and `y` may hold any targets that it understands.
    `after_step(model)` is called after each optimizer step. `seed` decides the order of the batches alone:
    the initial weights are the model's own.
    """
    loss = loss or F.cross_entropy
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    model.train()
    with one_thread():
        for _ in range(epochs):
            for x, target in minibatches(X, y, batch_size, generator):
                optimizer.zero_grad()
                loss(model(x), target).backward()
                optimizer.step()
                if after_step is not None:
                    after_step(model)
    return model


def predict(model: nn.Module, X: Array) -> Tensor:
    """Logits (B, 10) in evaluation mode and without gradients; the model's mode is restored."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), one_thread():
            return model(torch.as_tensor(X))
    finally:
        model.train(was_training)


def accuracy(model: nn.Module, X: Array, y: Array) -> float:
    """Share of rows of X whose largest logit is at the label y."""
    return float((predict(model, X).argmax(1) == torch.as_tensor(y)).double().mean())


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """build() with torch's default initial weights drawn from `seed`; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


_NETWORKS = {"mlp": DigitsMLP, "cnn": DigitsCNN}


def trained_digits(kind: Literal["mlp", "cnn"] = "mlp", seed: int = 0, epochs: int = 30) -> nn.Module:
    """A fresh copy of the default network of this kind, trained on the default split; trained once a process.

    `seed` decides the initial weights and the order of the batches. KeyError for another kind.
    """
    model = _NETWORKS[kind]()
    model.load_state_dict(_trained_state(kind, seed, epochs))
    return model.eval()


@cache
def _trained_state(kind: str, seed: int, epochs: int) -> dict[str, Tensor]:
    X, _, y, _ = load_digits_split()
    return train_classifier(seeded(_NETWORKS[kind], seed), X, y, epochs=epochs, seed=seed).state_dict()
