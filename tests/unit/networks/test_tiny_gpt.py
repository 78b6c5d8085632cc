"""TinyGPT: three ways to the same logits, over both caches, block sizes, forks and shared prefixes."""

import pytest
import torch

from utils.attention.kv_cache import ContiguousKVCache
from utils.attention.paged import PagedKVCache, PrefixCache
from utils.networks.tiny_gpt import TinyGPT, descriptions, greedy_cached, greedy_full, train_on_text

# float32 logits of order 1 through two layers; measured 5e-6, bound 1e-4 as for any reordering of sums
ATOL = 1e-4
PROMPT = [3, 1, 4, 1, 5, 9, 2, 6, 5]


@pytest.fixture(scope="module")
def model():
    return TinyGPT(17, n_kv_heads=2)


def paged(model, block_size, num_blocks=80):
    return PagedKVCache(model.n_layers, num_blocks, block_size, model.n_kv_heads, model.head_dim)


def contiguous(model):
    return ContiguousKVCache(model.n_layers, 4, 64, model.n_kv_heads, model.head_dim)


@pytest.mark.parametrize("block_size", [1, 3, 4, 16, None])
def test_the_cached_text_is_the_recomputed_text(model, block_size):
    cache = paged(model, block_size) if block_size else contiguous(model)
    assert greedy_cached(model, cache, "a", PROMPT, 32) == greedy_full(model, PROMPT, 32)


def test_prefill_equals_decode_token_by_token_and_forward(model):
    cache = paged(model, 4)
    for seq in ("whole", "steps", "chunks"):
        cache.add(seq)
    whole = model.prefill(cache, "whole", PROMPT)
    steps = torch.cat([model.decode(cache, ["steps"], [token]) for token in PROMPT])
    chunks = torch.cat([model.prefill(cache, "chunks", PROMPT[:5]), model.prefill(cache, "chunks", PROMPT[5:])])
    expected = model(torch.tensor(PROMPT)).detach()
    for logits in (whole, steps, chunks):
        torch.testing.assert_close(logits, expected, atol=ATOL, rtol=0)


def test_batched_decode_of_unequal_lengths(model):
    cache = paged(model, 3)
    prompts = {"a": PROMPT, "b": PROMPT[:2], "c": PROMPT[3:7]}
    for seq, ids in prompts.items():
        cache.add(seq)
        model.prefill(cache, seq, ids)
    logits = model.decode(cache, list(prompts), [7, 8, 9])
    for row, (ids, token) in zip(logits, zip(prompts.values(), [7, 8, 9])):
        torch.testing.assert_close(row, model(torch.tensor([*ids, token]))[-1].detach(), atol=ATOL, rtol=0)


def test_three_children_with_different_tokens(model):
    cache = paged(model, 4)
    cache.add(0)
    model.prefill(cache, 0, PROMPT)
    texts = {seq: list(PROMPT) for seq in range(4)}
    for child in (1, 2, 3):
        cache.fork(0, child)
    for step in range(6):
        tokens = [(3 * seq + step) % 17 for seq in texts]
        logits = model.decode(cache, list(texts), tokens)
        for (seq, text), token in zip(texts.items(), tokens):
            text.append(token)
            torch.testing.assert_close(logits[seq], model(torch.tensor(text))[-1].detach(), atol=ATOL, rtol=0)
    # the two full blocks of the prompt once, everything after them four times
    assert cache.manager.allocator.num_blocks - cache.manager.num_free() == 2 + 4 * 2


def test_a_cached_prefix_need_not_be_computed(model):
    cache = paged(model, 4)
    prefixes = PrefixCache(4, cache.manager.allocator)
    cache.add("a")
    model.prefill(cache, "a", PROMPT)
    prefixes.insert(PROMPT, cache.block_table("a"))
    cache.free("a")
    other = [*PROMPT[:8], 11, 12]
    hit = prefixes.match(other)
    cache.add("b", prefix=hit)
    logits = model.prefill(cache, "b", other[cache.length("b"):])
    assert len(hit) == 2 and len(logits) == 2
    torch.testing.assert_close(logits, model(torch.tensor(other))[8:].detach(), atol=ATOL, rtol=0)


def test_a_batch_of_texts_without_a_cache(model):
    ids = torch.tensor([PROMPT, PROMPT[::-1]])
    logits = model(ids)
    assert logits.shape == (2, 9, 17)
    torch.testing.assert_close(logits[1], model(ids[1]), atol=ATOL, rtol=0)


def test_weights_come_from_the_seed_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a, b, c = TinyGPT(5), TinyGPT(5), TinyGPT(5, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(a.head.weight, b.head.weight) and not torch.equal(a.head.weight, c.head.weight)


def test_refused(model):
    with pytest.raises(ValueError, match="multiple"):
        TinyGPT(5, n_heads=4, n_kv_heads=3)
    small = TinyGPT(5, max_len=4)
    with pytest.raises(ValueError, match="max_len"):
        small(torch.zeros(5, dtype=torch.long))
    cache = paged(model, 4, num_blocks=1)
    cache.add("a")
    with pytest.raises(MemoryError, match="out of KV blocks"):
        model.prefill(cache, "a", PROMPT)
    assert cache.length("a") == 0
    for seqs, tokens in ((["a", "a"], [1, 2]), (["a"], [1, 2])):
        with pytest.raises(ValueError, match="seqs"):
            model.decode(cache, seqs, tokens)


def test_a_little_training_learns_something():
    text = descriptions()
    assert len(text) > 10_000
    trained, alphabet, losses = train_on_text(text[:3000], steps=15, context=32, batch=16)
    assert alphabet == "".join(sorted(set(text[:3000]))) and trained.vocab == len(alphabet)
    # the letters' frequencies alone explain a nat of the first loss, ln(alphabet) or more
    assert sum(losses[-3:]) / 3 < losses[0] - 0.8
