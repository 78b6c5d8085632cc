"""Exercise 25.soft_targets: the teacher's probabilities, softened by a temperature."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import distillation

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _soften(logits: np.ndarray, T: float, *, form: str = "divide", shift: bool = True, axis: int | None = -1,
            refused: str = "zero and below", told: str = "p") -> np.ndarray:
    """Soft labels with one mistake; with its defaults it is right (an independent formulation)."""
    if {"zero and below": T <= 0, "zero": T == 0, "below": T < 0, "nothing": False}[refused]:
        raise ValueError("T has to be positive")
    with np.errstate(all="ignore"):
        if form in ("divide", "multiply", "as it is"):
            z = logits * T if form == "multiply" else logits / (T if form == "divide" else 1)
            p = _normal(z, axis, shift)
        else:
            p = _normal(logits, axis, shift)
            p = {"power": p ** (1 / T), "twice": _normal(p / T, axis, shift), "scaled": p / T}[form]
        return np.log(p) if told == "log" else p


def _normal(z: np.ndarray, axis: int | None, shift: bool) -> np.ndarray:
    e = np.exp(z - z.max(axis=axis, keepdims=True)) if shift else np.exp(z)
    return e / e.sum(axis=axis, keepdims=True)


def _by_power(logits: np.ndarray, T: float) -> np.ndarray:
    """Powers of the probabilities at temperature 1, normalised again."""
    if not T > 0:
        raise ValueError("no")
    p = _normal(logits, -1, True) ** (1 / T)
    return p / p.sum(-1, keepdims=True)


def _by_log(logits: np.ndarray, T: float) -> np.ndarray:
    if T <= 0:
        raise ValueError("no")
    z = logits / T
    return np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))


def _by_torch(logits: np.ndarray, T: float) -> np.ndarray:
    import torch

    if T <= 0:
        raise ValueError("no")
    return torch.softmax(torch.from_numpy(logits) / T, dim=-1).numpy()


def _by_ratios(logits: np.ndarray, T: float) -> np.ndarray:
    """1 / p is the sum of the ratios of all classes to this one."""
    if T <= 0:
        raise ValueError("no")
    with np.errstate(over="ignore"):
        return 1 / np.exp((logits[..., None, :] - logits[..., :, None]) / T).sum(axis=-1)


def _draw(rng: np.random.Generator) -> Case:
    shape = [(int(rng.integers(2, 8)),), (int(rng.integers(2, 5)), int(rng.integers(2, 6))), (2, 3, 4)][rng.integers(3)]
    logits = np.round(rng.normal(0, rng.uniform(0.5, 8), shape), 3)
    T = round(float(rng.choice([rng.uniform(0.2, 1), rng.uniform(1, 20)])), 3)
    return Case(logits, T, label=f"random logits of shape {shape}, T = {T:g}")


_THREE = np.array([3.0, 1.0, -2.0])

soft_targets = Exercise(
    id="25.soft_targets", points=2, difficulty=1, minutes=8, idea="a temperature makes small probabilities visible",
    reference=distillation.soft_targets,
    cases=[
        Case(_THREE, 4), Case(_THREE, 1),
        Case(np.array([[3.0, 1.0, -2.0], [0.0, 0.0, 5.0]]), 2, label="[[3, 1, −2], [0, 0, 5]], T = 2"),
    ],
    hidden=[
        Case(np.array([1e4, 0.0, -1e4]), 1, label="[1e4, 0, −1e4], T = 1"),
        Case(np.array([[-1e4, -1e4], [1e4, 1e4 + 1]]), 2, label="[[−1e4, −1e4], [1e4, 10001]], T = 2"),
        Case(_THREE, 1e6, label="[3, 1, −2], T = 1e6"), Case(_THREE, 0.25, label="[3, 1, −2], T = 0.25"),
        Case(np.array([7.0]), 3, label="one class"),
        Case(np.arange(12.0).reshape(4, 3).T, 5, label="a transposed array of shape (3, 4), T = 5"),
        Case(np.arange(8.0).reshape(2, 2, 2), 2, label="shape (2, 2, 2), T = 2"),
    ],
    raises=[Case(_THREE, 0), Case(_THREE, -1), Case(_THREE, -0.5)],
    draw=_draw, draws=30, pure=True,
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "not_normalised", partial(_soften, form="power"),
            "A power of each probability is a good start: p to the 1/T has the right ratios. But powers no longer add "
            "up to 1. What is still missing?",
            "The probabilities do not add up to 1.", also=(partial(_soften, form="power", refused="nothing"),)),
        Misconception(
            "multiplied", partial(_soften, form="multiply"),
            "Multiplying makes the gaps between logits larger and the result sharper. A high temperature has to make "
            "the gaps smaller.",
            "You are sharpening.", also=(partial(_soften, form="multiply", refused="nothing"),)),
        Misconception(
            "on_probabilities", partial(_soften, form="twice"),
            "You applied the softmax to probabilities. They lie between 0 and 1, so nearly all differences are gone. "
            "The temperature acts on the logits, before the one softmax.",
            "The softmax was applied twice.", also=(partial(_soften, form="twice", refused="nothing"),)),
        Misconception(
            "divided_afterwards", partial(_soften, form="scaled"),
            "Dividing probabilities keeps their ratios, and they no longer add up to 1. It is the ratios that a "
            "temperature has to change.",
            "You divided the probabilities.", also=(partial(_soften, form="scaled", refused="nothing"),)),
        Misconception(
            "no_temperature", partial(_soften, form="as it is"),
            "This is the softmax at T = 1, whatever T is.",
            "T was not used.", also=(partial(_soften, form="as it is", refused="nothing"),)),
        Misconception(
            "overflow", partial(_soften, shift=False),
            "exp overflows above about 709, and exp of very negative numbers is 0 for all classes: both end in NaN. A "
            "softmax does not change when a number is subtracted from all logits. Which number makes exp safe?",
            "exp overflows for large logits.", also=(partial(_soften, shift=False, refused="nothing"),)),
        Misconception(
            "batch_axis", partial(_soften, axis=0),
            "You normalised over the first axis. The classes are along the last one: each row is a distribution of "
            "its own.",
            "The sum runs over the batch.", also=(partial(_soften, axis=0, refused="nothing"),)),
        Misconception(
            "whole_array", partial(_soften, axis=None),
            "The whole array adds up to 1. Each row along the last axis is a distribution of its own.",
            "The sum runs over everything.", also=(partial(_soften, axis=None, refused="nothing"),)),
        Misconception(
            "logarithms", partial(_soften, told="log"),
            "These are the logarithms of the soft labels. Handy in a loss, but here the probabilities are asked for.",
            "You returned logarithms.", also=(partial(_soften, told="log", refused="nothing"),)),
        Misconception(
            "any_temperature", partial(_soften, refused="nothing"),
            "The values are right. A temperature of 0 or below has no meaning here: at 0 it divides by zero, below 0 it "
            "turns the ranking around. Refuse it with a ValueError.",
            "A temperature of 0 or below is accepted.",
            also=(partial(_soften, refused="zero"), partial(_soften, refused="below"))),
    ],
    alternatives=[_soften, _by_power, _by_log, _by_torch, _by_ratios],
    hints=(
        "Divide the logits by T first, then take the softmax.",
        "Subtract the largest value of each row before exp: `z - z.max(axis=-1, keepdims=True)`.",
        "`e / e.sum(axis=-1, keepdims=True)` normalises along the last axis, for any number of axes.",
    ),
    worth_knowing="The ranking of the classes does not depend on T, so the accuracy of a model does not either.",
)
