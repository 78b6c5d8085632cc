"""Speculative decoding leaves the target's distribution as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.tensorrt_llm import (
    acceptance_rate,
    expected_tokens_per_step,
    simulate_speculation,
    speculative_accept,
    speculative_speedup,
)

P, Q = [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]


def test_the_output_has_the_targets_distribution():
    run = simulate_speculation(P, Q, 1, 40_000, np.random.default_rng(0))
    # standard deviation of a share: sqrt(0.25 / 40,000) = 0.0025; four of them
    assert run.first_token == pytest.approx(Q, abs=0.01)
    assert run.accepted_share == pytest.approx(0.6, abs=0.01) and acceptance_rate(P, Q) == pytest.approx(0.6)
    assert run.tokens_per_step == pytest.approx(expected_tokens_per_step(0.6, 1), abs=0.01)
    assert sum(run.as_dict()["first_token"]) == pytest.approx(1)


def test_several_drafts_follow_the_formula():
    run = simulate_speculation(P, Q, 4, 5_000, np.random.default_rng(1))
    assert run.tokens_per_step == pytest.approx(expected_tokens_per_step(0.6, 4), abs=0.1)  # sd 1.4 / sqrt(5,000)


@given(st.integers(0, 10_000))
def test_first_token_by_exact_summation(seed):
    """P(x) = p(x) accept(x) + P(reject) residual(x), summed over all drafts, equals q(x)."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(4), 2)
    accept = np.minimum(1, q / p)
    residual = np.maximum(q - p, 0)
    total = p * accept + (1 - p @ accept) * residual / residual.sum()
    assert total == pytest.approx(q, abs=1e-12)
    assert 1 - p @ accept == pytest.approx(1 - acceptance_rate(p, q), abs=1e-12)


def test_cases_without_chance():
    rng = np.random.default_rng(0)
    one = np.eye(3)
    assert speculative_accept([0], [P], [Q, one[2]], [0.3], rng) == [0, 2]       # 0.3 < 1/3: accepted, bonus 2
    assert speculative_accept([0], [[0.5, 0.3, 0.2]], [[0.2, 0.3, 0.5], one[1]], [0.9], rng) == [2]
    assert speculative_accept([1], [P], [one[0], one[0]], [0.0], rng) == [0]     # the target never says 1
    assert speculative_accept([], np.zeros((0, 3)), [one[1]], [], rng) == [1]
    greedy = [speculative_accept([0, 1, 1], [one[0], one[1], one[1]], one[[0, 1, 2, 0]], [0.0] * 3, rng)]
    assert greedy == [[0, 1, 2]]


@given(st.integers(1, 5), st.integers(0, 1000))
def test_equal_models_accept_everything(gamma, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(5), gamma + 1)
    draft = [int(rng.choice(5, p=row)) for row in p[:gamma]]
    out = speculative_accept(draft, p[:gamma], p, rng.random(gamma), rng)
    assert out[:gamma] == draft and len(out) == gamma + 1


def test_expected_tokens_and_speedup():
    assert expected_tokens_per_step(0.8, 4) == pytest.approx((1 - 0.8**5) / (1 - 0.8)) == pytest.approx(3.3616)
    assert expected_tokens_per_step(1, 4) == 5 and expected_tokens_per_step(0, 4) == 1
    assert speculative_speedup(0.8, 4, 0.05) == pytest.approx(2.8013, abs=1e-4)
    assert speculative_speedup(0.3, 8, 0.2) < 1  # drafting that is seldom right costs more than it saves
    for alpha, gamma in ((1.1, 2), (-0.1, 2), (0.5, -1)):
        with pytest.raises(ValueError):
            expected_tokens_per_step(alpha, gamma)
