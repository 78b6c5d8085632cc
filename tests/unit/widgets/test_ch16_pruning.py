"""Chapter 16's figures: their sentences say what is drawn, and what is drawn is computed here again."""

import re

import numpy as np
import pytest
import torch

from utils.compression.pruning import RemovalRow
from utils.networks.digits import accuracy, load_digits_split, trained_digits
from utils.widgets import ch16_pruning as figures


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.fixture(scope="module", autouse=True)
def short_training():
    """Two epochs instead of thirty, and few levels: the figures do not care how good the network is."""
    patch = pytest.MonkeyPatch()
    short = trained_digits("mlp", 0, 2)
    patch.setattr(figures, "trained_digits", lambda *args, **kwargs: short)
    patch.setattr(figures, "LEVELS", (0.0, 0.5))
    patch.setattr(figures, "EPOCHS", 1)
    kept = (figures._snapshot, figures._curve, figures._three_models)
    for function in kept:
        function.cache_clear()
    yield short
    patch.undo()
    for function in kept:
        function.cache_clear()


def test_sentence_tells_accuracy_and_bytes_of_the_pruned_network(short_training):
    figure, sentence = figures.prune_me(0.8, "global", "magnitude")
    values = [p.detach().clone() for p in short_training.parameters()]
    weights = torch.cat([v.flatten() for v in values if v.ndim == 2]).abs()
    cut = weights.sort().values[round(0.8 * len(weights)) - 1]
    pruned = trained_digits("mlp", 0, 2)
    for new, old in zip(pruned.parameters(), values):
        if old.ndim == 2:
            new.data = torch.where(old.abs() > cut, old, 0.0)
    X, y = load_digits_split()[1::2]
    nonzeros = sum(int((p != 0).sum()) for p in pruned.parameters() if p.ndim == 2)
    csr = nonzeros * 8 + (128 + 64 + 10 + 3) * 4 + (128 + 64 + 10) * 4
    assert numbers(sentence) == pytest.approx([80, accuracy(pruned, X, y), 17_226 * 4, csr], abs=5e-4)
    assert "without fine-tuning" in sentence and "no silent neuron" in sentence
    assert all(ax.get_xlabel() and ax.get_title(loc="left") for ax in figure.axes)


def test_neurons_leave_a_smaller_network():
    _, sentence = figures.prune_me(0.5, "neurons", "magnitude")
    left = 64 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10
    assert numbers(sentence)[-1] == 4 * left and "of the neurons" in sentence


def test_two_of_four_ignores_the_slider_and_fine_tuning_adds_a_line():
    plain, tuned = figures.prune_me(0.9, "2:4", "random"), figures.prune_me(0.9, "2:4", "random", True)
    assert "(50 %)" in plain[1] and "1 epochs of fine-tuning" in tuned[1] and "at random" in tuned[1]
    curves = [len(f.axes[3].get_lines()) for f, _ in (plain, tuned)]
    assert curves[1] == curves[0] + 1


@pytest.mark.parametrize(("r", "c", "w0", "w1"), [(0.6, 4.0, 1.2, 0.8), (-0.9, 0.2, 2.0, 2.5), (0.0, 1.0, 1.0, 0.5)])
def test_compensation_costs(r, c, w0, w1):
    figure, sentence = figures.compensation(r, c, w0, w1)
    held = [w0**2 / 2, c * w1**2 / 2]
    told = numbers(sentence)  # "weight 0 costs … and weight 1 …"
    assert [told[1], told[3]] == pytest.approx(held, abs=0.006)
    assert told[4:6] == pytest.approx([v * (1 - r * r) for v in held], abs=0.006)
    assert ("wrongly" in sentence) == ((w1 < w0) != (held[1] < held[0]))
    ax, bars = figure.axes
    assert ax.get_xlabel() and ax.get_ylabel() and bars.get_ylabel() and bars.get_title(loc="left")


@pytest.mark.parametrize("make", [figures.prune_explorer, figures.compensation_explorer])
def test_each_figure_asks_before_it_shows(make):
    question, row, told, picture = make().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert told.value and picture.layout.display == ""


def test_tables_and_charts_tell_their_numbers():
    curves = figures.measure_curves((0.5, 0.9))
    assert list(curves) == [s[0] for s in figures.SETTINGS]
    assert f"{curves['global, 6 epochs'][0.9]:.3f}" in repr(figures.curve_table(curves)).split("\n")[-1]
    assert "At 90 % removed" in repr(figures.curve_chart(curves))
    told = repr(figures.neuron_table([RemovalRow(0.5, 6570, 0.88, 0.97, 0.96)]))
    assert told.split("\n")[1].split() == ["50", "%", "6,570", "0.880", "0.970", "0.960"]
    told = repr(figures.recipe_table([{"seed": 1, "untrained": 0.5, "oneshot": 0.96, "gradual": 0.95}]))
    assert told.split("\n")[1].split() == ["seed", "1", "0.500", "0.960", "0.950"]


def test_files_and_models():
    sizes = figures.measure_files()
    assert sizes["dense"] == sizes["zeros"] > sizes["zeros, CSR"]
    assert f"{sizes['shrunk']:,} bytes" in repr(figures.file_chart(sizes))
    lines = repr(figures.model_table(rounds=2)).split("\n")
    assert len(lines) == 4 and all(" yes " in line for line in lines[1:])


def test_without_a_gpu_it_says_so():
    if not torch.cuda.is_available():
        assert "No CUDA device" in repr(figures.gpu_table())


def test_static_picture_shows_three_matrices_a_curve_and_bars():
    axes = figures.static_picture().axes
    assert len(axes) == 5
    assert [np.asarray(ax.images[0].get_array()).shape for ax in axes[:3]] == [(128, 64), (64, 128), (10, 64)]
