"""Exercise 25.distill_missing_class: a student learns a class that nobody showed it."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils.compression import distillation

from ...compare import prop
from ...exercise import Case, Exercise, Misconception

FLOORS = {"missing": 0.40, "overall": 0.85}
NEAREST = 0.025  # nats; right answers end between 0.001 and 0.02, T = 1 above 0.03


def _student(teacher_logits: Tensor, X: Tensor, keep: Tensor, student: nn.Module, steps: int, *, target: str = "soft",
             T: float = 4.0, lr: float = 0.01, batch: int = 64, rows: str = "kept", detach: bool = True,
             train_teacher: bool = False, epochs: bool = False, order: str = "torch", told: str = "student") -> Any:
    """The training with one mistake; with its defaults it is right (an independent formulation)."""
    chosen = {"kept": keep, "removed": ~keep, "all": torch.ones_like(keep)}[rows]
    x = X[chosen]
    if told == "copy":
        student = copy.deepcopy(student)
    learning = [*student.parameters(), teacher_logits] if train_teacher else student.parameters()
    optimizer, done = torch.optim.Adam(learning, lr=lr), 0
    limit = steps * -(-len(x) // batch) if epochs else steps
    while done < limit:
        shuffled = torch.randperm(len(x)) if order == "torch" else torch.tensor(np.random.default_rng().permutation(len(x)))
        for i in shuffled.split(batch)[: limit - done]:
            t = teacher_logits[chosen][i]
            optimizer.zero_grad()
            _loss(student(x[i]), t.detach() if detach else t, T, target).backward()
            optimizer.step()
            done += 1
    return None if told == "nothing" else student


def _loss(s: Tensor, t: Tensor, T: float, target: str) -> Tensor:
    if target == "hard":
        return F.cross_entropy(s, t.argmax(1))
    if target == "twice":
        return F.cross_entropy(s.softmax(1), (t / T).softmax(1))
    if target == "logits":
        return F.mse_loss(s, t)
    left, right = {"soft": (s / T, t / T), "teacher": (s, t / T), "student": (s / T, t), "sharp": (s * T, t * T)}[target]
    return F.kl_div(left.log_softmax(1), right.softmax(1), reduction="batchmean") * T**2


def _targets_outside(teacher_logits: Tensor, X: Tensor, keep: Tensor, student: nn.Module, steps: int) -> nn.Module:
    """Soft labels with their graph, made once: the second backward pass finds it gone."""
    x, p = X[keep], (teacher_logits[keep] / 4).softmax(1)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        F.kl_div((student(x) / 4).log_softmax(1), p, reduction="batchmean").backward()
        optimizer.step()
    return student


def _masked_loss(teacher_logits: Tensor, X: Tensor, keep: Tensor, student: nn.Module, steps: int) -> nn.Module:
    """All rows go through the student; those outside `keep` have weight 0."""
    p, weight = (teacher_logits.detach() / 4).softmax(1), keep.float()
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    for _ in range(steps):
        loss = -(p * (student(X) / 4).log_softmax(1)).sum(1)
        optimizer.zero_grad()
        ((loss * weight).sum() / weight.sum()).backward()
        optimizer.step()
    return student


def _by_momentum(teacher_logits: Tensor, X: Tensor, keep: Tensor, student: nn.Module, steps: int) -> nn.Module:
    """Cross-entropy with soft labels and the factor T², by SGD on random draws of rows."""
    with torch.no_grad():
        x, p = X[keep], (teacher_logits[keep] / 4).softmax(1)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        i = torch.randint(len(x), (128,))
        optimizer.zero_grad()
        (16 * F.cross_entropy(student(x[i]) / 4, p[i])).backward()
        optimizer.step()
    return student


def _judge(case: Case, expected: dict, got: dict) -> str | None:
    if "repeats" in expected:
        if not got["repeats"]:
            return "after the same torch.manual_seed the student came out different"
        return "rows outside `keep` influence the student" if got["leaks"] else None
    if got["returned"] != "the student":
        return f"returned {got['returned']}, expected the student that was given"
    if got["steps"] != case.kwargs["steps"]:
        return f"{got['steps']} optimizer steps, expected {case.kwargs['steps']}"
    if got["teacher_changed"] or got["teacher_gradient"]:
        return "the teacher's logits " + ("were changed" if got["teacher_changed"] else "received a gradient")
    if not got["kl4"] <= NEAREST:
        return f"the student is {got['kl4']:.3f} nats from the teacher at T = 4, at most {NEAREST} is asked"
    short = [name for name, floor in FLOORS.items() if not got[name] >= floor]
    return f"{got[short[0]]:.0%} right ({short[0]}), at least {FLOORS[short[0]]:.0%} is asked" if short else None


def _kind(value: dict) -> Any:
    """What sort of student this is; two trainings with one mistake give the same kind, not the same numbers."""
    if "repeats" in value:
        return value["repeats"], value["leaks"]
    sure = value["confidence"]
    if value["kl4"] <= NEAREST:
        what = "close"
    elif value["kl1"] <= 0.03:
        what = "close at T = 1"
    elif sure < 0.35:
        what = "untrained"
    elif sure < 0.75:
        what = "flat, knows the class" if value["missing"] >= 0.7 else "flat"
    elif value["kl4"] > 0.5:
        what = "steep"
    else:
        what = "short" if sure < 0.93 else "lost"
    return what, value["returned"], min(value["steps"] // 270, 2), value["teacher_changed"], value["teacher_gradient"]


def _same(expected: dict, got: dict, case: Case) -> str | None:
    return None if _kind(expected) == _kind(got) else "another kind of student"


def _show(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    if "repeats" in value:
        return ("the same student twice" if value["repeats"] else "two different students") + (
            ", hidden rows leak" if value["leaks"] else "")
    return (f"unseen class {value['missing']:.0%}, all {value['overall']:.0%}, KL {value['kl4']:.3f} nats, "
            f"{value['steps']} steps")


def _run(missing: int, seed: int, label: str) -> Case:
    return Case(missing=missing, steps=270, seed=seed, label=label)


def _draw(rng: np.random.Generator) -> Case:
    return _run(6, int(rng.integers(20, 1000)), "600 images without the 6s, other initial weights, 270 steps")


distill_missing_class = Exercise(
    id="25.distill_missing_class", points=5, difficulty=3, minutes=25, idea="small probabilities teach an unseen class",
    reference=distillation.distill_missing_class, probe="ch25_distillation.missing_class", show=_show,
    cases=[_run(3, 0, "600 images without the 3s, 270 steps")],
    hidden=[
        Case(missing=3, steps=20, probe="ch25_distillation.same_student",
             label="20 steps, twice from one seed, with noise in the rows outside `keep`"),
    ],
    draw=_draw, draws=1, time_limit_s=20,
    compare=prop(_judge, same=_same),
    misconceptions=[
        Misconception(
            "hard_labels", partial(_student, target="hard"),
            "Your student is close to the teacher neither at T = 4 nor at T = 1, and hardly ever names the missing class. "
            "The argmax of the teacher never says it on these images. Only the small probabilities do; they are lost "
            "with an argmax, or where a softmax is applied twice.",
            "The small probabilities are lost.",
            also=(partial(_student, target="twice"),)),
        Misconception(
            "t_1", partial(_student, T=1),
            "At T = 1 your student agrees with the teacher. But there the small probabilities are too small to weigh "
            "anything, and at T = 4 the two are far apart. Soften both sides.",
            "T is 1."),
        Misconception(
            "teacher_softened_only", partial(_student, target="teacher"),
            "The teacher was softened, the student was not: it has become four times as flat as the teacher. Divide both "
            "logits by T.",
            "Only the teacher was softened."),
        Misconception(
            "student_softened_only", partial(_student, target="student"),
            "The student was softened, the teacher was not: its logits have grown four times too large. Divide both "
            "logits by T.",
            "Only the student was softened."),
        Misconception(
            "multiplied", partial(_student, target="sharp"),
            "Your student is flat, and does not know the class. Multiplying logits by T makes the targets sharper and "
            "hides the small probabilities. Divide.",
            "The temperature sharpens."),
        Misconception(
            "too_slow", partial(_student, lr=0.001),
            "The student is on its way and has not arrived: 270 steps are few for this learning rate. The task names one "
            "that is enough.",
            "The student needs larger steps."),
        Misconception(
            "leak", partial(_student, rows="all"),
            "Rows outside `keep` were used, so the student has seen the class that it must not see. Choose the rows of "
            "images and logits before anything else.",
            "The hidden class leaked."),
        Misconception(
            "inverted", partial(_student, rows="removed"),
            "You trained on the rows that `keep` excludes. True means: use this row.",
            "The mask is upside down."),
        Misconception(
            "no_detach", partial(_student, detach=False),
            "A gradient reached the teacher's logits. In a real run it would flow on into the teacher and change it, or "
            "the second backward pass would fail because the teacher's graph is gone. Cut it off before the loss.",
            "The teacher is not frozen.", also=(_targets_outside,)),
        Misconception(
            "trains_teacher", partial(_student, detach=False, train_teacher=True),
            "The optimiser moved the teacher's logits too. Then both sides walk towards each other. Only the student's "
            "parameters belong to the optimiser.",
            "The teacher moved."),
        Misconception(
            "epochs", partial(_student, epochs=True, batch=300),
            "`steps` counts optimiser steps, not passes over the data. Stop in the middle of a pass if you have to.",
            "Too many steps."),
        Misconception(
            "copy", partial(_student, told="copy"),
            "You trained and returned another model. The one that was given is still untrained.",
            "The student was not trained in place."),
        Misconception(
            "no_return", partial(_student, told="nothing"),
            "The training is right. The task also asks to return the student.",
            "Nothing is returned."),
        Misconception(
            "not_repeatable", partial(_student, order="numpy"),
            "The same torch.manual_seed gave two different students. A random number came from somewhere else: take them "
            "from torch's generator, or use all rows in every step.",
            "Two runs differ."),
    ],
    alternatives=[_student, partial(_student, target="logits", batch=1000), _masked_loss, _by_momentum],
    hints=(
        "Before the loop: `x, t = X[keep], teacher_logits.detach()[keep]`. All kept rows may be one batch.",
        "In each of the `steps` steps: zero_grad, loss, backward, step. Adam with a learning rate of 0.01 is enough.",
        "The loss is KL(teacher‖student) with both logits divided by 4, or the cross-entropy with the same soft labels.",
    ),
    worth_knowing="Hinton's student of 2015 never saw a 3 and named 98.6 % of MNIST's 3s, once its bias for 3 was raised.",
)
