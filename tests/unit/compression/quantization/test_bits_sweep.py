"""Noise and accuracy by number of bits: the law holds, more bits are never noisier, 8 bits cost next to nothing."""

import itertools

import numpy as np
import pytest
import torch

from utils.compression.quantization.bits_sweep import DB_PER_BIT, bits_sweep, law_db, weights_at
from utils.networks.digits import DigitsCNN, DigitsMLP, accuracy, load_digits_split, seeded, train_classifier
from utils.numerics.noise import predicted_int8_sqnr_db


@pytest.fixture(scope="module")
def data():
    return load_digits_split()


@pytest.fixture(scope="module")
def mlp(data):
    return train_classifier(seeded(DigitsMLP, 0), data[0], data[2], epochs=8)


def test_rows_of_a_cnn(data):
    x, x_test, y, y_test = data
    model = train_classifier(seeded(DigitsCNN, 0), x, y, epochs=6, lr=4e-3)
    rows = bits_sweep(model, x_test, y_test, x[:128])
    for a, b in itertools.pairwise(rows):
        assert b.bits == a.bits + 1
        assert b.weight_sqnr_db > a.weight_sqnr_db and b.activation_sqnr_db > a.activation_sqnr_db
    for row in rows:
        if row.bits >= 4:  # errors are spread evenly over a step only where a step is small
            assert row.weight_sqnr_db == pytest.approx(row.law_db, abs=0.5)
    assert abs(rows[-1].correct / 540 - accuracy(model, x_test, y_test)) <= 0.01 and rows[-1].total == 540
    assert rows[-1].as_dict()["bits"] == 8


def test_the_law_is_that_of_int8_and_six_decibels_a_bit():
    x = np.random.default_rng(0).standard_normal(1_000)
    crest = 20 * np.log10(np.abs(x).max() / np.sqrt(np.mean(x**2)))
    assert law_db(x, 8) == pytest.approx(predicted_int8_sqnr_db(crest))
    assert law_db(x, 12) - law_db(x, 11) == pytest.approx(DB_PER_BIT, abs=0.01) and pytest.approx(6.0206, abs=1e-4) == DB_PER_BIT


def test_weights_at_rounds_weights_and_nothing_else(data, mlp):
    _, x, _, y = data
    before = [p.clone() for p in mlp.parameters()]
    right = round(540 * accuracy(mlp, x, y))
    assert abs(weights_at(mlp, x, y, 16) - right) <= 1 and weights_at(mlp, x, y, 2) < 0.8 * right
    assert all(torch.equal(a, b) for a, b in zip(before, mlp.parameters()))
    with torch.no_grad():
        for layer in mlp.linears:
            step = float(layer.weight.abs().max()) / 7
            layer.weight.copy_(torch.round(layer.weight / step) * step)
    assert weights_at(mlp, x, y, 4) == round(540 * accuracy(mlp, x, y))
