"""Chapter 25's probe: what it tells about a student, and that it leaves torch as it was."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch.optim.optimizer import _global_optimizer_post_hooks

from autograder.probes.ch25_distillation import TRAIN, _digits, missing_class, same_student


def train(teacher_logits, X, keep, student, steps, rows=None, noise=None):
    x, t = X[keep if rows is None else rows], teacher_logits.detach()[keep if rows is None else rows]
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        (torch.nn.functional.mse_loss(student(x), t) + (0 if noise is None else noise())).backward()
        optimizer.step()
    return student


def test_the_digits_are_scikit_learns():
    X, y, logits = _digits()
    images, labels = load_digits(return_X_y=True)
    assert X.sum() * 16 == images.sum() and sorted(y) == sorted(labels) and X.max() == 1
    assert (logits.argmax(1) == y)[TRAIN:].mean() > 0.94  # a teacher worth listening to, on images that it never saw


def test_a_good_student_is_told_as_one():
    told = missing_class(train, 3, 270)
    assert told["returned"] == "the student" and told["steps"] == 270
    assert not told["teacher_changed"] and not told["teacher_gradient"]
    assert told["missing"] > 0.4 and told["overall"] > 0.85 and told["kl4"] < 0.025
    assert same_student(train, 3, 10) == {"repeats": True, "leaks": False}


def test_an_untrained_student_is_told_as_one():
    told = missing_class(lambda t, X, keep, student, steps: None, 3, 270)
    assert told["returned"] == "nothing" and told["steps"] == 0 and told["overall"] < 0.5 and told["kl4"] > 0.5


def test_leaks_and_chance_are_told_apart():
    def leaks(*args):
        return train(*args, rows=slice(None))

    def chance(t, X, keep, student, steps):
        rows = torch.randperm(len(X), generator=torch.Generator().manual_seed(torch.seed() % 2**31))
        return train(t, X, keep, student, steps, rows=rows[keep[rows]][:20])

    assert same_student(leaks, 3, 10) == {"repeats": True, "leaks": True}
    assert same_student(chance, 3, 10) == {"repeats": False, "leaks": None}


def test_what_happens_to_the_teacher_is_seen():
    def changes(t, X, keep, student, steps):
        t.data.add_(1)
        return student

    def reaches(t, X, keep, student, steps):
        (student(X) - t).square().mean().backward()
        return student

    assert missing_class(changes, 3, 1)["teacher_changed"]
    told = missing_class(reaches, 3, 1)
    assert told["teacher_gradient"] and not told["teacher_changed"]


def test_torch_is_left_as_it_was():
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    def broken(*args):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        missing_class(broken, 3, 1)
    assert torch.equal(torch.rand(1), expected) and torch.get_num_threads() == threads
    assert not _global_optimizer_post_hooks
