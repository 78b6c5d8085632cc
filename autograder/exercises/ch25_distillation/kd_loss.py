"""Exercise 25.kd_loss: soft and hard labels in one number."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.compression import distillation

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _log_softmax(z: np.ndarray, stable: bool = True) -> np.ndarray:
    if not stable:
        return np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def _loss(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float, *, power: int = 2, kl: str = "teacher",
          student_T: bool = True, hard_T: bool = False, soft_mean: str = "batch", hard_mean: str = "batch",
          swap: bool = False, own_labels: bool = False, stable: bool = True, check_alpha: bool = True,
          check_T: bool = True) -> float:
    """The loss with one mistake; with its defaults it is right (an independent formulation)."""
    if (check_alpha and (alpha < 0 or alpha > 1)) or (check_T and T <= 0):
        raise ValueError("alpha or T")
    with np.errstate(all="ignore"):
        log_q, log_p = _log_softmax(s / T if student_T else s, stable), _log_softmax(t / T, stable)
        p, q = np.exp(log_p), np.exp(log_q)
        terms = {"teacher": p * (log_p - log_q), "student": q * (log_q - log_p), "cross": -p * log_q,
                 "not log": p * (log_p - q)}[kl]
        soft = _mean(terms, soft_mean) * T**power
        y = t.argmax(axis=1) if own_labels else y
        hard_terms = -_log_softmax(s / T if hard_T else s, stable)[np.arange(len(s)), y][:, None]
        hard = _mean(hard_terms, hard_mean)
        a = 1 - alpha if swap else alpha
        return float(a * soft + (1 - a) * hard)


def _mean(terms: np.ndarray, kind: str) -> Any:
    return {"batch": terms.sum() / len(terms), "all": terms.mean(), "none": terms.sum()}[kind]


def _by_entropies(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float) -> float:
    """Cross-entropy with the soft labels minus the teacher's entropy."""
    if not (0 <= alpha <= 1 and T > 0):
        raise ValueError("no")
    log_p = _log_softmax(t / T)
    p = np.exp(log_p)
    cross = -(p * _log_softmax(s / T)).sum(axis=1)
    own = -(p * log_p).sum(axis=1)
    one_hot = np.eye(s.shape[1])[y]
    hard = -(one_hot * _log_softmax(s)).sum(axis=1)
    return float(np.mean(alpha * T * T * (cross - own) + (1 - alpha) * hard))


def _by_torch(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float) -> float:
    import torch
    from torch.nn import functional as F

    if T <= 0 or not 0 <= alpha <= 1:
        raise ValueError("no")
    s, t = torch.tensor(s), torch.tensor(t)
    soft = F.kl_div(F.log_softmax(s / T, 1), F.log_softmax(t / T, 1), reduction="batchmean", log_target=True)
    return (alpha * T**2 * soft + (1 - alpha) * F.cross_entropy(s, torch.tensor(y))).item()


def _row_by_row(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float) -> float:
    if T <= 0 or alpha < 0 or alpha > 1:
        raise ValueError("no")
    total = 0.0
    for a, b, label in zip(s, t, y):
        log_q, log_p = a / T - np.logaddexp.reduce(a / T), b / T - np.logaddexp.reduce(b / T)
        total += alpha * T**2 * np.exp(log_p) @ (log_p - log_q) + (1 - alpha) * (np.logaddexp.reduce(a) - a[label])
    return total / len(s)


def draw_batch(rng: np.random.Generator) -> Case:
    """Random logits of student and teacher, labels, T and alpha."""
    n, c = int(rng.integers(1, 6)), int(rng.integers(2, 7))
    t = np.round(rng.normal(0, rng.uniform(0.5, 4), (n, c)), 3)
    s = np.round(rng.normal(0, rng.uniform(0.5, 4), (n, c)), 3)
    T = round(float(rng.uniform(0.5, 8)), 2)
    alpha = float(rng.choice([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]))
    return Case(s, t, rng.integers(0, c, n), T, alpha, label=f"random logits of shape ({n}, {c}), T = {T:g}, alpha = {alpha:g}")


_S, _T = np.array([[2.0, 0.0, -1.0]]), np.array([[3.0, 1.0, -2.0]])
_S2, _T2 = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 1.0]]), np.array([[3.0, 1.0, -2.0], [-1.0, 0.0, 2.0]])
_Y, _Y2 = np.array([0]), np.array([0, 2])
_LARGE = np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 1e4]])

kd_loss = Exercise(
    id="25.kd_loss", points=4, difficulty=2, minutes=15, idea="why the loss has a factor T²",
    reference=distillation.kd_loss,
    cases=[Case(_S, _T, _Y, 2, 0.7), Case(_S2, _T2, _Y2, 4, 1), Case(_S2, _T2, _Y2, 4, 0)],
    hidden=[
        Case(_T2, _T2, _Y2, 3, 1, label="the student equals the teacher, alpha = 1"),
        Case(_T2, _T2, _Y2, 3, 0.5, label="the student equals the teacher, alpha = 0.5"),
        Case(_S2, _T2, np.array([1, 0]), 5, 0.5, label="labels that the teacher does not prefer"),
        Case(_S2, _T2, _Y2, 0.5, 0.5, label="T = 0.5"), Case(_S2, _T2, _Y2, 1, 0.5, label="T = 1"),
        Case(_LARGE, _LARGE[::-1].copy(), np.array([2, 2]), 2, 0.5, label="logits of ±1e4"),
        Case(np.repeat(_S, 6, axis=0), np.repeat(_T, 6, axis=0), np.repeat(_Y, 6), 2, 0.7, label="six equal rows"),
        Case(_S2 + 100, _T2 - 50, _Y2, 4, 0.3, label="all logits shifted"),
    ],
    raises=[Case(_S, _T, _Y, 2, -0.1), Case(_S, _T, _Y, 2, 1.1), Case(_S, _T, _Y, 0, 0.5), Case(_S, _T, _Y, -2, 0.5)],
    draw=draw_batch, draws=30, pure=True,
    compare=close(1e-7, 1e-9),  # float64 throughout: T² times a few roundings of logits up to 1e4
    misconceptions=[
        Misconception(
            "no_t2", partial(_loss, power=0),
            "The KL part is right, up to its size: softened distributions differ less, and their gradient shrinks with "
            "1/T². What do you multiply by so that both parts of the loss keep their balance when T changes?",
            "The factor T² is missing.", also=(partial(_loss, power=0, check_alpha=False, check_T=False),)),
        Misconception(
            "t_once", partial(_loss, power=1),
            "The factor is T, not T². One T goes away in the chain rule through s / T; a second one in how far the "
            "two softened distributions lie apart.",
            "Only one factor T.", also=(partial(_loss, power=1, check_alpha=False, check_T=False),)),
        Misconception(
            "student_first", partial(_loss, kl="student"),
            "You computed KL(student‖teacher). The one that is weighted by the teacher's probabilities, KL(teacher‖student), "
            "punishes the student wherever the teacher sees a chance.",
            "The direction is reversed.", also=(partial(_loss, kl="student", check_alpha=False, check_T=False),)),
        Misconception(
            "cross_entropy", partial(_loss, kl="cross"),
            "You used the cross-entropy with the soft labels. It has the same gradient, but not the same value: it never "
            "reaches 0, because the teacher's own entropy is still in it.",
            "The teacher's entropy is still in it.", also=(partial(_loss, kl="cross", check_alpha=False, check_T=False),)),
        Misconception(
            "not_logarithms", partial(_loss, kl="not log"),
            "This is what torch's kl_div computes when both arguments are probabilities. Its first argument has to be "
            "log-probabilities; it raises no error if it is not.",
            "Probabilities where logarithms belong.", also=(partial(_loss, kl="not log", check_alpha=False, check_T=False),)),
        Misconception(
            "hard_at_t", partial(_loss, hard_T=True),
            "The labels are compared at temperature T. The model will be used at T = 1, so that is where the hard part "
            "of the loss is computed.",
            "Hard labels at T.", also=(partial(_loss, hard_T=True, check_alpha=False, check_T=False),)),
        Misconception(
            "teacher_only", partial(_loss, student_T=False),
            "You softened the teacher and compared it with the student at T = 1. Both are divided by the same T; "
            "otherwise the student itself has to become as soft.",
            "Only the teacher is softened.", also=(partial(_loss, student_T=False, check_alpha=False, check_T=False),)),
        Misconception(
            "mean_of_everything", partial(_loss, soft_mean="all"),
            "The KL part was averaged over samples and classes, as torch's reduction='mean' does. A divergence is a sum "
            "over the classes. Only the samples are averaged.",
            "Divided by the number of classes too.", also=(partial(_loss, soft_mean="all", check_alpha=False, check_T=False),)),
        Misconception(
            "summed", partial(_loss, soft_mean="none", hard_mean="none"),
            "You added up the samples. The loss is their mean, so that it does not grow with the batch.",
            "Summed over the batch.",
            also=(partial(_loss, soft_mean="none"), partial(_loss, hard_mean="none"),
                  partial(_loss, soft_mean="none", hard_mean="none", check_alpha=False, check_T=False))),
        Misconception(
            "alpha_swapped", partial(_loss, swap=True),
            "alpha weighs the soft part here, and 1 − alpha the hard part.",
            "alpha is on the wrong side.", also=(partial(_loss, swap=True, check_alpha=False, check_T=False),)),
        Misconception(
            "teachers_choice", partial(_loss, own_labels=True),
            "The hard part used the teacher's most likely class. It is there to correct the teacher, so it needs the "
            "true labels.",
            "The labels were not used.", also=(partial(_loss, own_labels=True, check_alpha=False, check_T=False),)),
        Misconception(
            "underflow", partial(_loss, stable=False),
            "The logarithm of a softmax that has underflowed to 0 is −inf, and exp overflows above about 709. "
            "Compute the logarithm directly: logits minus the logarithm of the sum of their exps, the maximum taken out first.",
            "log of 0.", also=(partial(_loss, stable=False, check_alpha=False, check_T=False),)),
        Misconception(
            "unchecked", partial(_loss, check_alpha=False, check_T=False),
            "The values are right. An alpha outside [0, 1] would give one part of the loss a negative weight, and a "
            "temperature of 0 or below has no meaning: refuse both with a ValueError.",
            "Bad arguments are accepted.", also=(partial(_loss, check_alpha=False), partial(_loss, check_T=False))),
    ],
    alternatives=[_loss, _by_entropies, _by_torch, _row_by_row],
    hints=(
        "Write a small `log_softmax(z)` inside: z minus its row maximum, minus the log of the row sums of exp.",
        "Soft part: with log_p of teacher / T and log_q of student / T it is (exp(log_p)·(log_p − log_q)) summed over classes.",
        "Hard part: minus the log-softmax of the student at T = 1, picked at the labels: `[np.arange(N), labels]`.",
    ),
    worth_knowing="In torch the soft part is F.kl_div(log q, log p, reduction='batchmean', log_target=True).",
)
