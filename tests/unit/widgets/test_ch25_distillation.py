"""Chapter 25's figures: their sentences say what is drawn, and what is drawn is computed here again."""

import re

import numpy as np
import pytest
import torch

from utils.compression.distillation import BudgetRow, MissingRow, experiment
from utils.networks.digits import load_digits_split, predict
from utils.widgets import ch25_distillation as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)]


@pytest.fixture(scope="module", autouse=True)
def short_training():
    """Two epochs for the teacher, ten for students: the figures do not care how good the networks are."""
    kept = (experiment._teacher_state, experiment.budget_student, experiment.few_student, experiment.missing_class,
            experiment.least_sure_images, figures._logits, figures._sweep)
    patch = pytest.MonkeyPatch()
    for function in kept:
        function.cache_clear()
    patch.setattr(experiment, "EPOCHS", 2)
    patch.setattr(experiment, "FEW_EPOCHS", 10)
    patch.setattr(figures, "TEMPERATURES", (0.5, 4.0))
    yield
    patch.undo()
    for function in kept:
        function.cache_clear()


def logits_of(model, digit):
    X = load_digits_split()[1]
    return predict(model, X[[experiment.least_sure_images()[digit]]]).double()


def test_the_soft_label_tells_the_largest_probabilities():
    figure, sentence = figures.draw_soft_label(8, (2.0, 8.0))
    t = logits_of(experiment.trained_teacher(), 8)
    for part, T in zip(sentence.split(";"), (2.0, 8.0)):
        p, c = (t / T).softmax(1)[0].topk(4)
        told = numbers(part.split(f"at T = {T:g}")[1])
        assert told[1::2] == c.tolist() and told[::2] == pytest.approx((100 * p).tolist(), abs=0.5)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["labelled 8", "T = 2", "T = 8"]
    assert all(ax.get_xlabel() for ax in figure.axes)


@pytest.mark.parametrize(("digit", "T", "alpha"), [(3, 4.0, 1.0), (7, 0.5, 0.5)])
def test_the_figure_tells_gradients_and_students(digit, T, alpha):
    figure, sentence = figures.dark_knowledge_figure(digit, T, alpha)
    t, s = (logits_of(m, digit) for m in (experiment.trained_teacher(), experiment.new_student()))
    p = (t / T).softmax(1)[0]
    second = int(p.argsort()[-2])
    entropy = float(-(p * p.log()).sum() / np.log(2))
    s.requires_grad_()
    kl = torch.nn.functional.kl_div((s / T).log_softmax(1), p[None], reduction="batchmean")
    soft = torch.autograd.grad(kl, s)[0].norm().item()
    hard = torch.autograd.grad(torch.nn.functional.cross_entropy(s, torch.tensor([digit])), s)[0].norm().item()
    X_test, y_test = load_digits_split()[1], torch.tensor(load_digits_split()[3])
    right = [int((predict(experiment.few_student(T, a), X_test).argmax(1) == y_test).sum()) for a in (alpha, 0.0)]
    told = numbers(sentence.replace("T²", ""))
    assert told[:2] == [T, digit] and told[3] == second
    assert told[2] == pytest.approx(100 * p[digit].item(), abs=0.5)
    assert told[4] == pytest.approx(100 * p[second].item(), abs=0.5) and told[5] == pytest.approx(entropy, abs=0.006)
    assert told[6:9] == pytest.approx([soft, T**2 * soft, hard], rel=0.06)  # two digits
    assert [told[9], told[11], told[12], told[13]] == [alpha, right[0], 540, right[1]] and told[10] == 50
    assert len(figure.axes) == 4 and all(ax.get_xlabel() for ax in figure.axes)
    assert all(ax.get_ylabel() for ax in figure.axes[1:])


def test_without_a_soft_part_the_temperature_plays_no_role():
    assert len(set(figures._sweep(0.0))) == 1 and len(figures._sweep(0.0)) == 2
    assert "alpha = 0 " in figures.dark_knowledge_figure(3, 4.0, 0.0)[1]


def test_the_bells_of_both_directions():
    figure, sentence = figures.modes_figure(6.0, 0.7)
    told = numbers(sentence)
    assert told[:2] == [6, 70]
    assert told[2:4] == pytest.approx([-0.4 * 3, np.sqrt(1 + 0.21 * 36)], abs=0.011)  # the mixture's own moments
    assert told[4:6] == pytest.approx([-3, 1], abs=0.06) and "keeps one" in sentence
    assert "nearly the same" in figures.modes_figure(1.0, 0.6)[1]
    assert len(figure.axes[0].get_lines()) == 2 and figure.axes[0].get_ylabel()


@pytest.mark.parametrize("make", [figures.dark_knowledge_explorer, figures.modes_explorer])
def test_each_figure_asks_before_it_shows(make, monkeypatch):
    monkeypatch.setattr(figures, "TEMPERATURES", (1.0, 4.0))
    figures._sweep.cache_clear()
    question, row, told, picture = make().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert told.value and picture.layout.display == ""
    figures._sweep.cache_clear()


def test_tables_and_charts_tell_their_numbers():
    rows = [BudgetRow(0, 400, 450, 500, 520), BudgetRow(1, 410, 460, 510, 530)]
    lines = repr(figures.budget_table(rows)).split("\n")
    assert lines[1].split()[2:5] == ["400", "410", "0.750"] and lines[4].split()[2:5] == ["520", "530", "0.972"]
    low, high = (float(v) for v in lines[1].split()[5::2])
    z, n, k = 1.959964, 540, 405  # Wilson's bounds are where |k/n - p| is z standard deviations
    assert [abs(k / n - p) / np.sqrt(p * (1 - p) / n) for p in (low, high)] == pytest.approx([z, z], abs=0.06)
    assert "50 labels: 0.750" in repr(figures.budget_chart(rows))
    missing = [MissingRow("hard labels", 0, 0, 470, 55, 540), MissingRow("soft, T = 4", 46, 53, 515, 55, 540)]
    lines = repr(figures.missing_table(missing)).split("\n")
    assert lines[2].split()[-3:] == ["46", "53", "515"] and "of 55" in lines[0]
    assert "hard labels: 0; soft, T = 4: 46" in repr(figures.missing_chart(missing))


def test_measurements_run():
    assert [row.seed for row in figures.measure_budget((3,))] == [3]
    assert [row.name for row in figures.measure_missing((None, 2))] == ["hard labels", "soft, T = 2"]
    lines = repr(figures.calibration_table()).split("\n")
    assert len(lines) == 4 and all(0 < float(line.split()[-1]) < 60 for line in lines[1:])
    assert "What the teacher says" in repr(figures.soft_label(1))


def test_static_picture():
    assert len(figures.static_picture().axes) == 4
