"""Optimisation profiles: every choice against a search, and the memory of both strategies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.serving.batching import Profile, context_bytes, profile_plan, select_profile

profile_tuples = st.lists(st.lists(st.integers(1, 12), min_size=3, max_size=3).map(lambda t: tuple(sorted(t))), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(profile_tuples, st.integers(0, 13))
def test_no_other_profile_is_preferred(profiles, n):
    covering = [i for i, (lo, _, hi) in enumerate(profiles) if lo <= n <= hi]
    if not covering:
        with pytest.raises(ValueError, match="no optimisation profile covers"):
            profile_plan(profiles, n, 10, "STATIC")
        return
    index, held = profile_plan(profiles, n, 10, "STATIC")
    assert index in covering and held == 10 * max(hi for *_, hi in profiles)
    for i in covering:  # the rule, criterion by criterion
        (_, opt, hi), (_, best_opt, best_hi) = profiles[i], profiles[index]
        assert hi >= best_hi
        if hi == best_hi:
            assert abs(opt - n) >= abs(best_opt - n)
            if abs(opt - n) == abs(best_opt - n):
                assert i >= index
    assert profile_plan(profiles, n, 10, "ON_PROFILE_CHANGE") == (index, 10 * profiles[index][2])


def test_examples_by_hand():
    profiles = [(1, 1, 1), (2, 4, 8), (1, 16, 32)]
    assert profile_plan(profiles, 3, 10_000_000, "STATIC") == (1, 320_000_000)
    assert profile_plan(profiles, 3, 10_000_000, "ON_PROFILE_CHANGE") == (1, 80_000_000)
    assert profile_plan(profiles, 1, 10_000_000, "STATIC")[0] == 0 and profile_plan(profiles, 9, 1, "STATIC")[0] == 2


@pytest.mark.parametrize("bad", [(0, 1, 2), (2, 1, 3), (1, 4, 3), (5, 5, 4)])
def test_malformed_profiles(bad):
    with pytest.raises(ValueError, match="profile"):
        Profile(*bad)
    with pytest.raises(ValueError, match="profile"):
        profile_plan([(1, 1, 4), bad], 2, 1, "STATIC")


def test_bad_strategy_and_missing_profile():
    one = [Profile(1, 1, 2)]
    for call, word in ((lambda: context_bytes(one, 1, "static"), "strategy"), (lambda: context_bytes([], 1, "STATIC"), "profiles"),
                       (lambda: context_bytes(one, 1, "ON_PROFILE_CHANGE"), "active"), (lambda: select_profile([], 1), "covers")):
        with pytest.raises(ValueError, match=word):
            call()
