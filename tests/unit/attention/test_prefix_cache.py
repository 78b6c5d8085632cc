"""Prefix caching: chained hashes, references, the order of eviction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.attention.block_manager import BlockAllocator, BlockManager
from utils.attention.prefix_cache import PrefixCache

TOKENS = st.lists(st.integers(0, 2), max_size=20)


@given(a=TOKENS, b=TOKENS, block_size=st.integers(1, 5))
def test_equal_hashes_mean_equal_prefixes(a, b, block_size):
    cache = PrefixCache(block_size, BlockAllocator(1))
    hashes = [cache.block_hashes(tokens) for tokens in (a, b)]
    assert [len(h) for h in hashes] == [len(a) // block_size, len(b) // block_size]
    for i, (x, y) in enumerate(zip(*hashes)):
        stop = (i + 1) * block_size
        assert (x == y) == (a[:stop] == b[:stop])


def test_tokens_do_not_run_into_each_other():
    cache = PrefixCache(2, BlockAllocator(1))
    assert cache.block_hashes([1, 23]) != cache.block_hashes([12, 3])


def test_a_prefix_is_found_shared_and_outlives_its_sequence():
    blocks = BlockManager(8, 2)
    cache = PrefixCache(2, blocks.allocator)
    text = [5, 6, 7, 8, 9]
    blocks.add("a", 5)
    assert cache.insert(text, blocks.table("a")) == 2 == len(cache)
    full = blocks.table("a")[:2]
    assert cache.match([*text[:4], 1, 1]) == full
    assert cache.match([5, 6, 0, 8]) == full[:1] and cache.match([6, 5]) == []
    blocks.free("a")
    assert blocks.num_free() == 6  # the partial tail is gone, the full blocks stay
    blocks.add("b", 4, prefix=cache.match(text))
    assert cache.evict(9) == []    # in use
    blocks.free("b")
    assert cache.evict(1) == [full[1]] and cache.match(text) == full[:1]
    assert cache.evict(9) == [full[0]] and blocks.num_free() == 8 and len(cache) == 0


def test_least_recently_used_goes_first_and_the_deepest_of_a_chain():
    blocks = BlockManager(8, 1)
    cache = PrefixCache(1, blocks.allocator)
    tables = {}
    for seq, text in (("a", [1, 2]), ("b", [3, 4])):
        blocks.add(seq, 2)
        tables[seq] = blocks.table(seq)
        cache.insert(text, tables[seq])
        blocks.free(seq)
    cache.match([1, 2])
    assert cache.evict(3) == [tables["b"][1], tables["b"][0], tables["a"][1]]


def test_a_known_prefix_keeps_its_block():
    blocks = BlockManager(8, 2)
    cache = PrefixCache(2, blocks.allocator)
    for seq in ("a", "b"):
        blocks.add(seq, 4)
    assert cache.insert([1, 2, 3, 4], blocks.table("a")) == 2
    assert cache.insert([1, 2, 3, 4], blocks.table("b")) == 0
    assert cache.match([1, 2, 3, 4]) == blocks.table("a")
    with pytest.raises(ValueError, match="block_table"):
        cache.insert([1, 2, 3, 4], [0])
