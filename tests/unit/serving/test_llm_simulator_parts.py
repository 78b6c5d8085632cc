"""Parts of the simulated server: requests, the pool, what a step costs."""

import sys
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from utils.attention.hbm import attention_hbm_elements
from utils.cost.bandwidth.decode import decode_step, kv_bytes_per_token
from utils.cost.flops.llm import decoder_flops_per_token, prefill_flops
from utils.cost.params import LLAMA3_8B, matmul_params
from utils.engines.tensorrt_llm import kv_pool_tokens
from utils.moe.accounting import moe_decode_step
from utils.serving.llm_simulator import (
    SERVING_GPUS,
    Chunk,
    KvBlocks,
    RooflineCost,
    Server,
    StepWork,
    Workload,
    chunk_elements,
    make_requests,
)

# --- requests -------------------------------------------------------------------------------------


def test_means_and_spreads():
    workload = Workload(4000, rate_per_s=5, prompt_mean=300, prompt_sigma=0.5, output_mean=100, max_new=100_000)
    requests = make_requests(workload)
    prompts, outputs = (np.array([f(r) for r in requests]) for f in (lambda r: len(r.prompt), lambda r: r.output_tokens))
    gaps = np.diff([r.arrival_s for r in requests])
    # standard errors of 4,000 draws: below 2 % of the mean, and below 0.011 for a deviation of 0.5; four of them
    assert prompts.mean() == pytest.approx(300, rel=0.04) and outputs.mean() == pytest.approx(100, rel=0.06)
    assert np.log(prompts).std() == pytest.approx(0.5, abs=0.025)
    assert gaps.mean() == pytest.approx(0.2, rel=0.07) and gaps.std() == pytest.approx(0.2, rel=0.1)


def test_a_change_of_one_property_leaves_the_others():
    usual, faster, longer = (make_requests(Workload(30, **kw)) for kw in ({}, {"rate_per_s": 8}, {"output_mean": 300}))
    assert [r.prompt for r in usual] == [r.prompt for r in faster] == [r.prompt for r in longer]
    assert [r.arrival_s / 4 for r in usual] == pytest.approx([r.arrival_s for r in faster])
    assert [r.output_tokens for r in usual] == [r.output_tokens for r in faster]
    at_once, equal = make_requests(Workload(30, rate_per_s=inf)), make_requests(Workload(30, prompt_sigma=0))
    assert [r.prompt for r in at_once] == [r.prompt for r in usual] and {r.arrival_s for r in at_once} == {0}
    assert [r.output_tokens for r in equal] == [r.output_tokens for r in usual]
    assert {r.output_tokens for r in make_requests(Workload(9, output_sigma=0, output_mean=40))} == {40}


def test_a_share_of_the_requests_begins_alike():
    for share in (0.0, 0.6, 1.0):
        requests = make_requests(Workload(400, system_tokens=50, system_share=share, system_prompts=3))
        heads = [r.prompt[:50] for r in requests]
        common = [h for h in heads if heads.count(h) > 1]
        # 400 draws: four standard deviations of the share are 0.1
        assert len(common) / 400 == pytest.approx(share, abs=0.1) and len(set(common)) == (3 if share else 0)
    lengths = [[len(r.prompt) for r in make_requests(Workload(20, system_tokens=50, system_share=s))] for s in (0, 1)]
    assert lengths[0] == lengths[1]


# --- the pool -------------------------------------------------------------------------------------


class Pool(RuleBasedStateMachine):
    """Random starts, growth and ends; the counts against those made anew from the block tables."""

    BLOCKS, SIZE, RESERVE = 14, 3, False

    def __init__(self):
        super().__init__()
        self.pool = KvBlocks(self.BLOCKS, self.SIZE, prefix_caching=True, reserve_all=self.RESERVE)
        self.context, self.longest, self.prompts, self.next = {}, {}, {}, 0

    @rule(prompt=st.lists(st.integers(0, 1), min_size=1, max_size=14), more=st.integers(0, 9))
    def start(self, prompt, more):
        before = self.pool.available
        self.longest[self.next] = longest = len(prompt) + 1 + more
        cached = self.pool.admit(self.next, tuple(prompt), len(prompt), longest)
        if cached is None:
            assert self.pool.available == before
            return
        assert cached % self.SIZE == 0 and cached < len(prompt)
        table = self.pool.manager.table(self.next)
        assert len(table) * self.SIZE == self.pool.slots(self.next) > len(prompt)
        self.context[self.next], self.prompts[self.next] = len(prompt) + 1, tuple(prompt)
        self.next += 1

    @precondition(lambda self: self.context)
    @rule(data=st.data())
    def grow(self, data):
        seq = data.draw(st.sampled_from(sorted(self.context)))
        if self.context[seq] == self.longest[seq]:
            return
        if self.context[seq] == self.pool.slots(seq) and not self.pool.available:
            assert not self.RESERVE
            with pytest.raises(MemoryError):
                self.pool.grow(seq, self.context[seq] + 1)
        else:
            self.pool.grow(seq, self.context[seq] + 1)
            self.context[seq] += 1

    @precondition(lambda self: self.context)
    @rule(data=st.data(), keep=st.booleans())
    def end(self, data, keep):
        seq = data.draw(st.sampled_from(sorted(self.context)))
        if keep:
            self.pool.remember(seq, self.prompts[seq])
        self.pool.release(seq)
        del self.context[seq], self.prompts[seq]

    @invariant()
    def counts(self):
        pool, manager = self.pool, self.pool.manager
        owners = [block for seq in self.context for block in manager.table(seq)]
        assert pool.used == len(set(owners))
        assert pool.shared == sum(owners.count(block) > 1 for block in set(owners))
        assert pool.used + pool.idle + manager.num_free() == self.BLOCKS == pool.used + pool.available
        assert all(manager.allocator.ref_count(b) >= owners.count(b) for b in owners)
        assert all(len(manager.table(seq)) * self.SIZE >= n for seq, n in self.context.items())


class ReservingPool(Pool):
    RESERVE = True


TestPool, TestReservingPool = Pool.TestCase, ReservingPool.TestCase
TestPool.settings = TestReservingPool.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_a_promise_counts_what_others_may_still_need():
    pool = KvBlocks(10, 4, reserve_all=True)
    assert pool.admit("a", (1,) * 4, 4, 24) == 0  # 2 blocks now, 6 at most
    assert pool.used == 2 and pool.admit("b", (1,) * 4, 4, 20) is None
    assert pool.admit("c", (1,) * 4, 4, 16) == 0
    pool.grow("a", 24)
    pool.grow("c", 16)
    assert pool.used == 10


def test_a_block_of_many_readers_counts_once():
    pool = KvBlocks(20, 2, prefix_caching=True)
    pool.admit("a", (1, 2, 3, 4, 5), 5, 6)
    pool.remember("a", (1, 2, 3, 4, 5))
    counts = []
    for seq in "bcd":
        assert pool.admit(seq, (1, 2, 3, 4, 9), 5, 6) == 4
        counts.append((pool.used, pool.shared))
    for seq in "abc":
        pool.release(seq)
        counts.append((pool.used, pool.shared))
    assert counts == [(4, 2), (5, 2), (6, 2), (5, 2), (4, 2), (3, 0)]


def test_a_prefix_is_held_before_anything_is_evicted():
    pool = KvBlocks(4, 2, prefix_caching=True)
    pool.admit("a", (1, 2, 3, 4, 5), 5, 6)
    pool.remember("a", (1, 2, 3, 4, 5))
    pool.release("a")
    assert pool.idle == 2 and pool.used == 0
    assert pool.admit("b", (1, 2, 3, 4, 9, 9), 6, 8) == 4  # two shared, two more: all the pool
    assert pool.used == 4 and pool.available == 0


# --- the server and its steps ---------------------------------------------------------------------


def test_the_pool_is_chapter_32_s():
    server = Server(gpu="A100 80GB", block_size=32, activation_gb=2, memory_fraction=0.8)
    tokens = kv_pool_tokens(80, 8.030261248, 2, 2, 32, 8, 128, fraction=0.8)
    assert server.blocks() * 32 == tokens and Server(pool_blocks=77).blocks() == 77
    with pytest.raises(ValueError, match="weights do not fit"):
        Server(model="Llama-3-70B").blocks()
    with pytest.raises(ValueError, match="weights do not fit"):
        Server(gpu="T4", activation_gb=0, weight_bits=15.939).blocks()  # 15.9993 of 16 GB: not a block is left


@given(st.integers(1, 60), st.integers(1, 4000))
@settings(max_examples=60, deadline=None)
def test_decode_steps_are_chapter_44_s_while_memory_is_the_bound(batch, context):
    """Weights and cache are read once; below the ridge of 403 rows on an L4 the two kinds of kernels add up."""
    time = RooflineCost(Server(overhead_s=0.25))(StepWork((), batch, batch * context))
    token = kv_bytes_per_token(32, 8, 128)
    flops = decoder_flops_per_token(LLAMA3_8B, context).total
    want = decode_step(2 * matmul_params(LLAMA3_8B), token * context, batch, flops, 300, 121)
    assert want.bound == "memory" and time.host_s == 0.25
    # the weights here include norms: 266,240 of 7.5e9
    assert time.kernel_s * 1e3 == pytest.approx(want.step_ms, rel=4e-5)
    assert time.useful_flops == batch * flops


def test_experts_are_read_as_in_chapter_42():
    server = Server(model="Mixtral-8x7B", gpu="H200")
    for batch in (1, 4, 32):
        want = moe_decode_step(server.config, batch, 2, 4800, 989)
        assert RooflineCost(server)(StepWork((), batch, 0)).kernel_s * 1e3 == pytest.approx(want.memory_ms)


@given(st.integers(1, 3000))
@settings(max_examples=30, deadline=None)
def test_a_prompt_s_flops_are_chapter_12_s(n):
    cost = RooflineCost(Server())
    want = prefill_flops(LLAMA3_8B, n, "last").total
    assert cost(StepWork((Chunk(0, n),), 0, 0)).useful_flops == want
    assert cost(StepWork((Chunk(0, n, known=n),), 0, 0)).useful_flops == 0  # all of it computed again
    cut = n // 2
    if cut:
        twice = [cost(StepWork((Chunk(a, b),), 0, 0)).useful_flops for a, b in ((0, cut), (cut, n))]
        assert sum(twice) == want + decoder_flops_per_token(LLAMA3_8B, 1).head  # a head for each chunk


def test_a_long_prompt_is_bound_by_arithmetic():
    n = 2048
    time = RooflineCost(Server(gpu="H100 SXM", overhead_s=0))(StepWork((Chunk(0, n),), 0, 0))
    flops = prefill_flops(LLAMA3_8B, n, "last")
    assert time.kernel_s >= flops.total / 989e12
    assert time.kernel_s == pytest.approx(flops.total / 989e12, rel=1e-3)


def test_attention_s_traffic_is_chapter_46_s():
    for n in (1, 100, 1000, 4096):
        keys_and_values = 2 * n * 128
        want = attention_hbm_elements(n, 128, 128, 64, "standard")
        assert chunk_elements(0, n, 128, "standard") + keys_and_values == want
        want = attention_hbm_elements(n, 128, n, 64, "flash2") - n  # without the log-sum-exp, which serving drops
        assert chunk_elements(0, n, 128, "flash") + keys_and_values == want
    slow, fast = (RooflineCost(Server(gpu="A100 80GB", attention=a))(StepWork((Chunk(0, 8192),), 0, 0)).kernel_s
                  for a in ("standard", "flash"))
    assert slow > 1.3 * fast
    decode = [RooflineCost(Server(attention=a))(StepWork((), 8, 8000)).kernel_s for a in ("standard", "flash")]
    assert decode[0] == decode[1]


def test_ranks_share_the_work_and_pay_for_it():
    one, four = (RooflineCost(Server(model="Llama-3-70B", gpu="H200", tp=tp, overhead_s=0)) for tp in (2, 4))
    work = StepWork((), 16, 16_000)
    # all-reduces: 2 a layer, 2 (P - 1) / P of 16 x 8192 BF16 values over 450 GB/s one way
    paid = {tp: 2 * 80 * 2 * (tp - 1) / tp * 16 * 8192 * 2 / 450e9 for tp in (2, 4)}
    assert one(work).kernel_s - paid[2] == pytest.approx(2 * (four(work).kernel_s - paid[4]))
    no_link = RooflineCost(Server(model="Llama-3-8B", gpu="L4", tp=2, overhead_s=0))
    assert no_link(StepWork((Chunk(0, 4096),), 0, 0)).kernel_s > RooflineCost(
        Server(overhead_s=0))(StepWork((Chunk(0, 4096),), 0, 0)).kernel_s / 2


def test_ranks_share_the_scores_too():
    work = StepWork((Chunk(0, 8192),), 0, 0)
    one, two = (RooflineCost(Server(gpu="A100 80GB", tp=tp, attention="standard", overhead_s=0))(work) for tp in (1, 2))
    paid = 2 * 32 * 2 * (2 - 1) / 2 * 8192 * 4096 * 2 / 300e9
    assert one.kernel_s == pytest.approx(2 * (two.kernel_s - paid))


def test_a_server_s_sums():
    one, two = Server(), Server(tp=2)
    assert (one.peak_tflop_s, two.peak_tflop_s, Server(gpu="T4").peak_tflop_s) == (121, 242, 65)
    assert one.weight_bytes == 2 * 8_030_261_248 == 2 * Server(weight_bits=8).weight_bytes
    assert one.load_s == pytest.approx(16_060_522_496 / 6e9) and two.load_s == pytest.approx(one.load_s / 2)
    fp8 = Server(kv_bits=8)
    assert fp8.blocks() in (2 * one.blocks(), 2 * one.blocks() + 1)


def test_finished_rows_cost_time_and_are_not_useful():
    cost = RooflineCost(Server())
    alone, padded = cost(StepWork((), 1, 500)), cost(StepWork((), 1, 500, padding=7, padding_context=3500))
    assert padded.kernel_s > alone.kernel_s and padded.useful_flops == alone.useful_flops


def test_refused_servers():
    for wrong in ({"gpu": "GTX 980"}, {"attention": "sparse"}, {"tp": 3}, {"kv_bits": 0}, {"load_gb_s": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Server(**wrong)
    with pytest.raises(KeyError):
        Server(model="Llama-9")
    assert "L4" in SERVING_GPUS and "P100" not in SERVING_GPUS


def test_the_door_is_light():
    import subprocess

    code = "import sys, utils.serving.llm_simulator; print([m for m in ('torch', 'onnx', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip() == "[]"


def test_it_imports_from_packages_to_its_left_only():
    import ast
    from pathlib import Path

    import utils.serving.llm_simulator as door

    left = {"numerics", "cost", "graphs", "attention", "networks", "hardware", "moe", "compression", "engines", "serving"}
    used = [node.module.split(".") for path in Path(door.__file__).parent.glob("*.py")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module.startswith("utils.")]
    assert len(used) > 20 and {parts[1] for parts in used} <= left
