"""The token trie against a brute-force longest common prefix, and against a dictionary of whole prefixes."""

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.llm_serving import RadixCache, radix_cache_hits

REQUESTS = st.lists(st.lists(st.integers(0, 2), max_size=7), max_size=25)  # three tokens, so that prefixes are shared


def by_prefixes(requests, capacity):
    """The rule read literally: a cached token is the tuple of all tokens up to it; leaves are found by looking."""
    used, hits = {}, []
    for now, tokens in enumerate(requests):
        prefixes = [tuple(tokens[:n]) for n in range(1, len(tokens) + 1)]
        hit = next((n for n, p in enumerate(prefixes) if p not in used), len(prefixes))
        hits.append(hit)
        used |= dict.fromkeys(prefixes[:hit], now)
        for prefix in prefixes[hit:]:
            if len(used) >= capacity:
                inner = {p[:-1] for p in used}
                leaves = [p for p in used if p not in inner and used[p] < now]
                if not leaves:
                    break
                del used[min(leaves, key=used.get)]
            used[prefix] = now
    return hits, len(used)


@given(REQUESTS)
def test_without_eviction_it_is_the_longest_common_prefix(requests):
    def common(a, b):
        return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(a, b))))

    wanted = [max((common(tokens, earlier) for earlier in requests[:i]), default=0) for i, tokens in enumerate(requests)]
    assert radix_cache_hits(requests, 10_000) == wanted


@given(REQUESTS, st.integers(0, 12))
def test_with_eviction_it_follows_the_rule(requests, capacity):
    cache, hits = RadixCache(capacity), []
    for tokens in requests:
        before = cache.match(tokens)
        hits.append(cache.match_and_insert(tokens))
        assert hits[-1] == before and len(cache) <= capacity
        if len(tokens) <= capacity:
            assert cache.match(tokens) == len(tokens)  # room for a whole request is always found
    assert (hits, len(cache)) == by_prefixes(requests, capacity)


def test_a_shared_system_prompt_is_stored_once():
    system = list(range(100, 150))
    cache = RadixCache(1000)
    assert [cache.match_and_insert([*system, i]) for i in range(20)] == [0] + [50] * 19
    assert len(cache) == 50 + 20 and cache.evicted == 0


def test_repeating_one_prompt_keeps_the_heap_small():
    cache = RadixCache(10)
    for _ in range(1000):
        cache.match_and_insert([1, 2, 3])
    assert len(cache._leaves) <= 2 * 3 + 17


def test_edges():
    assert radix_cache_hits([[], [1], [], [1]], 5) == [0, 0, 0, 1]
    assert radix_cache_hits([[1, 2], [1, 2]], 0) == [0, 0]
    assert radix_cache_hits([[1, 2, 3], [1, 2, 3]], 2) == [0, 2]
    with pytest.raises(ValueError, match="capacity_tokens"):
        RadixCache(-1)
