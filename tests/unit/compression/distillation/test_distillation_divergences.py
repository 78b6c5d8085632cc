"""Divergences and the Gaussian that covers or seeks modes."""

import numpy as np
import pytest

from utils.compression import distillation as kd


def test_what_is_impossible_for_one_side():
    p, q = np.array([0.5, 0.5, 0]), np.array([1.0, 0, 0])
    assert kd.forward_kl(p, q) == np.inf and kd.reverse_kl(p, q) == pytest.approx(np.log(2))
    assert kd.js_divergence(p, np.array([0, 0, 1.0])) == pytest.approx(np.log(2))
    assert kd.js_divergence(p, q) == pytest.approx(kd.js_divergence(q, p))


@pytest.mark.parametrize(("separation", "share"), [(0, 0.6), (2, 0.6), (4, 0.5), (6, 0.7), (8, 0.6)])
def test_forward_kl_takes_the_mixtures_mean_and_variance(separation, share):
    # Among Gaussians the one with the mixture's own moments minimises KL(mixture || q), exactly.
    fit = kd.fit_gaussian_to_mixture("forward", separation, share)
    mean = (1 - 2 * share) * separation / 2
    std = np.sqrt(1 + share * (1 - share) * separation**2)
    assert (fit.mean, fit.std) == pytest.approx((mean, std), abs=0.0101)  # half a step of 0.02


@pytest.mark.parametrize(("share", "side"), [(0.6, -1), (0.3, 1)])
def test_reverse_kl_seeks_the_larger_mode(share, side):
    fit = kd.fit_gaussian_to_mixture("reverse", 8, share)
    assert (fit.mean, fit.std) == pytest.approx((4 * side, 1), abs=0.03)
    # far apart, KL(q || mixture) of a q that is one mode is the log of that mode's share
    assert fit.divergence == pytest.approx(-np.log(max(share, 1 - share)), abs=1e-3)
    assert kd.fit_gaussian_to_mixture("reverse", 2, share).std > 1.2  # close modes are covered as one


def test_directions_that_are_refused():
    with pytest.raises(ValueError, match="direction must"):
        kd.fit_gaussian_to_mixture("sideways")


def test_a_fit_is_plain_data():
    assert set(kd.fit_gaussian_to_mixture("forward", 0).as_dict()) == {"mean", "std", "divergence"}
    x = np.linspace(-20, 20, 4001)
    assert kd.mixture(x, 6).sum() * 0.01 == pytest.approx(1, abs=1e-9)
