"""The serving experiment: same texts from every cache, fewer steps and less waste with blocks."""

import pytest

from utils.attention.kv_cache import ContiguousKVCache
from utils.attention.paged import PagedKVCache
from utils.networks.tiny_gpt import TinyGPT, greedy_full
from utils.networks.tiny_serving import Request, chat_requests, compare_caches, serve


@pytest.fixture(scope="module")
def runs():
    return compare_caches(chat_requests(), model=TinyGPT(85, d_model=16, n_heads=2, n_kv_heads=2, n_layers=1))


def test_blocks_more_than_halve_the_steps(runs):
    assert runs["paged 16"].steps < runs["contiguous"].steps / 2
    assert runs["paged 1"].steps <= runs["paged 16"].steps <= runs["paged 64"].steps < runs["contiguous"].steps
    assert runs["paged 16"].mean_batch > 2 * runs["contiguous"].mean_batch


def test_waste_grows_with_the_block(runs):
    wastes = [runs[name].waste for name in ("paged 1", "paged 16", "paged 64", "contiguous")]
    assert wastes == sorted(wastes) and wastes[0] == 0 and wastes[-1] > 0.8


def test_only_hopeful_admission_preempts(runs):
    assert runs["paged 16, prompt only"].preemptions > 0 < runs["paged 16, prompt only"].recomputed_tokens
    assert all(run.preemptions == 0 for name, run in runs.items() if "prompt only" not in name)


def test_nobody_loses_a_token(runs):
    requests = chat_requests()
    for run in runs.values():
        assert {name: len(text) for name, text in run.written.items()} == {r.name: r.output_len for r in requests}
        # prefill writes the first token of each request, and one more after each preemption
        assert round(run.mean_batch * run.steps) == sum(r.output_len - 1 for r in requests) - run.preemptions


def test_every_cache_writes_what_full_recomputation_writes():
    model = TinyGPT(85, d_model=16, n_heads=2, n_kv_heads=1, n_layers=1)
    requests = chat_requests(8, seed=1)
    expected = {r.name: greedy_full(model, r.prompt, r.output_len) for r in requests}
    slabs = ContiguousKVCache(1, 2, 384, 1, 8)
    blocks = PagedKVCache(1, 48, 4, 1, 8)
    for cache, admission in ((slabs, "final"), (blocks, "final"), (blocks, "prompt")):
        assert serve(model, cache, requests, admission).written == expected
    assert blocks.manager.num_free() == 48 and not requests[0].written


def test_requests_repeat_and_respect_the_limit():
    assert chat_requests(9, seed=3) == chat_requests(9, seed=3)
    assert all(r.final_len < 40 and r.prompt for r in chat_requests(50, prompt_mean=30, output_mean=30, max_len=40))


def test_edges():
    model = TinyGPT(85, d_model=16, n_heads=2, n_kv_heads=2, n_layers=1)
    one = serve(model, PagedKVCache(1, 4, 4, 2, 8), [Request(0, [1, 2], 1)])
    assert (one.steps, len(one.written[0]), one.waste) == (0, 1, 0.0)
    assert one.as_dict()["preemptions"] == 0
    with pytest.raises(MemoryError, match="longer than the whole cache"):
        serve(model, PagedKVCache(1, 1, 4, 2, 8), [Request(0, [1, 2], 9)])
    with pytest.raises(ValueError, match="admission"):
        serve(model, PagedKVCache(1, 1, 4, 2, 8), [], "all")
