"""Size of the cache, slabs, padded attention, the two phases of a request."""

import pytest
import torch

from utils.attention.kv_cache import ContiguousKVCache, attend_padded, kv_bytes_per_token, request_phases_ms
from utils.attention.paged import PagedKVCache


def test_published_sizes():
    # OPT-13B: 40 layers, 40 heads of 128, FP16; 2048 tokens are "1.7 GB" (vLLM blog, 2023-06-20)
    assert kv_bytes_per_token(40, 40, 128) == 819_200
    assert round(kv_bytes_per_token(40, 40, 128) * 2048 / 1e9, 2) == 1.68
    assert kv_bytes_per_token(32, 8, 128) == 131_072  # Llama-3-8B, grouped queries
    with pytest.raises(ValueError, match="must be positive"):
        kv_bytes_per_token(0, 8, 128)


def test_slabs():
    cache = ContiguousKVCache(2, 2, 5, 1, 3)
    cache.add("a")
    cache.add("b")
    with pytest.raises(MemoryError, match="slab"):
        cache.add("c")
    with pytest.raises(ValueError, match="duplicate"):
        cache.add("a")
    assert cache.reserve("a", 5) == []
    with pytest.raises(MemoryError, match="6 needed"):
        cache.reserve("a", 1)
    assert cache.length("a") == 5 and cache.stats() == {"live_tokens": 5, "held_slots": 10, "shared_blocks": 0, "waste": 0.5}
    cache.free("b")
    cache.add("c")
    with pytest.raises(KeyError):
        cache.length("b")
    assert [cache.can_hold(n) for n in ([5, 5], [6], [1, 1, 1], [])] == [True, False, False, True]
    with pytest.raises(ValueError, match="reserved"):
        cache.write(0, "c", 0, torch.zeros(1, 1, 3), torch.zeros(1, 1, 3))
    assert ContiguousKVCache(1, 1, 1, 1, 1).stats()["waste"] == 0.0


def caches():
    return ContiguousKVCache(2, 3, 9, 2, 4), PagedKVCache(2, 8, 4, 2, 4)


def test_both_caches_give_back_what_was_written():
    g = torch.Generator().manual_seed(0)
    k, v = torch.randn(2, 2, 7, 2, 4, generator=g)  # (layer, token, head, feature)
    q = torch.randn(2, 4, 4, generator=g)
    read, attended = [], []
    for cache in caches():
        for seq, n in (("a", 7), ("b", 3)):
            cache.add(seq)
            cache.reserve(seq, n)
            for layer in range(2):
                cache.write(layer, seq, 2, k[layer, 2:n], v[layer, 2:n])
                cache.write(layer, seq, 0, k[layer, :2], v[layer, :2])
            assert all(torch.equal(mine, given) for mine, given in zip(cache.read(1, seq), (k[1, :n], v[1, :n])))
        read.append(cache.read(0, "a"))
        attended.append(cache.attend(1, q, ["b", "a"]))
    assert all(torch.equal(a, b) for a, b in zip(*read))
    # padding differs (7 against 8 slots), so sums may be taken in another order: float32, 7 terms of order 1
    torch.testing.assert_close(*attended, atol=1e-6, rtol=0)


def test_padding_may_hold_anything():
    g = torch.Generator().manual_seed(1)
    q, k, v = torch.randn(2, 4, 3, generator=g), torch.randn(2, 6, 2, 3, generator=g), torch.randn(2, 6, 2, 3, generator=g)
    clean = attend_padded(q, k, v, [4, 6])
    for garbage in (1e9, torch.nan, torch.inf):
        k[0, 4:], v[0, 4:] = garbage, garbage
        torch.testing.assert_close(attend_padded(q, k, v, [4, 6]), clean, atol=0, rtol=0)


def test_groups_of_query_heads_are_contiguous():
    k, v = torch.zeros(1, 1, 2, 1), torch.tensor([[[[1.0], [2.0]]]])
    assert attend_padded(torch.zeros(1, 6, 1), k, v, [1]).flatten().tolist() == [1, 1, 1, 2, 2, 2]


def test_phases():
    # Llama-3-8B in BF16 on an H100 SXM: 4.48 ms a step for the weights alone, ridge at 295 tokens
    args = (15.0e9, 131_072, 15.0e9, 3350, 989)
    short = request_phases_ms(100, 1, *args)
    assert short["decode_ms"] == 0 and short["prefill_ms"] == pytest.approx((15.0e9 + 131_072 * 100) / 3350e6)
    assert request_phases_ms(1000, 1, *args)["prefill_ms"] == pytest.approx(1000 * 15.0e9 / 989e9)
    # one more token costs one more pass over weights and cache
    gain = request_phases_ms(100, 12, *args)["decode_ms"] - request_phases_ms(100, 11, *args)["decode_ms"]
    assert gain == pytest.approx((15.0e9 + 131_072 * 111) / 3350e6)
    # which phase dominates depends on the request
    chat, document = request_phases_ms(161, 338, *args), request_phases_ms(30_000, 50, *args)
    assert chat["decode_ms"] > 100 * chat["prefill_ms"] and document["prefill_ms"] > document["decode_ms"]
    with pytest.raises(ValueError, match="positive"):
        request_phases_ms(0, 1, *args)
