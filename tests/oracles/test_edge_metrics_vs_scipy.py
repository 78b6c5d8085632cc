"""Intervals and exact tests against scipy, heat against its differential equation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import binomtest

from utils.cost.edge_metrics import ThermalModel, mcnemar_p, wilson_interval

counts = st.integers(0, 3000)


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_against_scipy(n, share, confidence):
    k = round(share * n)
    wanted = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(k, n, confidence) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@settings(deadline=None)
@given(counts, counts, st.sampled_from(["two-sided", "greater", "less"]))
def test_mcnemar_against_the_binomial_test(only_a, only_b, alternative):
    # tails of up to 3,000 positive terms, each a few eps wrong; scipy flushes what is below 1e-290
    wanted = binomtest(only_a, only_a + only_b, alternative=alternative).pvalue if only_a + only_b else 1.0
    assert mcnemar_p(only_a, only_b, alternative) == pytest.approx(wanted, rel=1e-9, abs=1e-250)


@pytest.mark.parametrize("watts", [0.0, 9.0, 15.0])
def test_heat_against_its_differential_equation(watts):
    model = ThermalModel(r_k_per_w=5, tau_s=120, ambient_c=25, limit_c=85)
    solved = solve_ivp(lambda t, y: (25 + watts * 5 - y) / 120, (0, 600), [40.0], rtol=1e-9, atol=1e-9,
                       t_eval=np.linspace(0, 600, 13))
    assert model.temperature(watts, solved.t, start_c=40) == pytest.approx(solved.y[0], abs=1e-5)
