"""The capacity scheduler: hand traces, laws, and a second, slower simulation that moves single tokens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.tensorrt_llm import (
    POLICIES,
    Load,
    admit_count,
    budget_blocks,
    capacity_schedule,
    pause_count,
    simulate_capacity_scheduler,
)

HAND = ([4] * 4, [12] * 4, [2, 4, 12, 3], 8, 4)


@st.composite
def workloads(draw):
    n = draw(st.integers(1, 9))
    prompts = draw(st.lists(st.integers(1, 12), min_size=n, max_size=n))
    actual = draw(st.lists(st.integers(1, 10), min_size=n, max_size=n))
    limits = [a + draw(st.integers(0, 8)) for a in actual]
    size = draw(st.integers(1, 5))
    least = max(-(-(p + m) // size) for p, m in zip(prompts, limits))
    return prompts, limits, actual, least + draw(st.integers(0, 8)), size


def test_hand_traces():
    # guaranteed: 4 blocks each, two at once: 0 and 1; 2 from step 3; 3 from step 5; the third ends at step 14
    assert capacity_schedule(*HAND, "guaranteed") == (14, 2, 0)
    # max_utilization: 2 blocks each, all at once, and request 2 needs its 12 steps
    assert capacity_schedule(*HAND, "max_utilization") == (12, 4, 0)
    run = simulate_capacity_scheduler(*HAND, "STATIC_BATCH")
    assert (run.steps, [s.running for s in run.history][3:5]) == (4 + 12, [(0, 1)[1:], (2, 3)])


def test_a_pause_by_hand():
    run = simulate_capacity_scheduler([1, 1], [5, 5], [5, 5], 3, 2, "MAX_UTILIZATION")
    # 3 blocks of 2. Step 1: two tokens each, one block each. Step 2 would need 2 + 2 blocks: request 1 pauses
    assert [s.running for s in run.history[:3]] == [(0, 1), (0,), (0,)] and run.history[1].paused == (1,)
    assert run.preemptions == 1 and run.recomputed_tokens == 2 and run.steps == 5 + 4


def slow(prompts, limits, actual, blocks, size, policy):
    """Written from the sentences of the documentation, without any helper of the room."""
    waiting, live, done, batches, pauses = list(range(len(prompts))), [], [0] * len(prompts), [], 0

    def need(i):
        tokens = prompts[i] + limits[i] if policy == "guaranteed" else prompts[i] + done[i] + 1
        return int(np.ceil(tokens / size))

    while waiting or live:
        while sum(map(need, live)) > blocks:
            waiting.insert(0, live.pop())
            pauses += 1
        while waiting and sum(map(need, live)) + need(waiting[0]) <= blocks:
            live.append(waiting.pop(0))
        batches.append(len(live))
        for i in live:
            done[i] += 1
        live = [i for i in live if done[i] < actual[i]]
    return len(batches), max(batches), pauses


@given(workloads(), st.sampled_from(["guaranteed", "max_utilization"]))
def test_against_a_second_simulation(workload, policy):
    assert capacity_schedule(*workload, policy) == slow(*workload, policy)


@given(workloads(), st.sampled_from(POLICIES))
def test_laws(workload, policy):
    prompts, _, actual, blocks, _ = workload
    run = simulate_capacity_scheduler(*workload, policy)
    ran = [i for step in run.history for i in step.running]
    assert [ran.count(i) for i in range(len(prompts))] == actual  # each token once
    assert all(step.used_blocks <= blocks for step in run.history)
    assert run.mean_batch * run.steps == pytest.approx(sum(actual))
    first = [next(t for t, s in enumerate(run.history) if i in s.running) for i in range(len(prompts))]
    assert first == sorted(first)  # first come, first served
    if policy != "MAX_UTILIZATION":
        assert run.pauses == 0 and run.recomputed_tokens == 0


@given(workloads())
def test_continuous_is_never_slower_than_static(workload):
    static, continuous = (simulate_capacity_scheduler(*workload, p) for p in ("STATIC_BATCH", "GUARANTEED_NO_EVICT"))
    assert continuous.steps <= static.steps


@settings(max_examples=30)
@given(workloads())
def test_the_policies_agree_on_an_ample_pool(workload):
    prompts, _, actual, _, size = workload
    ample = sum(-(-(p + a) // size) for p, a in zip(prompts, actual))
    runs = [simulate_capacity_scheduler(prompts, actual, actual, ample, size, p) for p in POLICIES]
    assert len({run.history for run in runs}) == 1 and runs[0].steps == max(actual)


def test_the_parts_that_a_server_calls():
    running, waiting = [Load(8, 8, 3), Load(4, 4)], [Load(4, 12), Load(1, 1)]
    assert [budget_blocks(load, 4, "GUARANTEED_NO_EVICT") for load in running] == [4, 2]
    assert [budget_blocks(load, 4, "MAX_UTILIZATION") for load in running] == [3, 2]
    assert admit_count(running, waiting, 10, 4, "GUARANTEED_NO_EVICT") == 1
    assert admit_count(running, waiting, 9, 4, "GUARANTEED_NO_EVICT") == 0  # the small one behind must wait
    assert admit_count(running, waiting, 8, 4, "MAX_UTILIZATION") == 2
    assert admit_count(running, waiting, 99, 4, "STATIC_BATCH") == 0
    assert [pause_count(running, b, 4, "MAX_UTILIZATION") for b in (5, 4, 3, 2)] == [0, 1, 1, 2]


def test_nothing_to_do():
    assert capacity_schedule([], [], [], 4, 4, "guaranteed") == (0, 0, 0)


@pytest.mark.parametrize("change, word", [
    ({"max_new": [13] * 4, "blocks": 4}, "never fit"), ({"policy": "LIFO"}, "policy"), ({"max_new": [12] * 3}, "equally long"),
    ({"actual_new": [2, 4, 13, 3]}, "actual_new"), ({"block_size": 0}, "positive"),
])
def test_bad_input(change, word):
    args = dict(zip(("prompts", "max_new", "actual_new", "blocks", "block_size"), HAND), policy="MAX_UTILIZATION")
    with pytest.raises(ValueError, match=word):
        simulate_capacity_scheduler(**args | change)


def test_an_unknown_policy_of_one_request():
    with pytest.raises(ValueError, match="policy"):
        budget_blocks(Load(1, 1), 4, "newest")
