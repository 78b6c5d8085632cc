"""The gate: exact p-values, the rule at its edges, the bootstrap bound, slices, and the number of samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.delivery.tradeoff.gate import gate_release, noninferiority_bound, release_gate, samples_to_see, slice_drops


def pair(lost, gained, both, neither=0, seed=0):
    order = np.random.default_rng(seed).permutation(lost + gained + both + neither)
    base = np.array([True] * lost + [False] * gained + [True] * both + [False] * neither)[order]
    cand = np.array([False] * lost + [True] * gained + [True] * both + [False] * neither)[order]
    return base, cand


def test_the_examples():
    told = release_gate(*pair(9, 4, 520, 7), 0.01, 0.05)
    assert told == pytest.approx({"lost": 9, "gained": 4, "drop": 5 / 540, "p_value": 0.266845703125, "passed": True})
    assert gate_release(*pair(8, 2, 100), 0.1).p_value == 0.109375
    assert gate_release(*pair(0, 6, 100), 0.1).p_value == 0.03125


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60), st.integers(1, 20), st.floats(0, 0.2),
       st.sampled_from([0.01, 0.05, 0.1]))
def test_against_scipy_and_the_rule_in_words(lost, gained, both, neither, max_drop, alpha):
    from scipy.stats import binomtest

    base, cand = pair(lost, gained, both, neither)
    got = gate_release(base, cand, max_drop, alpha)
    p = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert got.p_value == pytest.approx(p, rel=1e-9)
    drop = base.mean() - cand.mean()
    assert got.drop == pytest.approx(drop, abs=1e-12) and (got.lost, got.gained) == (lost, gained)
    if all(abs(drop - edge) > 1e-9 for edge in (max_drop, max_drop / 2)) and abs(p - alpha) > 1e-9:
        assert got.passed == (not drop > max_drop and not (p < alpha and drop > max_drop / 2))
    mirrored = gate_release(cand, base, max_drop, alpha)
    assert mirrored.p_value == got.p_value and mirrored.drop == -got.drop


def test_equal_numbers_count_as_equal():
    # 0.03 and 3 / 100 are the same; 6 lost are 0.06, half of 0.12, and significant (p = 0.03)
    assert gate_release(*pair(3, 0, 97), 0.03).passed
    assert gate_release(*pair(6, 0, 94), 0.12).passed
    assert not gate_release(*pair(7, 0, 93), 0.12).passed
    assert gate_release(*pair(7, 0, 93), 0.12, alpha=0.01).passed


def test_errors_and_views():
    base, cand = pair(3, 1, 20)
    with pytest.raises(ValueError, match="one shape"):
        gate_release(base, cand[1:], 0.1)
    with pytest.raises(ValueError, match="samples must be positive"):
        gate_release(base[:0], cand[:0], 0.1)
    with pytest.raises(TypeError, match="boolean"):
        gate_release(base.astype(int), cand, 0.1)
    with pytest.raises(ValueError, match="max_drop"):
        gate_release(base, cand, -0.1)
    with pytest.raises(ValueError, match="alpha"):
        gate_release(base, cand, 0.1, 1.0)
    twice = np.repeat(base, 2)[::2], np.repeat(cand, 2)[::2]
    assert gate_release(*twice, 0.1) == gate_release(base, cand, 0.1)


def test_the_bound_against_the_normal_approximation():
    base, cand = pair(300, 200, 9000, 500)
    n, drop = 10_000, 0.01
    sd = np.sqrt((500 / n - drop**2) / n)
    # 10,000 draws put the 95th percentile within about 3 sd / sqrt(10000) * 2.1, and the grid is 1e-4
    assert noninferiority_bound(base, cand) == pytest.approx(drop + 1.645 * sd, abs=3 * 2.1 * sd / 100 + 1e-4)
    assert noninferiority_bound(base, cand, alpha=0.5) == pytest.approx(drop, abs=2e-4)
    assert noninferiority_bound(base, cand, seed=1) == noninferiority_bound(base, cand, seed=1)
    same = pair(0, 0, 50, 3)
    assert noninferiority_bound(*same) == 0.0


def test_the_bound_covers_the_true_drop():
    """Of 400 candidates with a true drop of 0.01 the bound lies above it in about 95 %: 19 of 20."""
    rng = np.random.default_rng(0)
    kinds = rng.choice(4, size=(400, 2000), p=[0.03, 0.02, 0.9, 0.05])
    covered = sum(noninferiority_bound(np.isin(k, (0, 2)), np.isin(k, (1, 2)), n_boot=1000, seed=1) >= 0.01 for k in kinds)
    assert 0.91 * 400 <= covered <= 0.985 * 400  # 3.5 binomial deviations of 1.1 % each


def test_slices():
    base, cand = np.ones(90, bool), np.ones(90, bool)
    slices = np.repeat(["a", "b", "c"], (50, 30, 10))
    cand[[0, 1, 50, 51, 52, 85]] = False
    found = slice_drops(slices, base, cand)
    assert [(s.name, s.n, s.lost, s.gained, round(s.drop, 3)) for s in found] == [("b", 30, 3, 0, 0.1), ("a", 50, 2, 0, 0.04)]
    assert len(slice_drops(slices, base, cand, min_slice=10)) == 3
    assert found[0].as_dict()["drop"] == 0.1
    with pytest.raises(ValueError, match="slices must have one name"):
        slice_drops(slices[1:], base, cand)


def test_the_number_of_samples_gives_the_power():
    from scipy.stats import chi2

    n = samples_to_see(0.03, 0.09)
    rng = np.random.default_rng(0)
    lost, gained, _ = rng.multinomial(n, [0.06, 0.03, 0.91], size=4000).T
    z2 = (lost - gained) ** 2 / (lost + gained)  # McNemar without correction, which the formula is for
    power = np.mean(z2 > chi2.ppf(0.95, 1))
    assert power == pytest.approx(0.8, abs=0.03)  # 4 binomial deviations, and the approximation's own error
    assert samples_to_see(0.0074, 16 / 540) > 4000
    with pytest.raises(ValueError, match="drop must be"):
        samples_to_see(0.1, 0.05)
    with pytest.raises(ValueError, match="power"):
        samples_to_see(0.01, 0.05, power=1)
