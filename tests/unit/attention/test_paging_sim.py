"""The scheduler: single requests by arithmetic, whole traces by conservation and by the paper's figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.attention.paging_sim import lognormal_lengths, simulate_paging
from utils.attention.paging_waste import kv_waste
from utils.attention.published import TOKEN_STATES

POLICIES = ("paged", "max", "pow2", "oracle")


@given(p=st.integers(1, 30), o=st.integers(1, 30), b=st.integers(1, 9))
def test_a_request_alone_wastes_what_the_closed_form_says(p, o, b):
    run = simulate_paging([p], [o], b, 100, "paged", 64)
    assert (run.steps, run.mean_batch, run.preemptions) == (o + 1, 1, 0)
    assert run.utilization == pytest.approx(1 - kv_waste(p, o, b), rel=1e-15)


@pytest.mark.parametrize(("policy", "slots"), [("max", 64), ("pow2", 10 + 32), ("oracle", 10 + 25)])
def test_reservations(policy, slots):
    # an output of 25 is rounded up to 32 (Kwon et al. 2023, section 6.1)
    run = simulate_paging([10], [25], 1, 64, policy, 64)
    assert run.utilization == pytest.approx(sum(range(10, 36)) / (26 * slots), rel=1e-15)
    assert run.utilization_per_step[0] == 10 / slots


@settings(deadline=None, max_examples=60)
@given(policy=st.sampled_from(POLICIES), b=st.integers(1, 5), seed=st.integers(0, 999), blocks=st.integers(16, 40))
def test_all_tokens_are_written_whatever_the_policy(policy, b, seed, blocks):
    rng = np.random.default_rng(seed)
    p, o = rng.integers(1, 9, 12), rng.integers(1, 9, 12)
    run = simulate_paging(p, o, b, blocks, policy, 16)
    # a slot of a batch is one token or one prompt; preemption repeats prompts only
    assert sum(run.batch_per_step) == (o + 1).sum() + run.preemptions
    assert run.mean_batch == sum(run.batch_per_step) / run.steps and len(run.utilization_per_step) == run.steps
    assert 0 < run.utilization <= 1 and all(0 < u <= 1 for u in run.utilization_per_step)
    assert (run.preemptions == 0) == (run.recomputed_tokens == 0)
    assert policy == "paged" or run.preemptions == 0


def test_the_newest_is_preempted_and_recomputes_what_it_had():
    # 5 slots: both prompts fit; at 3 + 2 tokens the second gives way (2 tokens), the first ends alone
    run = simulate_paging([2, 1], [2, 2], 1, 5, "paged", 9)
    assert run.batch_per_step == (2, 2, 1, 1, 1)
    assert (run.preemptions, run.recomputed_tokens) == (1, 2)


def test_gaps_between_intervals_stay_unused():
    # intervals of 4, 10 and 4 slots fill the pool; after two steps the short ones are gone and a request of 8
    # waits for the long one: its slots are free, in two halves
    split = simulate_paging([3, 1, 3, 7], [1, 9, 1, 1], 1, 18, "oracle", 18)
    assert split.batch_per_step == (3, 3, *[1] * 8, 1, 1)
    side_by_side = simulate_paging([3, 3, 1, 7], [1, 1, 9, 1], 1, 18, "oracle", 18)
    assert side_by_side.batch_per_step == (3, 3, 2, 2, *[1] * 6)


def test_the_papers_max_reservation():
    # ShareGPT's mean lengths (Kwon et al. 2023, Fig. 11); slabs of one size leave no gaps, so "max" is comparable
    rng = np.random.default_rng(0)
    p, o = lognormal_lengths(161, 800, 1024, rng), lognormal_lengths(338, 800, 1024, rng)
    runs = {policy: simulate_paging(p, o, 16, 1024, policy, 2048) for policy in POLICIES}
    assert runs["max"].utilization == pytest.approx(TOKEN_STATES["max"], abs=0.02)
    order = [runs[policy].utilization for policy in ("max", "pow2", "oracle", "paged")]
    assert order == sorted(order) and order[-1] > 0.96
    batches = [runs[policy].mean_batch for policy in ("max", "pow2", "oracle", "paged")]
    assert batches == sorted(batches) and batches[-1] > 3 * batches[0]


def test_lengths():
    lengths = lognormal_lengths(50, 20_000, 10_000, np.random.default_rng(0))
    assert lengths.min() >= 1
    # standard error of the mean: 50 sqrt(e^0.81 - 1) / sqrt(20000) = 0.4
    assert lengths.mean() == pytest.approx(50, abs=1.6)
    assert lognormal_lengths(50, 1000, 60, np.random.default_rng(0)).max() == 60


def test_refused():
    with pytest.raises(ValueError, match="policy"):
        simulate_paging([1], [1], 1, 9, "best", 9)
    with pytest.raises(ValueError, match="max_len"):
        simulate_paging([5], [5], 1, 99, "max", 9)
    with pytest.raises(ValueError, match="output_lens"):
        simulate_paging([5], [], 1, 99, "max", 9)
    with pytest.raises(ValueError, match="positive"):
        simulate_paging([5], [0], 1, 99, "max", 9)
    for policy in ("paged", "max"):
        with pytest.raises(MemoryError, match="out of KV blocks"):
            simulate_paging([5], [5], 4, 2, policy, 16)
    assert simulate_paging([1], [1], 1, 9, "paged", 9).as_dict()["steps"] == 2
