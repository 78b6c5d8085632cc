"""The distillation experiment on digits: what soft labels are worth, and a class that the student never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from utils.compression.distillation.training import calibration_error, distill, right_answers
from utils.networks.digits import DigitsMLP, load_digits_split, predict, seeded, train_classifier

TEACHER, STUDENT = (256, 128), (16,)  # hidden layers: 50,826 and 1,210 parameters
EPOCHS, FEW_EPOCHS = 30, 300  # 600 steps of 64 rows on 1,257 images, 300 steps of 50 rows on 50
LR = 5e-3
MISSING_LR = 1e-2


@cache
def _teacher_state(seed: int) -> dict[str, Tensor]:
    X, _, y, _ = load_digits_split()
    return train_classifier(seeded(lambda: DigitsMLP(TEACHER), seed), X, y, epochs=EPOCHS, seed=seed).state_dict()


def trained_teacher(seed: int = 0) -> DigitsMLP:
    """A fresh copy of the teacher, trained on all 1,257 labelled images; trained once a process."""
    model = DigitsMLP(TEACHER)
    model.load_state_dict(_teacher_state(seed))
    return model.eval()


def new_student(seed: int = 0) -> DigitsMLP:
    """An untrained student; its weights are drawn from `seed`."""
    return seeded(lambda: DigitsMLP(STUDENT), seed)


def few_rows(n: int = 50, seed: int = 0) -> np.ndarray:
    """Indices of n training images, the classes in equal shares."""
    from sklearn.model_selection import train_test_split

    y = load_digits_split()[2]
    return train_test_split(np.arange(len(y)), train_size=n, stratify=y, random_state=seed)[0]


@dataclass(frozen=True)
class BudgetRow:
    """One seed of the label experiment: right answers among the test images, in four ways of training."""

    seed: int
    few_hard: int
    few_distilled: int
    unlabelled: int
    all_hard: int

    def as_dict(self) -> dict[str, int]:
        """The fields as a plain dict."""
        return asdict(self)


Way = Literal["few_hard", "few_distilled", "unlabelled", "all_hard"]


@cache
def budget_student(way: Way, seed: int = 0, T: float = 4.0, n: int = 50) -> nn.Module:
    """A student trained in one of the four ways of BudgetRow, always from the same initial weights of `seed`.

    Trained once a process, so don't train it on.
    """
    X, _, y, _ = load_digits_split()
    rows, epochs = (few_rows(n, seed), FEW_EPOCHS) if way.startswith("few") else (slice(None), EPOCHS)
    if way in ("few_hard", "all_hard"):
        return train_classifier(new_student(seed), X[rows], y[rows], epochs=epochs, lr=LR, seed=seed)
    return distill(trained_teacher(), new_student(seed), X[rows], T=T, epochs=epochs, lr=LR, seed=seed)


def label_budget(seed: int = 0, T: float = 4.0, n: int = 50) -> BudgetRow:
    """Train four students from the same initial weights: on n labelled images; on the teacher's soft labels of the
    same images; on its soft labels of all training images, without any label; on all labels."""
    _, X_test, _, y_test = load_digits_split()
    return BudgetRow(seed, *(right_answers(budget_student(way, seed, T, n), X_test, y_test) for way in get_args(Way)))


@cache
def few_student(T: float, alpha: float, seed: int = 0, n: int = 50) -> nn.Module:
    """A student distilled on n labelled images with the full loss; don't train it on."""
    X, _, y, _ = load_digits_split()
    few = few_rows(n, seed)
    return distill(trained_teacher(), new_student(seed), X[few], T=T, epochs=FEW_EPOCHS, y=y[few], alpha=alpha, lr=LR,
                   seed=seed).eval()


def temperature_sweep(temperatures: Sequence[float], alpha: float = 1.0, seed: int = 0) -> list[int]:
    """Right answers on the test images, by temperature, of students distilled on 50 images."""
    _, X_test, _, y_test = load_digits_split()
    return [right_answers(few_student(T, alpha, seed), X_test, y_test) for T in temperatures]


@dataclass(frozen=True)
class MissingRow:
    """A student whose transfer set lacked a class: right answers of that class, with its bias raised, and overall."""

    name: str
    right: int
    raised: int
    overall: int
    of_class: int
    images: int

    def as_dict(self) -> dict[str, int | str]:
        """The fields as a plain dict."""
        return asdict(self)


@cache
def missing_class(T: float | None, *, missing: int = 3, seed: int = 0, raised: float = 3.0,
                  epochs: int = EPOCHS) -> MissingRow:
    """Distil at temperature T on all training images but those of one class; with T=None train on hard labels.

    `raised`: what is added to the missing class's bias for the second count.
    """
    X, X_test, y, y_test = load_digits_split()
    kept = y != missing
    student = new_student(seed)
    if T is None:
        train_classifier(student, X[kept], y[kept], epochs=epochs, lr=MISSING_LR, seed=seed)
    else:
        distill(trained_teacher(), student, X[kept], T=T, epochs=epochs, lr=MISSING_LR, seed=seed)
    name = "hard labels" if T is None else f"soft, T = {T:g}"
    return MissingRow(name, right_answers(student, X_test, y_test, missing),
                      right_answers(student, X_test, y_test, missing, raised), right_answers(student, X_test, y_test),
                      int((y_test == missing).sum()), len(y_test))


def calibration_rows(seed: int = 0) -> dict[str, float]:
    """Expected calibration error on the test images of the teacher, a student of its soft labels at T = 4, and one of
    the labels; both saw all training images."""
    _, X_test, _, y_test = load_digits_split()
    models = {"teacher": trained_teacher(), "student, soft": budget_student("unlabelled", seed),
              "student, hard": budget_student("all_hard", seed)}
    return {name: calibration_error(model, X_test, y_test) for name, model in models.items()}


@cache
def least_sure_images() -> list[int]:
    """For each class, the index of the correctly named test image on which the teacher is least sure."""
    _, X_test, _, y_test = load_digits_split()
    p = predict(trained_teacher(), X_test).softmax(1)
    own = p[torch.arange(len(p)), torch.as_tensor(y_test)]
    own[p.argmax(1) != torch.as_tensor(y_test)] = 2
    return [int(np.flatnonzero(y_test == c)[own[torch.as_tensor(y_test == c)].argmin()]) for c in range(10)]
