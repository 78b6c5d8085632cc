"""The experiment's floors over three seeds: what soft labels are worth, and the class that nobody showed."""

import numpy as np
import pytest

from utils.compression import distillation as kd
from utils.networks.digits import load_digits_split, predict


@pytest.mark.parametrize("seed", range(3))
def test_soft_labels_are_worth_labelled_images(seed):
    row = kd.label_budget(seed)
    assert row.few_hard < row.few_distilled < row.unlabelled
    assert row.unlabelled >= row.few_hard + 0.05 * 540
    assert set(row.as_dict()) == {"seed", "few_hard", "few_distilled", "unlabelled", "all_hard"}


@pytest.mark.parametrize("seed", range(3))
def test_a_student_that_never_saw_a_3(seed):
    soft, hard = kd.missing_class(4, seed=seed), kd.missing_class(None, seed=seed)
    assert soft.right >= 0.6 * soft.of_class and soft.raised >= soft.right
    assert (hard.right, hard.raised) == (0, 0) and soft.of_class == 55 and soft.images == 540
    assert soft.overall > hard.overall and soft.as_dict()["name"] == "soft, T = 4"


def test_sizes_and_rows():
    count = [sum(p.numel() for p in m.parameters()) for m in (kd.trained_teacher(), kd.new_student())]
    assert count == [50_826, 1_210]
    rows = kd.few_rows(50, 1)
    assert len(set(rows.tolist())) == 50
    assert np.bincount(load_digits_split()[2][rows]).tolist() == [5] * 10


def test_a_fresh_teacher_each_time():
    a, b = kd.trained_teacher(), kd.trained_teacher()
    a.net[0].weight.data.zero_()
    assert b.net[0].weight.abs().sum() > 0


def test_the_sweep_is_that_of_its_students():
    _, X, _, y = load_digits_split()
    assert kd.temperature_sweep((4.0,), 1.0, 0) == [kd.right_answers(kd.few_student(4.0, 1.0, 0), X, y)]
    assert kd.temperature_sweep((4.0,), 1.0, 0)[0] == kd.label_budget(0).few_distilled


def test_least_sure_images_are_right_and_of_their_class():
    _, X, _, y = load_digits_split()
    p = predict(kd.trained_teacher(), X).softmax(1).numpy()
    for c, i in enumerate(kd.least_sure_images()):
        assert y[i] == c == p[i].argmax()
        assert all(p[j, c] >= p[i, c] for j in np.flatnonzero((y == c) & (p.argmax(1) == c)))


def test_calibration_of_three_models():
    rows = kd.calibration_rows()
    assert list(rows) == ["teacher", "student, soft", "student, hard"] and all(0 < v < 0.1 for v in rows.values())
