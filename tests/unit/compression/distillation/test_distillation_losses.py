"""Soft labels, the distillation loss and its limits: laws over generated logits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.compression import distillation as kd

LOGITS = arrays(np.float64, (3, 5), elements=st.floats(-30, 30))
TEMPERATURES = st.floats(0.1, 50)


@given(LOGITS, TEMPERATURES)
def test_soft_labels_are_distributions_that_keep_the_order(logits, T):
    p = kd.soft_targets(logits, T)
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-14) and (p >= 0).all()
    for row, soft in zip(logits, p):
        assert (np.diff(soft[np.argsort(row, kind="stable")]) >= 0).all()


@given(LOGITS, TEMPERATURES, st.floats(-1e3, 1e3))
def test_a_shift_of_all_logits_changes_nothing(logits, T, shift):
    # Adding 1e3 rounds a logit by up to 1.1e-13, which the exponent divides by T >= 0.1.
    np.testing.assert_allclose(kd.soft_targets(logits + shift, T), kd.soft_targets(logits, T), rtol=1e-11, atol=1e-300)


def test_extremes_of_the_logits_and_of_the_temperature():
    assert kd.soft_targets(np.array([1e4, 0, -1e4]), 1).tolist() == [1, 0, 0]
    assert np.isfinite(kd.log_softmax_t([1e4, 0, -1e4])).all()
    assert kd.soft_targets(np.array([3.0, 1, -2]), 1e9) == pytest.approx([1 / 3] * 3, abs=1e-8)
    assert kd.soft_targets(np.array([3.0, 1, -2]), 4) == pytest.approx([0.52825, 0.32040, 0.15135], abs=5e-6)
    assert kd.softmax_t([[1, 2], [3, 5]], 1, axis=0).sum(axis=0) == pytest.approx([1, 1], abs=1e-15)


@given(LOGITS, LOGITS, TEMPERATURES)
def test_kl_is_zero_for_equal_logits_and_never_negative(s, t, T):
    assert kd.kl_soft(t, t, T) == 0
    assert kd.kl_soft(s, t, T) >= -1e-14  # the sum of terms of both signs may round below 0


@given(LOGITS, LOGITS, TEMPERATURES)
def test_cross_entropy_is_kl_plus_the_teachers_entropy(s, t, T):
    p = kd.softmax_t(t, T)
    cross = -(p * kd.log_softmax_t(s, T)).sum(axis=1).mean()
    own = -(p * kd.log_softmax_t(t, T)).sum(axis=1).mean()
    assert kd.kl_soft(s, t, T) == pytest.approx(cross - own, abs=1e-10)  # terms up to 600 cancel


@given(LOGITS, LOGITS, TEMPERATURES, st.floats(0, 1))
def test_the_gradient_is_that_of_the_loss(s, t, T, alpha):
    labels = np.array([0, 4, 2])
    grad, h = kd.kd_grad(s, t, labels, T, alpha), 1e-5
    rng = np.random.default_rng(0)
    for direction in rng.normal(size=(3, *s.shape)):
        slope = (kd.kd_loss(s + h * direction, t, labels, T, alpha)
                 - kd.kd_loss(s - h * direction, t, labels, T, alpha)) / (2 * h)
        # Rounding: losses up to about T² * 600 in 1.1e-16, over 2h; truncation: h² times third derivatives / T.
        assert (grad * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-6 * max(1, T**2 / 10, 1 / T))
    assert grad.sum(axis=1) == pytest.approx(0, abs=1e-12 * max(1, T))


def test_the_gradient_vanishes_at_the_optimum_and_labels_may_be_missing():
    s = np.array([[2.0, 0, -1], [0, 1, 5]])
    assert not kd.distillation_grad(s, s + 7, None, T=3, alpha=1).any()
    assert kd.distillation_grad(s, s[::-1], None, T=3, alpha=0.2) == pytest.approx(
        kd.kd_grad(s, s[::-1], np.array([0, 0]), 3, 1.0), abs=0)
    loss = kd.distillation_loss(torch.tensor(s), torch.tensor(s[::-1].copy()), None, T=3, alpha=0.2)
    assert loss.item() == pytest.approx(9 * kd.kl_soft(s, s[::-1], 3), rel=1e-12)


@given(LOGITS, LOGITS)
def test_a_large_temperature_matches_logits(s, t):
    # The next term of the expansion is of the order of |logits|² / T: 60² / 1e6 with room for the constants.
    limit = kd.logit_matching_limit(s, t)
    assert 1e6 * (kd.softmax_t(s, 1e6) - kd.softmax_t(t, 1e6)) == pytest.approx(limit, abs=0.02)
    assert limit.sum(axis=1) == pytest.approx(0, abs=1e-12)


def test_the_golden_limit():
    s, t = np.array([2.0, 0, -1]), np.array([3.0, 1, -2])
    assert 1000 * (kd.softmax_t(s, 1000) - kd.softmax_t(t, 1000)) == pytest.approx([-0.2222, -0.2218, 0.4440], abs=5e-5)
    assert kd.logit_matching_limit(s, t) == pytest.approx([-2 / 9, -2 / 9, 4 / 9], abs=1e-15)


def test_an_ensemble_averages_probabilities_or_logits():
    a, b = np.array([[0.0, 0, -50]]), np.array([[-50.0, 0, 0]])
    assert kd.ensemble_targets([a, b], 1) == pytest.approx(np.array([[0.25, 0.5, 0.25]]), abs=1e-15)
    veto = kd.ensemble_targets([a, b], 1, "logit")  # each rules out a class for both: exp(-25) of the middle one
    assert veto == pytest.approx(np.array([[1.39e-11, 1, 1.39e-11]]), rel=1e-2)
    assert kd.ensemble_targets([a], 3) == pytest.approx(kd.softmax_t(a, 3), abs=0)
    with pytest.raises(ValueError, match="at least one"):
        kd.ensemble_targets([], 1)
    with pytest.raises(ValueError, match="mode must"):
        kd.ensemble_targets([a], 1, "median")


def test_dark_knowledge_of_a_certain_and_an_uncertain_label():
    even = kd.dark_knowledge(np.zeros(8), 3)
    assert (even["entropy_bits"], even["top2_ratio"]) == pytest.approx((3, 1))
    sharp = kd.dark_knowledge(np.array([4.0, 2, 0]), 2)
    assert sharp["top2_ratio"] == pytest.approx(np.e) and sharp["p"].sum() == pytest.approx(1)


@pytest.mark.parametrize("T", [0, -1, float("nan")])
def test_temperatures_that_are_refused(T):
    s = np.zeros((1, 2))
    for call in (lambda: kd.softmax_t(s, T), lambda: kd.soft_targets(s, T), lambda: kd.kd_loss(s, s, [0], T, 0.5),
                 lambda: kd.kd_grad(s, s, [0], T, 0.5),
                 lambda: kd.distillation_loss(torch.tensor(s), torch.tensor(s), None, T=T, alpha=1)):
        with pytest.raises(ValueError, match="temperature must be > 0"):
            call()


@pytest.mark.parametrize("alpha", [-0.01, 1.01, float("nan")])
def test_weights_that_are_refused(alpha):
    s = np.zeros((1, 2))
    for call in (lambda: kd.kd_loss(s, s, [0], 2, alpha), lambda: kd.kd_grad(s, s, [0], 2, alpha),
                 lambda: kd.distillation_loss(torch.tensor(s), torch.tensor(s), torch.tensor([0]), T=2, alpha=alpha)):
        with pytest.raises(ValueError, match="alpha must be in"):
            call()


def test_transposed_logits_simply_work():
    s = np.arange(12.0).reshape(4, 3).T
    assert kd.soft_targets(s, 2) == pytest.approx(kd.soft_targets(s.copy(), 2), abs=0)
