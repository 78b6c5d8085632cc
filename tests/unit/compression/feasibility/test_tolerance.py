"""How the digits network bears it: laws of the curves, the knee by its definition, and the sizes counted again."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.feasibility.necessity import TargetDevice
from utils.compression.feasibility.tolerance import (
    CurvePoint,
    accuracy_standard_error,
    knee,
    measured_curves,
    need_vs_can,
    per_class_drop,
    predictions,
    relative_bytes,
    rounding_noise,
    spoiled,
    tolerance_curve,
)
from utils.networks.digits import DigitsMLP, accuracy, load_digits_split, seeded, trained_digits


@pytest.fixture(scope="module")
def model():
    return trained_digits()


@pytest.fixture(scope="module")
def test_set():
    _, X, _, y = load_digits_split()
    return X, y


@pytest.fixture(scope="module")
def curves(model, test_set):
    return measured_curves(model, *test_set)


def matrices(network):
    return [m.weight.detach().numpy() for m in network.linears]


def test_spoiling_leaves_the_model_alone_and_does_what_it_says(model):
    before = [W.copy() for W in matrices(model)]
    three = matrices(spoiled(model, "bits", 3))
    assert all(len(np.unique(row)) <= 7 for W in three for row in W)  # -3 ... 3 times one scale
    zeros = [np.count_nonzero(W == 0) for W in matrices(spoiled(model, "sparsity", 0.8))]
    assert sum(zeros) == round(0.8 * 17_024)
    assert [np.linalg.matrix_rank(W, tol=1e-3) for W in matrices(spoiled(model, "rank", 10))] == [10, 10, 10]
    noisy = matrices(spoiled(model, "noise", 0.5))
    for W, V in zip(before, noisy):
        assert np.std(V - W) / np.sqrt(np.mean(W**2)) == pytest.approx(0.5, rel=0.1)  # 640 samples: 3 % for one sigma
    assert all(np.array_equal(W, V) for W, V in zip(before, matrices(model)))


def test_what_spoils_nothing_changes_nothing(model):
    for kind, level in (("sparsity", 0.0), ("rank", 128), ("noise", 0.0)):
        assert all(np.array_equal(W, V) for W, V in zip(matrices(model), matrices(spoiled(model, kind, level))))


def test_unknown_kinds_and_levels_are_refused(model):
    with pytest.raises(ValueError, match="kind must be"):
        spoiled(model, "dropout", 1)
    with pytest.raises(ValueError, match="negative"):
        spoiled(model, "noise", -1)
    with pytest.raises(ValueError, match="to have a size"):
        relative_bytes(model, "noise", 0.1)


def test_rounding_noise_is_a_uniform_error_of_one_step():
    # 12 bits: the error is uniform in a step of max / 2047, so its root mean square is step / sqrt(12).
    network = seeded(lambda: DigitsMLP((128, 64)), 0)
    errors = sum(W.size * np.mean(np.abs(W).max(axis=1) ** 2) / 2047**2 / 12 for W in matrices(network))
    weights = sum(np.sum(W**2) for W in matrices(network))
    assert rounding_noise(network, 12) == pytest.approx(np.sqrt(errors / weights), rel=0.02)


def test_sizes_are_what_the_arrays_take(model):
    params = 4 * 17_226
    scales, biases = 4 * (128 + 64 + 10), 4 * (128 + 64 + 10)
    assert relative_bytes(model, "bits", 4) == pytest.approx((17_024 / 2 + scales + biases) / params)
    kept = 17_024 - round(0.8 * 17_024)
    assert relative_bytes(model, "sparsity", 0.8) == pytest.approx((4 * kept + 17_024 / 8 + biases) / params)
    two_factors = 10 * (64 + 128 + 128 + 64) + 640  # 10 x 64 of rank 10 stays one matrix
    assert relative_bytes(model, "rank", 10) == pytest.approx((4 * two_factors + biases) / params)
    assert relative_bytes(model, "rank", 64) == 1


def test_convolutions_are_matrices_of_their_filters():
    cnn = trained_digits("cnn", epochs=1)
    W = spoiled(cnn, "bits", 2).net[2].weight.detach().flatten(1).numpy()
    assert W.shape == (16, 72) and all(len(np.unique(row)) <= 3 for row in W)


# Accuracies of the default network on the 540 test images: floors from the first measurement with two points of room.
FLOORS = [("bits", 8, 0.96), ("bits", 4, 0.95), ("sparsity", 0.5, 0.94), ("rank", 16, 0.95), ("rank", 10, 0.95)]


@pytest.mark.parametrize(("kind", "level", "floor"), FLOORS)
def test_mild_levels_cost_little(model, test_set, kind, level, floor):
    assert tolerance_curve(model, *test_set, kind, [level])[0][1] >= floor


@pytest.mark.parametrize(("kind", "level", "ceiling"), [("bits", 2, 0.9), ("sparsity", 0.95, 0.5), ("rank", 4, 0.8)])
def test_there_is_a_cliff(model, test_set, kind, level, ceiling):
    assert tolerance_curve(model, *test_set, kind, [level])[0][1] < ceiling


def test_curves_go_from_mild_to_aggressive(curves):
    assert set(curves) == {"bits", "sparsity", "rank", "noise"}
    for points in curves.values():
        assert all(a.ratio > b.ratio for a, b in itertools.pairwise(points))
    assert [p.ratio for p in curves["noise"]] == [p.ratio for p in curves["bits"]]


def test_noise_is_drawn_from_the_seed(model, test_set):
    one, two, three = (tolerance_curve(model, *test_set, "noise", [0.7], seed=s) for s in (1, 1, 2))
    assert one == two and one != three


# --- the knee ---------------------------------------------------------------------------------


@given(st.lists(st.integers(50, 100), min_size=1, max_size=8), st.integers(60, 100), st.integers(0, 10))
def test_knee_by_its_definition(percents, baseline, drop):
    passing = [p >= baseline - drop for p in percents]  # whole percents: no rounding
    prefix = passing.index(False) if False in passing else len(passing)
    found = knee([f"level {i}" for i in range(len(percents))], [p / 100 for p in percents], baseline / 100, drop / 100)
    assert found == (None if prefix == 0 else f"level {prefix - 1}")


def test_knee_at_the_edges():
    assert knee([2, 4, 8, 16], [0.97, 0.96, 0.90, 0.965], 0.97, 0.02) == 4
    assert 0.83 < 0.93 - 0.1 and knee([8, 4], [0.83, 0.3], 0.93, 0.1) == 8  # equal but for the last bit
    with pytest.raises(ValueError, match="one length"):
        knee([1, 2], [0.9], 0.9, 0.1)


def test_standard_error_is_that_of_coin_throws():
    rng = np.random.default_rng(0)
    thrown = rng.binomial(540, 0.974, 200_000) / 540
    assert accuracy_standard_error(0.974, 540) == pytest.approx(thrown.std(), rel=0.01)
    for acc, n in ((1.2, 10), (0.5, 0)):
        with pytest.raises(ValueError, match="acc must be"):
            accuracy_standard_error(acc, n)


def test_per_class_drop_adds_up_to_the_total(model, test_set):
    X, y = test_set
    before, after = predictions(model, X), predictions(spoiled(model, "bits", 2), X)
    drop = per_class_drop(y, before, after)
    assert drop.shape == (10,)
    total = accuracy(model, X, y) - accuracy(spoiled(model, "bits", 2), X, y)
    assert np.sum(drop * np.bincount(y)) / len(y) == pytest.approx(total)
    told = per_class_drop(np.array([0, 0, 2]), np.array([0, 1, 2]), np.array([1, 1, 2]))
    assert told[0] == 0.5 and np.isnan(told[1]) and told[2] == 0
    with pytest.raises(ValueError, match="one shape"):
        per_class_drop(y, before, after[:-1])


# --- need against can -------------------------------------------------------------------------


def test_need_vs_can():
    device = TargetDevice("box", 4e9, 100.0)
    curves = {"bits": [CurvePoint(8, 0.25, 0.97), CurvePoint(4, 0.125, 0.96), CurvePoint(2, 0.0625, 0.5)],
              "rank": [CurvePoint(10, 0.3, 0.96), CurvePoint(5, 0.1, 0.7)],
              "noise": [CurvePoint(4, 0.1, 0.97)], "sparsity": [CurvePoint(0.5, 0.5, 0.2)]}
    found = need_vs_can(8e9, device, 10, curves, baseline=0.97)
    assert found.required_ratio == 4 / 32 and found.limiting == "memory"
    assert found.smallest == {"bits": 0.125, "rank": 0.3, "noise": 0.1, "sparsity": None}
    assert found.reachable == ("bits",) == found.as_dict()["reachable"]
    assert need_vs_can(8e9, device, 100, curves, baseline=0.97).limiting == "bandwidth"
    assert need_vs_can(1e9, device, 1, curves, baseline=0.97).reachable == ("bits", "rank", "sparsity")
