"""The loss of distillation, its gradient, and what both become for a large temperature. NumPy, in nats.

s are the student's logits, t the teacher's, both (N, C): N samples, C classes. Formulas: Hinton, Vinyals and Dean,
"Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from torch import Tensor


def log_softmax_t(logits: ArrayLike, temperature: float = 1.0, axis: int = -1) -> np.ndarray:
    """log(softmax(logits / temperature)) in float64, finite for any finite logits.

    Raises ValueError "temperature must be > 0".
    """
    if not temperature > 0:  # also refuses nan
        raise ValueError(f"temperature must be > 0, got {temperature}")
    z = np.asarray(logits, np.float64)
    z = (z - z.max(axis=axis, keepdims=True)) / temperature  # the largest becomes 0, so exp can't overflow
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def softmax_t(logits: ArrayLike, temperature: float, axis: int = -1) -> np.ndarray:
    """Class probabilities softened by a temperature: softmax(logits / temperature) along `axis`, float64.

    Raises ValueError "temperature must be > 0".

    >>> softmax_t([3, 1, -2], 4).round(3).tolist()
    [0.528, 0.32, 0.151]
    """
    return np.exp(log_softmax_t(logits, temperature, axis))


def soft_targets(logits: np.ndarray, T: float) -> np.ndarray:
    """The teacher's soft labels: softmax(logits / T) over the last axis. ValueError if T <= 0."""
    return softmax_t(logits, T)


def kl_rows(student_logits: ArrayLike, teacher_logits: ArrayLike, T: float = 1.0) -> np.ndarray:
    """KL(teacher || student) of each row (N,) at temperature T, in nats; a teacher's 0 contributes 0."""
    log_p, log_q = log_softmax_t(teacher_logits, T), log_softmax_t(student_logits, T)
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=-1)


def kl_soft(student_logits: ArrayLike, teacher_logits: ArrayLike, T: float) -> float:
    """Batch mean of KL(teacher || student) at temperature T, in nats and without the factor T²."""
    return float(kl_rows(student_logits, teacher_logits, T).mean())


def kd_loss(student_logits: np.ndarray, teacher_logits: np.ndarray, labels: np.ndarray, T: float,
            alpha: float) -> float:
    """alpha·T²·KL(teacher || student at T) + (1 - alpha)·cross-entropy of the labels at T = 1, batch mean in nats.

    Logits (N, C), labels (N,) are class ids. ValueError if alpha is outside [0, 1] or T <= 0.

    >>> round(kd_loss([[2, 0, -1]], [[3, 1, -2]], [0], 2, 0.7), 6)
    0.152364
    """
    _check_alpha(alpha)
    soft = T**2 * kl_soft(student_logits, teacher_logits, T)
    labels = np.asarray(labels)
    hard = -log_softmax_t(student_logits)[np.arange(len(labels)), labels].mean()
    return float(alpha * soft + (1 - alpha) * hard)


def kd_grad(student_logits: np.ndarray, teacher_logits: np.ndarray, labels: np.ndarray, T: float,
            alpha: float) -> np.ndarray:
    """The gradient (N, C) of `kd_loss` with respect to the student's logits.

    The chain rule through s / T takes one of the two factors T, so alpha·T is left.
    ValueError if alpha is outside [0, 1] or T <= 0.
    """
    return distillation_grad(student_logits, teacher_logits, labels, T=T, alpha=alpha)


def distillation_grad(student_logits: ArrayLike, teacher_logits: ArrayLike, labels: ArrayLike | None, *, T: float,
                      alpha: float) -> np.ndarray:
    """alpha·T·(softmax_T(s) - softmax_T(t)) / N + (1 - alpha)·(softmax(s) - onehot) / N, shape (N, C).

    With labels=None only the soft part counts, whatever alpha says.
    ValueError if alpha is outside [0, 1] or T <= 0.
    """
    _check_alpha(alpha)
    s = np.asarray(student_logits, np.float64)
    grad = T * (softmax_t(s, T) - softmax_t(teacher_logits, T))
    if labels is not None:
        onehot = np.eye(s.shape[-1])[np.asarray(labels)]
        grad = alpha * grad + (1 - alpha) * (softmax_t(s, 1) - onehot)
    return grad / len(s)


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, *, T: float,
                      alpha: float) -> Tensor:
    """The same loss in torch, to train with; no gradient flows into the teacher's logits.

    With labels=None only the soft part counts, whatever alpha says.
    ValueError if alpha is outside [0, 1] or T <= 0.
    """
    from torch.nn import functional as F

    _check_alpha(alpha)
    if not T > 0:
        raise ValueError(f"temperature must be > 0, got {T}")
    log_q = F.log_softmax(student_logits / T, dim=-1)
    log_p = F.log_softmax(teacher_logits.detach() / T, dim=-1)
    soft = T**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    if labels is None:
        return soft
    return alpha * soft + (1 - alpha) * F.cross_entropy(student_logits, labels)


def _check_alpha(alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")


def logit_matching_limit(student_logits: ArrayLike, teacher_logits: ArrayLike) -> np.ndarray:
    """The limit of T·(softmax_T(s) - softmax_T(t)) for large T: (centred s - centred t) / C.

    Up to the factor 1 / C that is the gradient of ½·|s - t|² between centred logits: distillation becomes logit
    matching (section 2.1 of the paper).
    """
    difference = np.asarray(student_logits, np.float64) - np.asarray(teacher_logits, np.float64)
    return (difference - difference.mean(axis=-1, keepdims=True)) / difference.shape[-1]


def ensemble_targets(logits: Sequence[ArrayLike], T: float,
                     mode: Literal["probability", "logit"] = "probability") -> np.ndarray:
    """Soft labels (N, C) of several teachers: the mean of their probabilities at T, or the softmax of mean logits.

    The mean of the logits is the geometric mean of the probabilities, normalised again: one teacher that rules a
    class out can rule it out for all. ValueError without teachers or for another mode.
    """
    if not len(logits):
        raise ValueError("logits must hold at least one teacher, got none")
    stacked = np.stack([np.asarray(z, np.float64) for z in logits])  # (teachers, N, C)
    if mode == "probability":
        return softmax_t(stacked, T).mean(axis=0)
    if mode == "logit":
        return softmax_t(stacked.mean(axis=0), T)
    raise ValueError(f"mode must be 'probability' or 'logit', got {mode!r}")


def dark_knowledge(logits: ArrayLike, T: float) -> dict[str, np.ndarray | float]:
    """What one soft label (C,) says at temperature T: its probabilities p, their entropy in bits, and how many times
    the most likely class is as likely as the second."""
    log_p = log_softmax_t(logits, T)
    p = np.exp(log_p)
    first, second = np.sort(log_p)[::-1][:2]
    return {"p": p, "entropy_bits": float(-(p * log_p).sum() / np.log(2)), "top2_ratio": float(np.exp(first - second))}


def gradient_norms(student_logits: ArrayLike, teacher_logits: ArrayLike, label: int,
                   temperatures: Sequence[float]) -> dict[str, list[float]]:
    """Euclidean norms, by temperature, of the gradients that one sample (C,) sends into the student's logits.

    "hard": of the labelled cross-entropy. "soft": of KL at T alone. "soft, times T²": of T²·KL.
    """
    s, t = np.atleast_2d(student_logits), np.atleast_2d(teacher_logits)
    hard = float(np.linalg.norm(distillation_grad(s, t, [label], T=1, alpha=0)))
    scaled = [float(np.linalg.norm(distillation_grad(s, t, None, T=T, alpha=1))) for T in temperatures]
    return {"hard": [hard] * len(scaled), "soft": [g / T**2 for g, T in zip(scaled, temperatures)],
            "soft, times T²": scaled}
