"""Attention through a block table, and the cache that copies on write."""

import numpy as np
import pytest
import torch

from utils.attention.paged import PagedKVCache, paged_attention, paged_attention_batch


def test_example():
    k, v = np.full((2, 3, 2, 1, 2), np.nan)
    k[2, :, 0], k[0, 0, 0] = [[1, 0], [0, 1]], [2, 0]
    v[2, :, 0], v[0, 0, 0] = [[1, 0], [0, 1]], [1, 1]
    np.testing.assert_allclose(paged_attention(np.array([[1.0, 0]]), k, v, [2, 0], 3), [[0.8600, 0.7160]], atol=5e-5)


def test_scores_of_ten_thousand():
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((2, 4)), rng.standard_normal((3, 2, 1, 4)), rng.standard_normal((3, 2, 1, 4))
    k *= 1e4 / np.abs(np.einsum("hd,btgd->hbtg", q, k)).max() * 2
    out = paged_attention(q, k, v, [1, 0, 2], 6)
    assert np.isfinite(out).all()
    scores = np.einsum("hd,td->ht", q, k[[1, 0, 2]].reshape(6, 4))
    np.testing.assert_allclose(out, v[[1, 0, 2]].reshape(6, 4)[scores.argmax(axis=1)], atol=1e-9)  # next score far below


def test_the_table_decides_nothing_but_where():
    rng = np.random.default_rng(1)
    q, k, v = rng.standard_normal((4, 3)), rng.standard_normal((5, 2, 2, 3)), rng.standard_normal((5, 2, 2, 3))
    there = paged_attention(q, k, v, [3, 0, 4], 5)
    moved = np.roll(k, 1, axis=0), np.roll(v, 1, axis=0)
    np.testing.assert_array_equal(paged_attention(q, *moved, [4, 1, 0, 2], 5), there)  # longer than needed is fine
    # twice the same tokens weigh twice as much as once, together: the same average
    np.testing.assert_allclose(paged_attention(q, k, v, [3, 3], 4), paged_attention(q, k, v, [3], 2), atol=1e-14)


def test_refused():
    q, cache = np.zeros((4, 2)), np.zeros((3, 2, 2, 2))
    for length in (0, 5):
        with pytest.raises(ValueError, match="length"):
            paged_attention(q, cache, cache, [0, 1], length)
    with pytest.raises(ValueError, match="multiple of the 2 key heads"):
        paged_attention(q[:3], cache, cache, [0], 1)


def filled_cache(block_size, lengths, seed=0):
    g = torch.Generator().manual_seed(seed)
    cache = PagedKVCache(1, sum(-(-n // block_size) for n in lengths) + 3, block_size, 2, 4)
    cache.k.fill_(torch.nan)
    cache.v.fill_(torch.nan)
    for seq, n in enumerate(lengths):
        cache.add(seq)
        cache.reserve(seq, n)
    for seq, n in enumerate(lengths):
        cache.write(0, seq, 0, torch.randn(n, 2, 4, generator=g), torch.randn(n, 2, 4, generator=g))
    return cache, torch.randn(len(lengths), 6, 4, generator=g)


@pytest.mark.parametrize("block_size", [1, 3, 4, 16])
def test_the_batch_equals_one_by_one(block_size):
    lengths = [1, 12, 7, 30]
    cache, q = filled_cache(block_size, lengths)
    tables = [cache.block_table(s) for s in range(4)]
    batch = paged_attention_batch(q, cache.k[0], cache.v[0], tables, lengths)
    torch.testing.assert_close(batch, cache.attend(0, q, [0, 1, 2, 3]), atol=0, rtol=0)
    for seq, n in enumerate(lengths):
        single = paged_attention(q[seq].numpy(), cache.k[0].numpy(), cache.v[0].numpy(), tables[seq], n)
        # float32 against float64: sums of at most 30 terms of order 1, 30 * 6e-8
        np.testing.assert_allclose(batch[seq], single, atol=2e-6)


def test_a_fork_reads_the_parents_tokens_and_writes_its_own():
    cache, _ = filled_cache(4, [6])
    k0, v0 = (a.clone() for a in cache.read(0, 0))
    cache.fork(0, "child")
    one = torch.ones(1, 2, 4)
    copies = cache.reserve(0, 1)
    assert len(copies) == 1
    cache.write(0, 0, 6, one, one)
    assert cache.reserve("child", 1) == []
    cache.write(0, "child", 6, 2 * one, 3 * one)
    for seq, k, v in ((0, 1, 1), ("child", 2, 3)):
        mine = cache.read(0, seq)
        assert torch.equal(mine[0], torch.cat([k0, k * one])) and torch.equal(mine[1], torch.cat([v0, v * one]))
    assert cache.stats()["shared_blocks"] == 1
    cache.free(0)
    assert torch.equal(cache.read(0, "child")[0][:6], k0)


def test_guards():
    cache, _ = filled_cache(4, [6])
    one = torch.ones(1, 2, 4)
    with pytest.raises(ValueError, match="reserved"):
        cache.write(0, 0, 6, one, one)
    cache.fork(0, 1)
    with pytest.raises(ValueError, match="shared block"):
        cache.write(0, 1, 5, one, one)
    before = cache.k.clone(), cache.block_table(0)
    with pytest.raises(MemoryError, match="out of KV blocks"):
        cache.reserve(0, 40)
    assert torch.equal(cache.k.nan_to_num(), before[0].nan_to_num()) and cache.block_table(0) == before[1]
    with pytest.raises(KeyError):
        cache.length("nobody")
    assert [cache.can_hold(n) for n in ([20], [21], [17, 1], [16, 1])] == [True, False, False, True]  # 5 blocks of 4
    blocks, offsets = cache.slots(0, 3, 6)
    assert blocks.tolist() == [cache.block_table(0)[0], *[cache.block_table(0)[1]] * 2] and offsets.tolist() == [3, 0, 1]
