"""The five exercises of the reference assignment. References, mistakes and alternatives stand on their own:
each is a whole answer that a learner could have written under the notebook's set-up cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.compare import close, prop
from autograder.exercise import Case, Exercise, Misconception

# --- standardize ------------------------------------------------------------------------------


def standardize(x):
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"expected two axes, got {x.ndim}")
    return (x - x.mean(0)) / (x.std(0) + 1e-8)


def standardize_by_columns(x):
    x = np.array(x, dtype=np.float64)
    if len(x.shape) != 2:
        raise ValueError("x must have rows and columns")
    for j in range(x.shape[1]):
        column = x[:, j] - x[:, j].mean()
        x[:, j] = column / (np.sqrt((column**2).mean()) + 1e-8)
    return x


def standardize_over_all(x):
    x = np.asarray(x, dtype=np.float64)
    return (x - x.mean()) / (x.std() + 1e-8)


def standardize_without_scale(x):
    return x - x.mean(0)


_standardize = Exercise(
    id="90.standardize", points=2, difficulty=1, minutes=5, idea="statistics along an axis",
    reference=standardize, alternatives=[standardize_by_columns],
    cases=[Case(np.array([[1.0, 10.0], [3.0, 30.0]])), Case(np.array([[5.0], [5.0], [5.0]]))],
    raises=[Case(np.array([1.0, 2.0]))],
    draw=lambda rng: Case(rng.normal(3, 2, (200, 4))), draws=3,
    # A column of 200 values of size 10 summed in another order: 200 * 2^-53 * 10, over deviations near 2.
    compare=close(1e-9, 1e-12, dtype="same"),
    misconceptions=[
        Misconception("over_all", standardize_over_all, "One mean over all columns. Which axis do the rows run along?"),
        Misconception("no_scale", standardize_without_scale, "The mean is gone, the spread is not."),
    ],
    hints=("`x.mean(0)` is one number a column.",),
)

# --- TinyNet ----------------------------------------------------------------------------------


class TinyNet(nn.Module):
    def __init__(self, d_in, d_h, d_out):
        super().__init__()
        self.a = nn.Linear(d_in, d_h)
        self.b = nn.Linear(d_h, d_out)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


class ClampedNet(nn.Module):
    def __init__(self, d_in, d_h, d_out):
        super().__init__()
        self.a = nn.Linear(d_in, d_h)
        self.b = nn.Linear(d_h, d_out)

    def forward(self, x):
        return self.b(self.a(x).clamp(min=0))


class LinearNet(nn.Module):
    def __init__(self, d_in, d_h, d_out):
        super().__init__()
        self.a = nn.Linear(d_in, d_h)
        self.b = nn.Linear(d_h, d_out)

    def forward(self, x):
        return self.b(self.a(x))


class OneLayer(nn.Module):
    def __init__(self, d_in, d_h, d_out):
        super().__init__()
        self.a = nn.Linear(d_in, d_out)

    def forward(self, x):
        return self.a(x)


_tiny_net = Exercise(
    id="90.TinyNet", points=2, difficulty=1, minutes=5, idea="a module owns its parameters",
    reference=TinyNet, alternatives=[ClampedNet], probe="common.torch_module",
    cases=[Case(init=[4, 8, 3], input_shape=[5, 4]), Case(init=[2, 3, 1], input_shape=[7, 2], seed=1)],
    # float32 sums of at most 8 products of size 1
    compare=close(1e-5, 1e-6),
    misconceptions=[
        Misconception("no_relu", LinearNet, "Two linear layers without a ReLU between them are one linear layer."),
        Misconception("one_layer", OneLayer, "There is one layer here. Count the parameters that two would have."),
    ],
    hints=("Layers that are made in `__init__` and kept on `self` are found by PyTorch.",),
)

# --- quantize_int8 ----------------------------------------------------------------------------


def quantize_int8(w):
    w = torch.as_tensor(w)
    scale = w.abs().max() / 127.0
    scale = scale if scale > 0 else torch.tensor(1.0)
    return torch.clamp(torch.round(w / scale), -127, 127).to(torch.int8), float(scale)


def quantize_with_numpy(w):
    scale = float(np.abs(w).max()) / 127 or 1.0
    return np.rint(w / scale).astype(np.int8), scale


def quantize_by_128(w):
    scale = float(np.abs(w).max()) / 128 or 1.0
    return np.clip(np.rint(w / scale), -128, 127).astype(np.int8), scale


def quantize_truncating(w):
    scale = float(np.abs(w).max()) / 127 or 1.0
    return (w / scale).astype(np.int8), scale


def _within_half_a_step(case: Case, expected: Any, got: Any) -> str | None:
    values, scale = got
    w = np.asarray(case.args[0], np.float64)
    if not isinstance(values, np.ndarray) or values.dtype != np.int8:
        return "the values are not int8"
    if abs(scale - expected[1]) > 1e-6 * expected[1]:
        return f"scale {scale:.6g}, expected {expected[1]:.6g}"
    # w / scale in float32 is off by at most 127 * 2^-23 steps, so a tie may go either way.
    off = np.abs(values.astype(np.float64) * expected[1] - w).max()
    return None if off <= expected[1] * (0.5 + 1e-4) else f"off by {off / expected[1]:.3f} steps, expected at most 0.5"


_quantize = Exercise(
    id="90.quantize_int8", points=3, difficulty=2, minutes=10, idea="one scale for a tensor",
    reference=quantize_int8, alternatives=[quantize_with_numpy],
    cases=[Case(np.linspace(-1, 1, 101, dtype=np.float32), label="101 values from -1 to 1"),
           Case(np.zeros(4, np.float32))],
    draw=lambda rng: Case(rng.normal(0, 0.1, (64, 64)).astype(np.float32)), draws=3,
    compare=prop(_within_half_a_step),
    misconceptions=[
        Misconception("by_128", quantize_by_128, "+128 is no int8 number. What is the largest one?"),
        Misconception("truncates", quantize_truncating, "A conversion to an integer type cuts off. Round first."),
    ],
    hints=("The largest magnitude becomes 127.",),
)

# --- softmax ----------------------------------------------------------------------------------


def softmax(x):
    z = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


def softmax_with_torch(x):
    return torch.softmax(torch.as_tensor(x), -1)


def softmax_that_overflows(x):
    z = np.exp(x)
    return z / z.sum(-1, keepdims=True)


def softmax_over_all(x):
    z = np.exp(x - np.max(x))
    return z / z.sum()


_softmax = Exercise(
    id="90.softmax", points=3, difficulty=2, minutes=5, idea="subtract the largest score",
    reference=softmax, alternatives=[softmax_with_torch],
    cases=[Case(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])), Case(np.array([[1000.0, 1001.0, 1002.0]]))],
    draw=lambda rng: Case(rng.normal(0, 5, (16, 10))), draws=3,
    # exp of float64 differs by an ulp or two between libraries; sums of 10 terms
    compare=close(1e-12, 1e-15),
    misconceptions=[
        Misconception("overflows", softmax_that_overflows, "exp(1000) is infinite in float64."),
        Misconception("over_all", softmax_over_all, "The sum runs over all rows. Each row is a distribution."),
    ],
    hints=("Adding a number to all scores of a row changes nothing.",),
)

# --- train ------------------------------------------------------------------------------------


def train(X, y, steps=30, lr=0.5):
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def train_by_hand(X, y, steps=30, lr=0.5):
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 8), nn.ReLU(), nn.Linear(8, 2))
    losses = []
    for _ in range(steps):
        loss = -torch.log_softmax(model(X), 1)[torch.arange(len(y)), y].mean()
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p -= lr * g
        losses.append(loss.item())
    return losses


def train_accumulating(X, y, steps=30, lr=0.5):
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def train_without_steps(X, y, steps=30, lr=0.5):
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 8), nn.ReLU(), nn.Linear(8, 2))
    return [float(nn.functional.cross_entropy(model(X), y).detach()) for _ in range(steps)]


def _task(rng: np.random.Generator, steps: int) -> Case:
    X = rng.normal(0, 1, (128, 4)).astype(np.float32)
    return Case(X, (X[:, 0] > 0).astype(np.int64), steps=steps, label=f"128 points, {steps} steps")


_train = Exercise(
    id="90.train", points=4, difficulty=2, minutes=15, idea="zero, backward, step",
    reference=train, alternatives=[train_by_hand],
    cases=[_task(np.random.default_rng(0), 60)],
    draw=lambda rng: _task(rng, 30), draws=1,
    # float32 sums over 128 rows in another order (1e-5), carried through at most 60 steps
    compare=close(1e-3, 1e-4),
    misconceptions=[
        Misconception("accumulates", train_accumulating, "Gradients add up until they are set to zero."),
        Misconception("never_steps", train_without_steps, "The loss never falls. Which call changes the weights?"),
    ],
    hints=("A step has four lines: zero the gradients, the loss, backward, step.",),
)

EXERCISES = [_standardize, _tiny_net, _quantize, _softmax, _train]
