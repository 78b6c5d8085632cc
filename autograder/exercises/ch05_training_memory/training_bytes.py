"""Exercise 05.training_bytes: the model states of a training run, in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from utils.cost.memory import model_states

from ...compare import brief
from ...exercise import Case, Exercise, Misconception

MOMENTS = MappingProxyType({"sgd": 0, "momentum": 1, "adam": 2})


def _states(n_params: int, optimizer: str, mixed: bool, *, moments: Mapping = MOMENTS, master: int = 4,
            master_in_fp32: int = 0, moment: int = 4, grads: int | None = None, counts_grads: bool = True,
            check: bool = True, scale: float = 1) -> dict:
    """The states with one mistake; with its defaults they are right (an independent formulation)."""
    if check and optimizer not in MOMENTS:
        raise ValueError(f"unknown optimizer {optimizer!r}")
    each = 2 if mixed else 4
    told = {"weights": each, "grads": (grads if grads is not None and mixed else each) if counts_grads else 0,
            "master": master if mixed else master_in_fp32,
            "optimizer": moments.get(optimizer, 0) * (moment if mixed else 4)}
    told = {kind: n_params * size for kind, size in told.items()}
    told["total"] = sum(told.values())
    return told if scale == 1 else {kind: size / scale for kind, size in told.items()}


_TABLE = {  # bytes for each parameter: weights, grads, master, optimizer
    ("sgd", False): (4, 4, 0, 0), ("momentum", False): (4, 4, 0, 4), ("adam", False): (4, 4, 0, 8),
    ("sgd", True): (2, 2, 4, 0), ("momentum", True): (2, 2, 4, 4), ("adam", True): (2, 2, 4, 8),
}


def _by_table(n_params: int, optimizer: str, mixed: bool) -> dict:
    try:
        row = _TABLE[optimizer, bool(mixed)]
    except KeyError as error:
        raise ValueError("this optimizer is not known") from error
    sizes = [n_params * each for each in row]
    return dict(zip(("weights", "grads", "master", "optimizer", "total"), [*sizes, sum(sizes)]))


def show_states(value: Any) -> str:
    """The parts in the order of the text."""
    if isinstance(value, dict) and all(isinstance(v, (int, float)) for v in value.values()):
        return ", ".join(f"{kind} {size:,}" for kind, size in value.items())
    return brief(value)


def _draw(rng: np.random.Generator) -> Case:
    n = int(10 ** rng.uniform(0, 11.5))
    return Case(n, str(rng.choice(list(MOMENTS))), bool(rng.integers(2)))


training_bytes = Exercise(
    id="05.training_bytes", points=2, difficulty=1, minutes=6, idea="bytes for each parameter",
    reference=model_states.training_bytes,
    cases=[Case(1_500_000_000, "adam", True), Case(1_500_000_000, "adam", False), Case(1_000, "momentum", True)],
    hidden=[Case(10, "sgd", False), Case(10, "sgd", True), Case(10, "momentum", False), Case(1, "adam", True)],
    raises=[Case(10, "lion", False), Case(10, "Adam", True)],
    draw=_draw, draws=25, show=show_states,
    misconceptions=[
        Misconception(
            "everything_halves", partial(_states, master=0, moment=2),
            "This recipe halves the weights and gradients that the network works with. It does not halve what the "
            "optimizer keeps: count again what stays in FP32.",
            "Not everything is halved."),
        Misconception(
            "no_master", partial(_states, master=0),
            "Small updates would round away in 16-bit weights, so one more copy of the weights exists in this recipe. "
            "In which format is it, and in which of your keys?",
            "The master copy is missing."),
        Misconception(
            "half_moments", partial(_states, moment=2),
            "The optimizer works in FP32 in both recipes, so its tensors have the same size in both. Yours shrink with "
            "the weights.",
            "The moments were halved."),
        Misconception(
            "one_moment", partial(_states, moments={**MOMENTS, "adam": 1}),
            "Adam keeps a running mean of the gradients and one of their squares. Each has the shape of the weights.",
            "Adam has a second moment."),
        Misconception(
            "momentum_as_adam", partial(_states, moments={**MOMENTS, "momentum": 2}),
            "SGD with momentum keeps one velocity for each parameter. The second tensor, the squares, is Adam's.",
            "Momentum keeps one tensor.", also=(partial(_states, moments={**MOMENTS, "momentum": 0}),
                                                partial(_states, moments={"sgd": 1, "momentum": 1, "adam": 2}))),
        Misconception(
            "no_gradients", partial(_states, counts_grads=False),
            "The backward pass leaves a gradient for each parameter, and it waits there until the optimizer has run. It is "
            "as large as the weights.",
            "The gradients are missing."),
        Misconception(
            "fp32_gradients", partial(_states, grads=4),
            "Some recipes do keep FP32 gradients (torch.autocast, for one). This one has gradients as wide as the weights that they belong to: "
            "read the line on mixed precision again.",
            "The gradients are too wide."),
        Misconception(
            "master_in_fp32", partial(_states, master_in_fp32=4),
            "In plain FP32 the weights are the master copy already. A second one exists only beside 16-bit weights.",
            "FP32 needs no master copy."),
        Misconception(
            "in_gib", partial(_states, scale=2**30),
            "The numbers have the right proportions and another unit. The task asks for bytes, as whole numbers.",
            "These are not bytes.", also=(partial(_states, scale=1e9), partial(_states, scale=1e6), partial(_states, scale=2**20))),
        Misconception(
            "accepts_anything", partial(_states, check=False),
            "A name that is not on the list was counted as an optimizer without states. A typing error would then plan "
            "half of the memory: refuse it.",
            "An unknown optimizer slips through."),
    ],
    alternatives=[_states, _by_table],
    hints=(
        "Write the bytes for one parameter first: weights, gradient, master copy, optimizer.",
        "The number of FP32 tensors in the optimizer is 0, 1 or 2. A dictionary from name to number also tells which names are known.",
        "Multiply each part by `n_params` and add them up for `total`.",
    ),
    worth_knowing="Adam costs 16 bytes a parameter in FP32 and in this mixed recipe. What mixed precision halves is the activations.",
)
