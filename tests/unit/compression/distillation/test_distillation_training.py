"""Students that imitate: what they learn from, what stays untouched, and how they are judged."""

import numpy as np
import pytest
import torch
from torch import nn

from utils.compression import distillation as kd
from utils.networks.digits import DigitsMLP, load_digits_split, predict, seeded


def small(seed=0, hidden=(8,)):
    return seeded(lambda: DigitsMLP(hidden), seed)


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def test_the_student_comes_close_and_the_teacher_stays():
    X = load_digits_split()[0][:200]
    teacher = small(1, (32,))
    before, start = weights(teacher), small()
    student = kd.distill(teacher, small(), X, T=2, epochs=40, lr=1e-2)
    t = predict(teacher, X)
    assert kd.kl_soft(predict(student, X), t, 2) < 0.1 * kd.kl_soft(predict(start, X), t, 2)
    assert kd.agreement(student, teacher, X) > kd.agreement(start, teacher, X)
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters()))


def test_logits_stand_for_their_model_and_a_seed_decides():
    X = load_digits_split()[0][:100]
    teacher = small(1)
    a = kd.distill(teacher, small(), X, T=3, epochs=2, seed=5)
    b = kd.distill(predict(teacher, X).requires_grad_(), small(), X, T=3, epochs=2, seed=5)
    other = kd.distill(teacher, small(), X, T=3, epochs=2, seed=6)
    assert all(map(torch.equal, weights(a), weights(b))) and not all(map(torch.equal, weights(a), weights(other)))


def test_without_alpha_the_teacher_does_not_matter():
    X, _, y, _ = load_digits_split()
    X, y = X[:100], y[:100]
    models = [kd.distill(small(teacher), small(), X, T=3, epochs=2, y=y, alpha=0) for teacher in (1, 2)]
    assert all(map(torch.equal, *map(weights, models)))


def test_logits_have_to_fit():
    with pytest.raises(ValueError, match="logits for 3 rows"):
        kd.distill(torch.zeros(2, 10), small(), np.zeros((3, 64), np.float32), T=1, epochs=1)


def test_only_kept_rows_teach():
    X, _, y, _ = (torch.as_tensor(a[:150]) for a in load_digits_split())
    logits, keep = predict(small(1), X).requires_grad_(), y != 3
    student = small()
    assert kd.distill_missing_class(logits, X, keep, student, 5) is student
    assert logits.grad is None
    noise = torch.where(keep[:, None], logits.detach(), 99.0), torch.where(keep[:, None], X, 5.0)
    again = kd.distill_missing_class(*noise, keep, small(), 5)
    assert all(map(torch.equal, weights(student), weights(again)))


def test_a_hint_trains_student_and_projector_only():
    torch.manual_seed(0)
    student, teacher = torch.randn(6, 3, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    projector = nn.Linear(3, 5)
    loss = kd.hint_loss(student, teacher, projector)
    assert loss.item() == pytest.approx(((projector(student) - teacher) ** 2).mean().item(), rel=1e-6)
    loss.backward()
    assert student.grad is not None and projector.weight.grad is not None and teacher.grad is None
    with pytest.raises(ValueError, match="projector must give"):
        kd.hint_loss(student, teacher, nn.Linear(3, 1))


class Fixed(nn.Module):
    """Answers with the logits that it is given as input."""

    def forward(self, x):
        return x


def test_calibration_by_hand():
    p = torch.tensor([[0.8, 0.2], [0.7, 0.3], [0.05, 0.95], [0.55, 0.45]], dtype=torch.float64)
    y = np.array([0, 0, 1, 1])
    # Ten bins: 0.8 in (0.7, 0.8], 0.7 in (0.6, 0.7], 0.95 and 0.55 in theirs; four rows in four bins.
    assert kd.calibration_error(Fixed(), p.log(), y) == pytest.approx((0.2 + 0.3 + 0.05 + 0.55) / 4, abs=1e-9)
    # One bin: mean confidence 0.75, accuracy 3 of 4.
    assert kd.calibration_error(Fixed(), p.log(), y, bins=1) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="bins must"):
        kd.calibration_error(Fixed(), p.log(), y, bins=0)


def test_right_answers_of_a_class_and_with_its_bias_raised():
    logits = torch.tensor([[1.0, 0, 0], [0, 1, 0.9], [0, 1, 0], [0, 0, 1]])
    y = np.array([0, 2, 2, 1])
    assert kd.right_answers(Fixed(), logits, y) == 1
    assert [kd.right_answers(Fixed(), logits, y, 2, raised) for raised in (0, 0.5, 2)] == [0, 1, 2]
