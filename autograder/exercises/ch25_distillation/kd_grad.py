"""Exercise 25.kd_grad: what the student's logits feel."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import distillation

from ...compare import close
from ...exercise import Case, Exercise, Misconception
from .kd_loss import draw_batch


def _softmax(z: np.ndarray, stable: bool = True) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True)) if stable else np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def _grad(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float, *, power: int = 1, sign: int = 1,
          divide: str = "N", hard_T: bool = False, hard_scale: bool = False, swap: bool = False, soft_T: bool = True,
          own_labels: bool = False, onehot: bool = True, stable: bool = True, check: str = "both") -> np.ndarray:
    """The gradient with one mistake; with its defaults it is right (an independent formulation)."""
    if (check in ("both", "alpha") and not 0 <= alpha <= 1) or (check in ("both", "T") and T <= 0):
        raise ValueError("alpha or T")
    with np.errstate(all="ignore"):
        a = 1 - alpha if swap else alpha
        y = t.argmax(axis=1) if own_labels else y
        soft = _softmax(s / T if soft_T else s, stable) - _softmax(t / T if soft_T else t, stable)
        hard = _softmax(s / T if hard_T else s, stable) / (T if hard_scale else 1)
        if onehot:
            hard[np.arange(len(s)), y] -= 1 / (T if hard_scale else 1)
        total = sign * (a * T**power * soft + (1 - a) * hard)
        return total / {"N": len(s), "1": 1, "NC": s.size}[divide]


def _by_autograd(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float) -> np.ndarray:
    import torch
    from torch.nn import functional as F

    if not (0 <= alpha <= 1 and T > 0):
        raise ValueError("no")
    s = torch.tensor(s, requires_grad=True)
    p = torch.tensor(t / T).softmax(1)
    soft = F.kl_div((s / T).log_softmax(1), p, reduction="batchmean") * T * T
    (alpha * soft + (1 - alpha) * F.cross_entropy(s, torch.tensor(y))).backward()
    return s.grad.numpy()


def _row_by_row(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float) -> np.ndarray:
    if alpha < 0 or alpha > 1 or T <= 0:
        raise ValueError("no")
    rows = []
    for a, b, label in zip(s, t, y):
        q_T, p_T, q = (np.exp(z - np.logaddexp.reduce(z)) for z in (a / T, b / T, a))
        rows.append((alpha * T * (q_T - p_T) + (1 - alpha) * (q - np.eye(len(a))[label])) / len(s))
    return np.array(rows)


def _by_jacobian(s: np.ndarray, t: np.ndarray, y: np.ndarray, T: float, alpha: float) -> np.ndarray:
    """Both parts are cross-entropies: the target times minus the Jacobian of the log-softmax."""
    if alpha < 0 or alpha > 1 or T <= 0:
        raise ValueError("no")

    def part(target: np.ndarray, z: np.ndarray) -> np.ndarray:
        q, eye = _softmax(z), np.eye(z.shape[1])
        return -np.einsum("nc,ncd->nd", target, eye[None] - q[:, None, :])

    soft = T**2 * part(_softmax(t / T), s / T) / T
    return (alpha * soft + (1 - alpha) * part(np.eye(s.shape[1])[y], s)) / len(s)


_S, _T = np.array([[2.0, 0.0, -1.0]]), np.array([[3.0, 1.0, -2.0]])
_S2, _T2 = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 1.0]]), np.array([[3.0, 1.0, -2.0], [-1.0, 0.0, 2.0]])
_Y, _Y2 = np.array([0]), np.array([0, 2])
_LARGE = np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 1e4]])

kd_grad = Exercise(
    id="25.kd_grad", points=4, difficulty=2, minutes=15, idea="what is left of T² after the chain rule",
    reference=distillation.kd_grad,
    cases=[Case(_S, _T, _Y, 2, 0.7), Case(_S2, _T2, _Y2, 4, 1), Case(_S2, _T2, _Y2, 4, 0)],
    hidden=[
        Case(_T2, _T2, _Y2, 3, 1, label="the student equals the teacher, alpha = 1"),
        Case(_S2, _T2, np.array([1, 0]), 5, 0.5, label="labels that the teacher does not prefer"),
        Case(_S2, _T2, _Y2, 0.5, 0.5, label="T = 0.5"), Case(_S2, _T2, _Y2, 1, 0.5, label="T = 1"),
        Case(_LARGE, _LARGE[::-1].copy(), np.array([2, 2]), 2, 0.5, label="logits of ±1e4"),
        Case(np.repeat(_S, 6, axis=0), np.repeat(_T, 6, axis=0), np.repeat(_Y, 6), 2, 0.7, label="six equal rows"),
        Case(_S2, _T2, _Y2, 1000, 1, label="T = 1000: logit matching"),
    ],
    raises=[Case(_S, _T, _Y, 2, -0.1), Case(_S, _T, _Y, 2, 1.1), Case(_S, _T, _Y, 0, 0.5), Case(_S, _T, _Y, -2, 0.5)],
    draw=draw_batch, draws=30, pure=True,
    compare=close(1e-7, 1e-9),
    misconceptions=[
        Misconception(
            "t2_left", partial(_grad, power=2),
            "The loss has a factor T², but the student's logits enter it as s / T. What does the chain rule through s / T "
            "contribute?",
            "One factor T too many.", also=(partial(_grad, power=2, check="none"),)),
        Misconception(
            "no_t", partial(_grad, power=0),
            "The factors T cancelled completely. T² stands in the loss, and the chain rule through s / T takes only one of "
            "the two.",
            "A factor T is missing.", also=(partial(_grad, power=0, check="none"),)),
        Misconception(
            "without_t2", partial(_grad, power=-1),
            "This is the gradient of the loss without its factor T². Then the soft part dies away as T grows.",
            "The T² of the loss is missing.", also=(partial(_grad, power=-1, check="none"),)),
        Misconception(
            "no_mean", partial(_grad, divide="1"),
            "The loss is the mean over the batch, so each row's gradient carries a factor 1/N.",
            "The batch mean is missing.", also=(partial(_grad, divide="1", check="none"),)),
        Misconception(
            "mean_of_everything", partial(_grad, divide="NC"),
            "You divided by the number of entries. The loss sums over classes and averages over samples only.",
            "Divided by the number of classes too.", also=(partial(_grad, divide="NC", check="none"),)),
        Misconception(
            "sign", partial(_grad, sign=-1),
            "Your gradient points downhill. Where the student gives a class more than the target, the loss rises with "
            "this logit, so the gradient there is positive.",
            "The sign is reversed.", also=(partial(_grad, sign=-1, check="none"),)),
        Misconception(
            "hard_at_t", partial(_grad, hard_T=True),
            "The hard part of the loss is computed at T = 1, so its gradient uses the student's softmax at T = 1 as well.",
            "The hard part is at T.",
            also=(partial(_grad, hard_T=True, hard_scale=True), partial(_grad, hard_T=True, check="none"))),
        Misconception(
            "soft_at_1", partial(_grad, soft_T=False),
            "The soft part compares both models at temperature T. You took both softmaxes at 1.",
            "The soft part is at T = 1.", also=(partial(_grad, soft_T=False, check="none"),)),
        Misconception(
            "no_onehot", partial(_grad, onehot=False),
            "The gradient of the cross-entropy is the student's probabilities minus a 1 at the label. Without the 1 the "
            "rows do not add up to 0.",
            "The labels were not subtracted.", also=(partial(_grad, onehot=False, check="none"),)),
        Misconception(
            "alpha_swapped", partial(_grad, swap=True),
            "alpha weighs the soft part here, and 1 − alpha the hard part.",
            "alpha is on the wrong side.", also=(partial(_grad, swap=True, check="none"),)),
        Misconception(
            "teachers_choice", partial(_grad, own_labels=True),
            "The hard part used the teacher's most likely class. It needs the true labels.",
            "The labels were not used.", also=(partial(_grad, own_labels=True, check="none"),)),
        Misconception(
            "overflow", partial(_grad, stable=False),
            "exp overflows above about 709, and inf / inf is NaN. Subtract the row maximum before exp.",
            "exp overflows for large logits.", also=(partial(_grad, stable=False, check="none"),)),
        Misconception(
            "unchecked", partial(_grad, check="none"),
            "The values are right. An alpha outside [0, 1] and a temperature of 0 or below have to be refused with a "
            "ValueError.",
            "Bad arguments are accepted.", also=(partial(_grad, check="alpha"), partial(_grad, check="T"))),
    ],
    alternatives=[_grad, _by_autograd, _row_by_row, _by_jacobian],
    hints=(
        "The gradient of a cross-entropy with respect to the logits is: student's probabilities minus target.",
        "The soft part is T²·KL with logits s / T. Its gradient is T² · (softmax(s / T) − softmax(t / T)) · the slope of s / T.",
        "Both parts are divided by N. Check: each row adds up to 0.",
    ),
    worth_knowing="For large T, T·(softmax(s/T) − softmax(t/T)) becomes (s − t)/C between centred logits: logit matching.",
)
