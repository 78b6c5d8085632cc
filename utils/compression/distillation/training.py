"""Training students: on a teacher's soft labels, on its features, and on a transfer set without one class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils.compression.distillation.losses import distillation_loss
from utils.networks.digits import Array, predict, train_classifier


def distill(teacher: nn.Module | Tensor, student: nn.Module, X: Array, *, T: float, epochs: int,
            y: Array | None = None, alpha: float = 1.0, lr: float = 5e-3, batch_size: int = 64,
            seed: int = 0) -> nn.Module:
    """Train `student` in place on the transfer set X (N, ...) and return it; the teacher stays as it is.

    teacher: a model, or its logits (N, C) on X. y (N,): class ids for the hard part of the loss; without them alpha
    is 1, so no label is needed. `seed` decides the order of the batches.
    ValueError if alpha is outside [0, 1], T <= 0, or the logits don't fit X.
    """
    t = predict(teacher, X) if isinstance(teacher, nn.Module) else torch.as_tensor(teacher).detach()
    if len(t) != len(X):
        raise ValueError(f"teacher must have logits for {len(X)} rows, got {len(t)}")
    labels = None if y is None else torch.as_tensor(y)

    def loss(student_logits: Tensor, rows: Tensor) -> Tensor:
        return distillation_loss(student_logits, t[rows], None if labels is None else labels[rows], T=T, alpha=alpha)

    return train_classifier(student, X, torch.arange(len(t)), epochs=epochs, lr=lr, batch_size=batch_size, seed=seed,
                            loss=loss)


def distill_missing_class(teacher_logits: Tensor, X: Tensor, keep: Tensor, student: nn.Module,
                          steps: int) -> nn.Module:
    """Train `student` in place on the soft labels of the rows that `keep` flags, and return it.

    teacher_logits (N, C), X (N, d), keep (N,) boolean. Full-batch Adam at T = 4; `teacher_logits` stays as it is,
    and no gradient flows into it.
    """
    inputs, logits = X[keep], teacher_logits.detach()[keep]
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        distillation_loss(student(inputs), logits, None, T=4, alpha=1).backward()
        optimizer.step()
    return student


def hint_loss(student_features: Tensor, teacher_features: Tensor, projector: nn.Module) -> Tensor:
    """FitNets' hint: the mean squared distance between the teacher's hidden features (N, d_t) and the projected
    features (N, d_s) of the student. `projector` maps d_s to d_t, is trained along, and is thrown away afterwards.

    No gradient flows into the teacher. ValueError if the projected shape differs. Romero et al., arXiv:1412.6550.
    """
    projected = projector(student_features)
    if projected.shape != teacher_features.shape:
        raise ValueError(f"projector must give the shape {tuple(teacher_features.shape)}, got {tuple(projected.shape)}")
    return F.mse_loss(projected, teacher_features.detach())


def agreement(a: nn.Module, b: nn.Module, X: Array) -> float:
    """Share of rows on which two models name the same class: how faithfully a student imitates."""
    return float((predict(a, X).argmax(1) == predict(b, X).argmax(1)).double().mean())


def calibration_error(model: nn.Module, X: Array, y: Array, bins: int = 10) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart, averaged over bins of confidence.

    The bins are equally wide, closed on the right, and weighted by how many rows fall into them.
    ValueError unless bins >= 1.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    confidence, named = predict(model, X).double().softmax(1).max(1)
    right = (named == torch.as_tensor(y)).double().numpy()
    place = np.clip(np.ceil(confidence.numpy() * bins).astype(int) - 1, 0, bins - 1)
    gaps = [abs((confidence.numpy() - right)[place == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(right))


def right_answers(model: nn.Module, X: Array, y: Array, only: int | None = None, raised: float = 0.0) -> int:
    """How many rows the model gets right; of one class where `only` names it. `raised` is added to the logit of
    that class first, as if its bias were larger."""
    logits, y = predict(model, X).clone(), torch.as_tensor(y)
    if only is not None:
        logits[:, only] += raised
    asked = torch.ones_like(y, dtype=torch.bool) if only is None else y == only
    return int((logits.argmax(1) == y)[asked].sum())
