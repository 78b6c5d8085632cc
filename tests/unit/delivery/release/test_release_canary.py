"""Canaries: the decision, the arms, the rollout, and what looking too often does."""

import numpy as np
import pytest

from utils.delivery.release import (
    Canary,
    canary_decision,
    canary_seconds,
    promoted_share,
    replay_canary,
    samples_per_arm,
    simulate_canary,
)


def test_the_worked_decisions():
    cases = {(20, 2000, 16, 200): "rollback", (100, 10_000, 11, 1000): "promote", (20, 2000, 4, 200): "continue",
             (20, 2000, 0, 50): "continue"}
    for counts, decision in cases.items():
        assert canary_decision(*counts, 0.01) == decision
    for bad in ((0, 0, 1, 2), (1, 2, 0, 0), (-1, 2, 0, 2), (3, 2, 0, 2), (0, 2, 3, 2)):
        with pytest.raises(ValueError, match="must"):
            canary_decision(*bad, 0.01)


def test_more_of_the_same_ends_the_waiting():
    for rate, end in ((0.01, "promote"), (0.05, "rollback")):
        told = [canary_decision(n, 100 * n, round(rate * 100 * n), 100 * n, 0.01) for n in (1, 10, 100, 1000)]
        assert told[0] == "continue" and told[-1] == end


def test_the_number_of_requests():
    assert samples_per_arm(0.01, 0.015) == 6105  # the figures of the chapter
    assert samples_per_arm(0.01, 0.015, alpha=0.025) == 7750
    assert samples_per_arm(0.01, 0.02) < samples_per_arm(0.01, 0.015)
    assert canary_seconds(6000, 50, 0.01) == pytest.approx(12_000)
    for bad in ((0.02, 0.01), (0.01, 0.01), (-0.1, 0.1)):
        with pytest.raises(ValueError, match="p0 and p1"):
            samples_per_arm(*bad)
    with pytest.raises(ValueError, match="alpha"):
        samples_per_arm(0.01, 0.02, alpha=0)
    with pytest.raises(ValueError, match="share"):
        canary_seconds(10, 50, 0)


def test_the_planned_number_finds_the_rise_four_times_in_five():
    n, trials = samples_per_arm(0.01, 0.015), 4000
    rng = np.random.default_rng(0)
    a, b = rng.binomial(n, 0.01, trials) / n, rng.binomial(n, 0.015, trials) / n
    pooled = (a + b) / 2
    found = ((b - a) / np.sqrt(2 * pooled * (1 - pooled) / n) > 1.644854).mean()
    assert found == pytest.approx(0.8, abs=0.03)  # 4 standard errors of 4,000 trials are 0.025


def test_arms_are_sticky_and_grow():
    users = [f"user-{i}" for i in range(20_000)]
    canary = Canary((0.05, 0.25, 1.0), salt="x")
    first = {u for u in users if canary.arm(u) == "canary"}
    assert len(first) / len(users) == pytest.approx(0.05, abs=0.007)  # 4.5 standard errors
    assert first == {u for u in users if canary.arm(u) == "canary"}
    canary.counts = {"base": [10, 1000], "canary": [10, 1000]}
    assert canary.advance() == "promote" and canary.share == 0.25
    second = {u for u in users if canary.arm(u) == "canary"}
    assert first < second and len(second) / len(users) == pytest.approx(0.25, abs=0.014)
    other = Canary((0.05, 1.0), salt="y")
    assert first != {u for u in users if other.arm(u) == "canary"}


def test_the_states_of_a_rollout():
    canary = Canary((0.1, 1.0), tolerance=0.01, min_requests=100)
    assert canary.decision() == "continue" and canary.share == 0.1
    for _ in range(50):
        canary.observe("base", True)
        canary.observe("canary", False)
    assert canary.decision() == "continue"  # too few, however bad
    for _ in range(50):
        canary.observe("canary", False)
    assert canary.advance() == "rollback" and canary.state == "rolled back" and canary.share == 0
    assert canary.arm("anybody") == "base" and canary.decision() == "continue"
    good = Canary((0.1, 1.0))
    good.counts = {"base": [0, 10_000], "canary": [0, 10_000]}
    assert good.advance() == "promote" and good.state == "released" and good.arm("anybody") == "canary"
    for steps in ((), (0.5,), (0.5, 0.1, 1.0), (0.0, 1.0), (0.1, 0.1, 1.0)):
        with pytest.raises(ValueError, match="steps"):
            Canary(steps)


def test_simulated_rollouts_end_as_they_should():
    for seed in range(5):
        bad, good = (simulate_canary(0.01, p, 50, seed=seed) for p in (0.06, 0.01))
        assert bad[-1].decision == "rollback" and bad[-1].share <= 0.05
        assert good[-1].decision == "promote" and good[-1].share == 0.25
        assert all(look.low <= look.high for look in good)
        assert [look.second for look in bad] == [60.0 * (i + 1) for i in range(len(bad))]
    assert simulate_canary(0.01, 0.02, 50, seed=1) == simulate_canary(0.01, 0.02, 50, seed=1)
    assert len(simulate_canary(0.01, 0.02, 1, limit_s=600)) <= 10


def test_replaying_real_answers():
    right, worse = np.ones(500, bool), np.arange(500) % 10 > 0
    canary = Canary((0.1, 1.0), tolerance=0.01, min_requests=200)
    looks = replay_canary(canary, right, worse)
    assert canary.state == "rolled back" and looks[-1][3] == "rollback"
    same = Canary((0.1, 1.0), tolerance=0.01)
    looks = replay_canary(same, right, right)
    assert same.state == "released" and looks[0][1] + looks[0][2] == 2000
    assert replay_canary(Canary((0.1, 1.0), min_requests=10**9), right, right, limit=6000)[-1][3] == "continue"


def test_looking_often_promotes_a_bad_release_more_often():
    once = promoted_share(0.01, 0.02, 0.01, [5000], 600, np.random.default_rng(0))
    often = promoted_share(0.01, 0.02, 0.01, list(range(200, 5001, 200)), 600, np.random.default_rng(0))
    assert once < 0.05 < often
