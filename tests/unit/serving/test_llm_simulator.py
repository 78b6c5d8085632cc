"""The simulated server against the reference functions of chapters 21, 30, 32 and 45, and against laws."""

import dataclasses
from math import ceil, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.llm_serving import RadixCache, simulate_serving
from utils.engines.tensorrt_llm import simulate_capacity_scheduler
from utils.serving.batching import batcher_schedule
from utils.serving.llm_simulator import (
    ConstantCost,
    Policy,
    Request,
    Server,
    StepTime,
    Workload,
    make_requests,
    simulate_llm_serving,
    simulate_requests,
)
from utils.serving.llm_simulator.kv_blocks import KvBlocks
from utils.serving.llm_simulator.simulate import _Run
from utils.serving.model_cache import keep_alive_cost
from utils.serving.queueing import mean_in_flight

EIGHTHS = st.integers(0, 80).map(lambda n: n / 8)  # exact in binary, so that ties at a step's end stay ties
TRACES = st.lists(st.tuples(EIGHTHS, st.integers(1, 12)), min_size=1, max_size=20).map(sorted)


def short(arrival, output, max_new=None, prompt=(7,)):
    return Request(arrival, tuple(prompt), output, output if max_new is None else max_new)


def served(trace, policy, cost, blocks=10_000, block_size=4):
    return simulate_requests([short(*r) for r in trace], policy, cost, blocks, block_size)


# --- the sub-cases that chapters answer themselves ------------------------------------------------


@given(TRACES, st.integers(1, 6), EIGHTHS.filter(bool), EIGHTHS, st.sampled_from(["static", "continuous"]))
@settings(max_examples=150, deadline=None)
def test_constant_step_costs_are_chapter_30(trace, max_batch, base, per_seq, batching):
    run = served(trace, Policy(batching, max_batch=max_batch), ConstantCost(base, per_seq))
    want = simulate_serving(trace, max_batch, base, per_seq, batching)
    assert tuple(r.ttft_s for r in run.requests) == want.ttft_s
    assert tuple(r.latency_s for r in run.requests) == want.latency_s
    assert len(run.series) == want.steps and run.series.end_s[-1] == want.makespan_s
    assert run.series.running.tolist() == [sum(s is not None for s in step.slots) for step in want.timeline]


LENGTHS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 10), st.integers(0, 6)), min_size=1, max_size=14)


@given(LENGTHS, st.integers(1, 5), st.integers(0, 12))
@settings(max_examples=200, deadline=None)
def test_a_step_a_token_is_chapter_32(lengths, block_size, spare):
    prompts, actual, more = zip(*lengths)
    max_new = [a + m for a, m in zip(actual, more)]
    blocks = max(ceil((p + m) / block_size) for p, m in zip(prompts, max_new)) + spare
    requests = [Request(0.0, (7,) * p, a, m) for p, a, m in zip(prompts, actual, max_new)]
    for capacity in ("MAX_UTILIZATION", "GUARANTEED_NO_EVICT"):
        policy = Policy(capacity=capacity, max_batch=len(requests))
        run = simulate_requests(requests, policy, ConstantCost(1.0), blocks, block_size)
        want = simulate_capacity_scheduler(prompts, max_new, actual, blocks, block_size, capacity)
        series = run.series
        assert series.running.tolist() == [len(step.running) for step in want.history]
        assert series.waiting.tolist() == [step.waiting for step in want.history]
        assert series.preempted.tolist() == [len(step.paused) for step in want.history]
        assert series.blocks_used.tolist() == [step.used_blocks for step in want.history]
        assert (run.totals.preemptions, run.totals.mean_batch) == (want.pauses, pytest.approx(want.mean_batch))
        # chapter 32 counts the whole context; its last token had no keys and values before the pause either
        assert run.totals.recomputed_tokens == want.recomputed_tokens - want.pauses
        assert capacity == "MAX_UTILIZATION" or not want.pauses
    static = simulate_requests(requests, Policy("static", max_batch=len(requests)), ConstantCost(1.0), blocks,
                               block_size)
    assert len(static.series) == simulate_capacity_scheduler(prompts, max_new, actual, blocks, block_size,
                                                             "STATIC_BATCH").steps


@given(TRACES, st.integers(1, 5), EIGHTHS, EIGHTHS.filter(bool), EIGHTHS)
@settings(max_examples=100, deadline=None)
def test_answers_of_one_token_are_chapter_21(trace, max_batch, delay, base, per_seq):
    """One step a batch, so that its time is the batch's service time."""
    run = served([(a, 1) for a, _ in trace], Policy("dynamic", max_batch=max_batch, max_delay_s=delay),
                 ConstantCost(base, per_seq))
    want = batcher_schedule([a for a, _ in trace], max_batch, delay, lambda n: base + per_seq * n)
    assert list(zip(run.series.start_s, run.series.running, run.series.end_s)) == want


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=16), min_size=1, max_size=12), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_one_after_another_the_hits_are_the_radix_cache_s(prompts, block_size):
    """With room for all, block hashes find what a token trie finds, cut to full blocks; a token stays to compute."""
    trie = RadixCache(10**6)
    requests = [Request(10.0 * i, tuple(p), 1, 1) for i, p in enumerate(prompts)]
    run = simulate_requests(requests, Policy(prefix_caching=True), ConstantCost(1.0), 1000, block_size)
    for prompt, result in zip(prompts, run.requests):
        found = min(trie.match_and_insert(prompt), len(prompt) - 1)
        assert result.cached_tokens == found // block_size * block_size


@given(TRACES, EIGHTHS)
@settings(max_examples=60, deadline=None)
def test_reloads_are_those_that_chapter_47_pays_for(trace, keep):
    """Loading takes no time here, so that the gaps are those between the steps; a gap of the timeout keeps them."""
    run = served(trace, Policy(keep_alive_s=keep), ConstantCost(0.5))
    gaps = run.series.start_s[1:] - run.series.end_s[:-1]
    assert run.totals.loads == keep_alive_cost(gaps.tolist(), keep, hold_cost=0, reload_cost=1)


def test_a_cold_start_waits_for_the_weights():
    run = simulate_requests([short(0, 1), short(10, 1), short(12, 1)], Policy(keep_alive_s=3), ConstantCost(1.0), 9, 4,
                            load_s=5)
    assert [r.ttft_s for r in run.requests] == [1, 6, 4] and run.totals.loads == 1


# --- laws -----------------------------------------------------------------------------------------

WORKLOADS = st.builds(
    Workload, requests=st.integers(1, 25), rate_per_s=st.sampled_from([0.5, 5.0, inf]), prompt_mean=st.just(40),
    output_mean=st.just(12), max_new=st.just(40), system_tokens=st.sampled_from([0, 24]),
    system_share=st.sampled_from([0.0, 0.7]))
POLICIES = st.builds(
    Policy, st.sampled_from(["static", "dynamic", "continuous"]),
    st.sampled_from(["MAX_UTILIZATION", "GUARANTEED_NO_EVICT"]), st.integers(1, 9), st.sampled_from([0.0, 0.3]),
    st.sampled_from([None, 16]), st.booleans())


def longest_blocks(requests, block_size):
    return max(ceil((len(r.prompt) + r.max_new) / block_size) for r in requests)


@given(WORKLOADS, POLICIES, st.integers(0, 40), st.integers(0, 5))
@settings(max_examples=120, deadline=None)
def test_conservation(workload, policy, spare, seed):
    requests = make_requests(workload, seed)
    blocks = longest_blocks(requests, 8) + spare
    works = []

    def cost(work):
        works.append(work)
        return ConstantCost(0.02, 0.001)(work)

    run = simulate_requests(requests, policy, cost, blocks, 8)
    series = run.series
    assert series.tokens.sum() == sum(r.output_tokens for r in requests)  # each once
    computed = series.prompt_tokens.sum() - run.totals.recomputed_tokens
    missing = sum(r.prompt_tokens - r.cached_tokens for r in run.requests)
    # a restarted request computes its last token as part of its context; a prefix may be gone or new by then
    assert computed == missing if not run.totals.preemptions else computed >= 0
    assert (series.blocks_used + series.blocks_idle <= blocks).all() and (series.blocks_shared <= series.blocks_used).all()
    assert (series.start_s[1:] >= series.end_s[:-1]).all() and series.running.max() <= policy.max_batch
    assert sum(r.preemptions for r in run.requests) == series.preempted.sum() == run.totals.preemptions
    if policy.reserves_all:
        assert not run.totals.preemptions
    if policy.chunk_tokens:
        assert all(sum(c.stop - c.start for c in w.chunks) + w.decodes <= policy.chunk_tokens for w in works)
    else:  # then a prompt is computed in one piece, whatever the prefix cache has left of it
        assert all(c.stop > c.start and (c.start == 0 or policy.prefix_caching) for w in works for c in w.chunks)
    assert all(len(w.chunks) + w.decodes + w.padding <= n for w, n in zip(works, series.running))
    for request, result in zip(requests, run.requests):
        assert result.segments[0].start_s == request.arrival_s
        assert all(a.end_s == b.start_s for a, b in zip(result.segments, result.segments[1:]))
        assert result.segments[-1].end_s == pytest.approx(request.arrival_s + result.latency_s)
        assert 0 < result.ttft_s <= result.latency_s + 1e-9


@given(WORKLOADS, POLICIES, st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_every_block_comes_back(workload, policy, spare):
    requests = make_requests(workload)
    blocks = longest_blocks(requests, 8) + spare
    pool = KvBlocks(blocks, 8, prefix_caching=policy.prefix_caching, reserve_all=policy.reserves_all)
    run = _Run(requests, policy, ConstantCost(0.02, 0.001), pool, 0)
    while run.coming or run.waiting or run.running:
        run.step()
    assert pool.used == pool.shared == 0 and not pool.manager.sequences()
    if pool.cache is not None:
        pool.cache.evict(blocks)
    assert pool.manager.num_free() == blocks and pool.idle == 0


@pytest.mark.parametrize("batching", ["static", "dynamic", "continuous"])
def test_little_s_law(batching):
    run = simulate_llm_serving(Workload(60), Server(policy=Policy(batching, max_batch=16, max_delay_s=0.5)))
    arrivals = [r.arrival_s for r in run.requests]
    ends = [r.arrival_s + r.latency_s for r in run.requests]
    seen = mean_in_flight(arrivals, ends)  # the area under the step function of who is there
    mean_latency = np.mean([r.latency_s for r in run.requests])
    assert seen == pytest.approx(run.totals.requests_per_s * mean_latency)
    # and the simulation's own counts: at the start of a step, whoever has come and not gone is in it or waits
    series = run.series
    # (ends are arrival + latency, hence the rounding)
    there = [sum(a <= t and e > t + 1e-9 for a, e in zip(arrivals, ends)) for t in series.start_s]
    assert there == (series.running + series.waiting).tolist()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_static_never_ends_before_continuous(outputs, max_batch):
    """All there at 0 and equal steps: whoever is next starts no later when a slot is refilled at once."""
    trace = [(0.0, n) for n in outputs]
    cost = ConstantCost(1.0)
    static = served(trace, Policy("static", max_batch=max_batch), cost)
    continuous = served(trace, Policy(max_batch=max_batch), cost)
    assert max(ceil(sum(outputs) / max_batch), max(outputs)) <= continuous.totals.makespan_s
    assert continuous.totals.makespan_s <= static.totals.makespan_s
    assert all(c.ttft_s <= s.ttft_s for c, s in zip(continuous.requests, static.requests))


@given(LENGTHS, st.sampled_from([2, 4]))
@settings(max_examples=50, deadline=None)
def test_steps_twice_as_long_double_every_time(lengths, factor):
    requests = [Request(0.0, tuple(range(i, i + p)), o, o) for i, (p, o, _) in enumerate(lengths)]
    runs = [simulate_requests(requests, Policy(max_batch=4), ConstantCost(0.5 * f, 0.25 * f), 40, 4) for f in (1, factor)]
    assert [factor * r.latency_s for r in runs[0].requests] == [r.latency_s for r in runs[1].requests]
    assert runs[0].totals.preemptions == runs[1].totals.preemptions


def test_more_load_more_memory_better_hardware():
    """Directions that hold on these traces, and that a learner would be told wrong if they did not."""
    base, server = Workload(80, rate_per_s=1.0), Server()

    def totals(workload=base, server=server, **policy):
        server = dataclasses.replace(server, policy=dataclasses.replace(server.policy, **policy))
        return simulate_llm_serving(workload, server).totals

    usual = totals()
    faster = totals(dataclasses.replace(base, rate_per_s=4.0))
    assert faster.ttft_p50_s > usual.ttft_p50_s and faster.tokens_per_s > usual.tokens_per_s
    assert faster.mfu > usual.mfu
    assert totals(server=Server(gpu="H100 SXM")).tpot_p50_s < usual.tpot_p50_s / 5
    busy = dataclasses.replace(base, rate_per_s=4.0)
    tight, ample = (totals(busy, Server(pool_blocks=n)) for n in (250, 3000))
    assert tight.preemptions > ample.preemptions == 0 and tight.ttft_p99_s > ample.ttft_p99_s
    shared = dataclasses.replace(base, system_tokens=512, system_share=0.9)
    with_cache, without = totals(shared, prefix_caching=True), totals(shared)
    assert with_cache.cache_hit_share > 0.3 > without.cache_hit_share == 0
    assert with_cache.ttft_p50_s < without.ttft_p50_s and with_cache.peak_blocks < without.peak_blocks


def test_a_chunk_limit_shortens_the_longest_pause():
    workload = Workload(60, rate_per_s=1.0, prompt_mean=3000)
    whole, cut = (simulate_llm_serving(workload, Server(gpu="A100 80GB", policy=Policy(chunk_tokens=c))).totals
                  for c in (None, 512))
    assert cut.stall_p99_s < whole.stall_p99_s / 2 and cut.ttft_p50_s > whole.ttft_p50_s


# --- results --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_run():
    workload, server = Workload(40), Server()
    first, again, other = (simulate_llm_serving(workload, server, seed) for seed in (3, 3, 4))
    assert first.requests == again.requests and first.totals == again.totals != other.totals
    assert all(np.array_equal(a, b) for a, b in zip(dataclasses.astuple(first.series), dataclasses.astuple(again.series)))


def test_goodput_counts_who_meets_both():
    # FIFO, 1 s a token: first tokens after 1, 3, 3 s; two of them have one token only
    run = served([(0, 2), (0, 1), (1, 1)], Policy(max_batch=1), ConstantCost(1.0))
    assert [r.ttft_s for r in run.requests] == [1, 3, 3] and [r.tpot_s for r in run.requests] == [1, None, None]
    assert run.totals.makespan_s == 4
    assert run.goodput_per_s(3, 1) == 3 / 4 and run.goodput_per_s(3, 0.5) == 2 / 4 and run.goodput_per_s(1, 1) == 1 / 4


def test_totals_of_a_run_by_hand():
    run = served([(0, 3), (10, 1)], Policy(), ConstantCost(2.0))
    t = run.totals
    assert (t.makespan_s, t.tokens_per_s, t.steps, t.mean_batch) == (12, 4 / 12, 4, 1)
    assert t.gpu_util == pytest.approx(8 / 12) and t.mfu is None  # no kernel from 6 to 10 s
    assert (t.ttft_p50_s, t.tpot_p50_s, t.stall_p99_s, t.latency_p99_s) == (2, 2, 2, 6)
    assert t.as_dict()["requests"] == 2


def test_the_host_s_time_is_no_kernel_s():
    """Four steps of 0.25 s host and 0.75 s kernel with 6 FLOPs each, of 5 s in all; the peak is 12 FLOP/s."""
    run = simulate_requests([short(0, 3), short(4, 1)], Policy(), lambda work: StepTime(0.25, 0.75, 6.0), 9, 4,
                            peak_flop_s=12.0)
    assert run.totals.makespan_s == 5 and run.totals.gpu_util == pytest.approx(3 / 5)
    assert run.totals.mfu == pytest.approx(24 / 60) and run.series.kernel_start_s.tolist() == [0.25, 1.25, 2.25, 4.25]


def test_times_per_token_leave_out_answers_of_one_token():
    run = served([(0, 1), (0, 1), (0, 5)], Policy(), ConstantCost(1e-3))
    assert run.totals.tpot_p50_s == run.totals.tpot_p99_s == pytest.approx(1e-3)
    assert served([(0, 1)], Policy(), ConstantCost(1e-3)).totals.tpot_p50_s == 0


def test_refusals():
    cost = ConstantCost(1.0)
    with pytest.raises(ValueError, match="can never fit"):
        simulate_requests([short(0, 1, 40)], Policy(), cost, 10, 4)
    with pytest.raises(ValueError, match="sorted"):
        served([(1, 1), (0, 1)], Policy(), cost)
    with pytest.raises(ValueError, match="not be empty"):
        simulate_requests([], Policy(), cost, 10, 4)
    with pytest.raises(ValueError, match="output_tokens"):
        simulate_requests([short(0, 3, 2)], Policy(), cost, 10, 4)
    for wrong in ({"batching": "magic"}, {"capacity": "all"}, {"max_batch": 0}, {"chunk_tokens": 64},
                  {"max_delay_s": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Policy(**wrong)
    with pytest.raises(ValueError, match="system_share"):
        Workload(system_share=1.5)
