"""Exercise 33.branchless: three functions with branches on values, as one graph each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch  # here and not where it is used: its import must not count as an answer's time

from utils.graphs import torchscript

from ...compare import brief, close, prop
from ...exercise import Case, Exercise, Misconception

RIGHT = (torchscript.clipped, torchscript.penalty, torchscript.first_k)


def _case(which: str, example: Any, inputs: Sequence, label: str = "", **options: bool) -> Case:
    arrays = [np.asarray(x, np.float32) for x in inputs]
    shown = f"{which}, traced at {brief(np.asarray(example).tolist())}; inputs {brief([a.tolist() for a in arrays])}"
    told = "".join(f", {word}" for word, on in (("export", options.get("export")), ("gradient", options.get("gradients"))) if on)
    return Case(which=which, example=np.asarray(example, np.float32), inputs=arrays, label=(label or shown) + told, **options)


def _show(value: Any) -> str:
    """The parts of an outcome in short: the plain results, and which other parts there are or how they failed."""
    if not isinstance(value, dict):
        return brief(value)
    plain = value.get("plain")
    parts = [plain if isinstance(plain, str) else brief([np.round(a.astype(float), 4).tolist() if isinstance(a, np.ndarray) else a for a in plain], 60)]
    parts += [f"{name} {part if isinstance(part, str) else brief([np.round(a.astype(float), 3).tolist() for a in part if isinstance(a, np.ndarray)], 44)}"
              for name, part in value.items() if name != "plain"]
    return "; ".join(parts)


_NEAR = close(1e-4, 1e-5)
_PARTS = {"plain": "the call", "traced": "torch.jit.trace", "exported": "torch.export", "gradient": "the gradient"}


def _judge(case: Case, expected: dict, got: dict) -> str | None:
    """Which part ended in an error, else which value differs."""
    for part in expected:
        if isinstance(got.get(part), str):
            return f"{_PARTS[part]} ends in {got[part]}"
    return _NEAR(expected, got, case)


def _triple(**wrong: Callable) -> tuple:
    """The three right functions with some of them replaced."""
    return tuple(wrong.get(name, right) for name, right in zip(("clipped", "penalty", "first_k"), RIGHT))


def _each(**wrong: Callable) -> dict:
    """All replaced as the answer, and each alone as a variant."""
    alone = tuple(_triple(**{name: fn}) for name, fn in wrong.items()) if len(wrong) > 1 else ()
    return {"answer": _triple(**wrong), "also": alone}


def _if_clipped(x: torch.Tensor) -> torch.Tensor:
    return x * (6.0 / x.norm()) if x.norm() > 6.0 else x


def _if_penalty(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([2.0 * v if v > 0 else -0.5 * v for v in x.flatten()]).reshape(x.shape)


def _if_first_k(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[:3], torch.zeros_like(x[3:])]) if x.mean() > 0 else x


def _item_clipped(x: torch.Tensor) -> torch.Tensor:
    n = x.norm().item()
    return x * (6.0 / n) if n > 6.0 else x


def _item_first_k(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[:3], torch.zeros_like(x[3:])]) if x.mean().item() > 0 else x


def _cond_clipped(x: torch.Tensor) -> torch.Tensor:
    return torch.cond(x.norm() > 6.0, lambda v: v * (6.0 / v.norm()), lambda v: v.clone(), (x,))


def _cond_first_k(x: torch.Tensor) -> torch.Tensor:
    return torch.cond(x.mean() > 0, lambda v: torch.cat([v[:3], torch.zeros_like(v[3:])]), lambda v: v.clone(), (x,))


def _times_clipped(x: torch.Tensor) -> torch.Tensor:
    n = x.norm()
    return x * (6.0 / n.clamp(min=1e-6)) * (n > 6.0)


def _times_penalty(x: torch.Tensor) -> torch.Tensor:
    return 2.0 * x * (x > 0)


def _times_first_k(x: torch.Tensor) -> torch.Tensor:
    kept = (torch.arange(x.shape[0]) < 3)[:, None] & (x.mean() > 0)
    return torch.where(kept, x, torch.zeros(()))


def _where_clipped(x: torch.Tensor) -> torch.Tensor:
    n = x.norm()
    return torch.where(n > 6.0, x * (6.0 / n), x)


def _mask_first_k(x: torch.Tensor) -> torch.Tensor:
    mask = (torch.arange(x.shape[0]) < 3).float()[:, None]
    return torch.where(x.mean() > 0, x * mask, x)


def _all_first_k(x: torch.Tensor) -> torch.Tensor:
    return torch.where((torch.arange(x.shape[0]) < 3)[:, None], x, torch.zeros(()))


def _columns_first_k(x: torch.Tensor) -> torch.Tensor:
    kept = (torch.arange(x.shape[1]) < 3)[None, :] | ~(x.mean() > 0)
    return torch.where(kept, x, torch.zeros(()))


def _row_means_first_k(x: torch.Tensor) -> torch.Tensor:
    kept = (torch.arange(x.shape[0]) < 3)[:, None] | ~(x.mean(dim=1, keepdim=True) > 0)
    return torch.where(kept, x, torch.zeros(()))


def _decomposed() -> tuple:
    """With torch.where and a divisor that was made safe first."""

    def clipped(x: torch.Tensor) -> torch.Tensor:
        n = x.norm()
        long = n > 6.0
        return torch.where(long, x * (6.0 / torch.where(long, n, torch.ones_like(n))), x)

    def penalty(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, 2.0 * x, -0.5 * x)

    def first_k(x: torch.Tensor) -> torch.Tensor:
        short = torch.cat([x[:3], torch.zeros_like(x[3:])])
        return torch.where(x.mean() > 0, short, x)

    return clipped, penalty, first_k


def _by_clamps() -> tuple:
    """With clamps, a leaky ReLU and masked_fill."""

    def clipped(x: torch.Tensor) -> torch.Tensor:
        return x / (torch.linalg.vector_norm(x) / 6.0).clamp(min=1.0)

    def penalty(x: torch.Tensor) -> torch.Tensor:
        return 2.0 * torch.nn.functional.leaky_relu(x, negative_slope=-0.25)

    def first_k(x: torch.Tensor) -> torch.Tensor:
        below = torch.arange(x.shape[0]) >= 3
        return x.masked_fill(below.unsqueeze(1) & (x.mean() > 0), 0.0)

    return clipped, penalty, first_k


def _away_from_edges(which: str, x: np.ndarray) -> np.ndarray:
    """The same array, moved off the border between two sides where it lies close to one."""
    if which == "penalty":
        return np.where(np.abs(x) < 0.05, np.float32(0.25), x)
    if which == "clipped":
        n = float(np.linalg.norm(x))
        return x * np.float32(1.25) if abs(n - 6) < 0.05 else x
    return x + np.float32(0.25) if abs(float(x.mean())) < 0.05 else x


def _draw(rng: np.random.Generator) -> Case:
    which = str(rng.choice(["clipped", "penalty", "first_k"]))
    shape = (int(rng.integers(1, 8)), int(rng.integers(1, 5))) if which == "first_k" or rng.random() < 0.5 else (int(rng.integers(1, 9)),)
    scales = rng.choice([0.1, 1.0, 8.0], 4) if which == "clipped" else rng.choice([1.0, 3.0], 4)
    drawn = [_away_from_edges(which, (rng.normal(size=shape) * s).astype(np.float32)) for s in scales]
    return _case(which, drawn[0], drawn[1:], label=f"{which}, three arrays of shape {shape}", gradients=bool(rng.random() < 0.5))


ROWS = np.arange(10, dtype=np.float32).reshape(5, 2) + 1

branchless = Exercise(
    id="33.branchless", points=3, difficulty=2, minutes=12, idea="compute both sides, then choose",
    names=("clipped", "penalty", "first_k"), reference=RIGHT, probe="ch33_torchscript.branchless", compare=prop(_judge, same=_NEAR),
    time_limit_s=40.0, show=_show,
    cases=[_case("clipped", [3, 4], [[3, 4], [6, 8], [0, 0]], export=True, gradients=True),
           _case("penalty", [1, 2, 3], [[1, -2, 0], [-3, 4, 2]], export=True),
           _case("first_k", np.ones((4, 1)), [np.ones((4, 1)), -np.ones((4, 1))], export=True)],
    hidden=[
        _case("clipped", [6, 8], [[3, 4], [6, 8], [-6, 8], [0, 0], [60, 0]], gradients=True), _case("clipped", [[1, 2], [3, 4]], [[[5, 5], [5, 5]], [[1, 1], [1, 1]]], gradients=True),
        _case("clipped", [9], [[2], [-7], [0]], gradients=True), _case("clipped", [1, 1, 1], [[5, 5, 5], [5, 0, 0], [7, -7, 0]]),
        _case("clipped", [8, 0], [[0.5, 0.25], [5, 3.25], [1e6, 0]], gradients=True), _case("penalty", [-1, -2], [[1, 3], [-1, -4], [5, -5]], gradients=True),
        _case("penalty", [[1, -1]], [[[2, 3]], [[-2, 0]], [[0, 0]]]), _case("penalty", [1], [[4], [-4]], export=True),
        _case("first_k", ROWS, [ROWS, -ROWS, ROWS - 20, ROWS * 0], gradients=False), _case("first_k", -ROWS, [ROWS, -ROWS], gradients=True),
        _case("first_k", [[1], [2], [3], [4], [5]], [[[1], [2], [-1], [-2], [0]], [[4], [-4], [0], [1], [-1]]]),
        _case("first_k", ROWS[:2], [ROWS[:2], -ROWS[:2]]), _case("first_k", ROWS[:3], [ROWS[:3], -ROWS[:3]]), _case("first_k", ROWS.T, [ROWS.T, -ROWS.T]),
        _case("first_k", ROWS, [np.where(ROWS == 9, np.inf, ROWS), np.where(ROWS == 3, -np.inf, ROWS)], label="first_k with an infinite element"),
        _case("first_k", np.ones((6, 4)), [np.linspace(-1, 1.5, 24).reshape(6, 4), np.linspace(1, -1.5, 24).reshape(6, 4)], gradients=True),
    ],
    draw=_draw, draws=12,
    misconceptions=[
        Misconception(
            "python_branch", **_each(clipped=_if_clipped, penalty=_if_penalty, first_k=_if_first_k),
            message="A Python `if` still asks for a value. The trace keeps the side of its example, and torch.export stops with "
                    "GuardOnDataDependentSymNode. Compute both sides, and let an operator choose.", title="Python still decides."),
        Misconception(
            "item_branch", _triple(clipped=_item_clipped),
            "`.item()` takes a number out of the graph. After it the trace holds the example's number or side, and torch.export stops with "
                    "GuardOnDataDependentSymNode. Stay with tensors.", "A number has left the graph.",
            also=(_triple(clipped=_item_clipped, penalty=_if_penalty, first_k=_item_first_k),)),
        Misconception(
            "torch_cond", _triple(clipped=_cond_clipped, first_k=_cond_first_k),
            "torch.cond keeps both sides in the graph, and torch.export takes it. torch.jit.trace can't record it. Compute both sides, and choose with "
            "torch.where.", "Only export takes torch.cond.",
            also=(_triple(clipped=_cond_clipped), _triple(first_k=_cond_first_k))),
        Misconception(
            "product_with_condition", **_each(clipped=_times_clipped, penalty=_times_penalty, first_k=_times_first_k),
            message="Multiplying by the condition gives 0 on the other side. There the function is not 0: it needs its own term.",
            title="The other side is not zero."),
        Misconception(
            "clamps_elements", _triple(clipped=lambda x: x.clamp(-6.0, 6.0)),
            "You clamp each element. `clipped` bounds the norm of the whole tensor: its direction stays.", "Each element was clamped.",
            also=(_triple(clipped=lambda x: x.clamp(max=6.0)),)),
        Misconception(
            "nan_gradient", _triple(clipped=_where_clipped),
            "The values are right, and the gradient at zeros is NaN. torch.where computes both sides: the unused one divides by the norm 0, and its "
            "gradient 0 · inf is NaN. Make the divisor safe before you divide.", "0 · inf on the unused side."),
        Misconception(
            "mask_times_infinity", _triple(first_k=_mask_first_k),
            "You multiply the rows by 0, and 0 · inf is NaN. Choose between x and 0 instead of multiplying.", "0 · inf is not 0.",
            also=(_triple(first_k=lambda x: x * ((torch.arange(x.shape[0]) < 3)[:, None] | ~(x.mean() > 0)).float()),)),
        Misconception(
            "one_decision", _triple(penalty=lambda x: torch.where(x.sum() > 0, 2.0 * x, -0.5 * x)),
            "You decide once for the whole tensor. `penalty` decides for each element.", "Each element decides."),
        Misconception(
            "absolute_value", _triple(penalty=lambda x: 2.0 * x.abs()),
            "You use one slope on both sides. Below 0 it is -0.5.", "Two slopes, not one."),
        Misconception(
            "always_first_k", _triple(first_k=_all_first_k),
            "You keep three rows for every x. If the mean is not positive, all rows stay.", "The mean was not asked."),
        Misconception(
            "columns", _triple(first_k=_columns_first_k),
            "You keep the first three columns. Axis 0 are the rows.", "Rows, not columns."),
        Misconception(
            "mean_of_each_row", _triple(first_k=_row_means_first_k),
            "You ask each row for its mean. The mean of all of x decides for all rows.", "One mean for all rows."),
    ],
    alternatives=[_decomposed(), _by_clamps()],
    hints=(
        "`torch.where(condition, a, b)` chooses element by element, and the condition may be a tensor with one element.",
        "Dividing by max(norm, 6) instead of by the norm leaves short vectors as they are. `Tensor.clamp(min=…)` is that maximum.",
        "For first_k make a mask of shape (rows, 1): the row's index is below 3, or the mean is not positive.",
    ),
    worth_knowing="torch.cond keeps both sides in the graph and runs one of them; torch.export takes it, torch.jit.trace does not.",
)
