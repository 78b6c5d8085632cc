"""Waste by enumeration, sharing by lineage."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.attention.paged import PagedKVCache
from utils.attention.paging_waste import beam_sharing, kv_waste, random_beam_parents


def test_waste_examples():
    assert kv_waste(10, 6, 4) == 0.09
    # mean lengths of the paper's traces (Kwon et al. 2023, Fig. 11): Alpaca 19 + 58, ShareGPT 161 + 338
    rounded = [round(kv_waste(*lengths, b), 6) for lengths in ((19, 58), (161, 338)) for b in (16, 128)]
    assert rounded == [0.136585, 0.625, 0.022389, 0.156386]


@given(p=st.integers(1, 60), o=st.integers(0, 60), b=st.integers(1, 40))
def test_waste_by_enumeration(p, o, b):
    lengths = range(p, p + o + 1)
    held = sum(ceil(n / b) * b for n in lengths)
    assert kv_waste(p, o, b) == (held - sum(lengths)) / held
    assert kv_waste(p, o, 1) == 0


def test_larger_blocks_waste_more_on_average():
    means = [np.mean([kv_waste(p, 50, b) for p in range(1, 101)]) for b in (1, 4, 16, 64)]
    assert means == sorted(means)


@pytest.mark.parametrize("bad", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_waste_refuses(bad):
    with pytest.raises(ValueError):
        kv_waste(*bad)


def test_sharing_examples():
    assert beam_sharing(3, [[0, 0], [0, 0], [0, 1], [1, 1], [0, 1]], 2) == ([3, 4, 4, 5, 5], 0.34375)
    assert beam_sharing(3, [[0, 1]] * 5, 2) == ([3, 5, 5, 7, 7], 0.15625)


def by_lineage(prompt_len, parents, block_size):
    """Distinct blocks without an allocator: a full block belongs to whoever was the ancestor when it filled up."""
    n = len(parents[0])
    histories = [()] * n  # the beams that a beam's tokens were written by
    counts = []
    for row in parents:
        histories = [(*histories[parent], beam) for beam, parent in enumerate(row)]
        length = prompt_len + len(histories[0])
        blocks = set()
        for history in histories:
            for block in range(ceil(length / block_size)):
                last = min((block + 1) * block_size, length) - prompt_len  # tokens written when the block was last written
                blocks.add((block, history[:last] if last > 0 else ()))
        counts.append(len(blocks))
    logical = sum(n * ceil((prompt_len + t) / block_size) for t in range(1, len(parents) + 1))
    return counts, 1 - sum(counts) / logical


def by_cache(prompt_len, parents, block_size):
    """The same replay on tensors."""
    n, cache = len(parents[0]), PagedKVCache(1, 200, block_size, 1, 1)
    cache.add((-1, 0))
    cache.reserve((-1, 0), prompt_len)
    for beam in range(1, n):
        cache.fork((-1, 0), (-1, beam))
    counts = []
    for t, row in enumerate(parents):
        for beam, parent in enumerate(row):
            cache.fork((t - 1, parent), (t, beam))
        for beam in range(n):
            cache.free((t - 1, beam))
        for beam in range(n):
            cache.reserve((t, beam), 1)
        counts.append(len({b for beam in range(n) for b in cache.block_table((t, beam))}))
    return counts


@given(p=st.integers(1, 9), b=st.integers(1, 6), n=st.integers(1, 5), steps=st.integers(1, 12), seed=st.integers(0, 999))
def test_replay_equals_lineage_and_the_real_cache(p, b, n, steps, seed):
    parents = random_beam_parents(n, steps, np.random.default_rng(seed))
    physical, saving = beam_sharing(p, parents, b)
    assert (physical, saving) == by_lineage(p, parents, b)
    assert physical == by_cache(p, parents, b)
    assert saving == 0 if n == 1 else 0 <= saving < 1


def test_beam_search_shares_more_than_parallel_sampling():
    # n = 2 ... 6 and B = 16 at the traces' mean lengths; the published ranges are beam 37.6-55.2 % and parallel
    # 6.1-9.8 % (Alpaca), 44.3-66.3 % and 16.2-30.5 % (ShareGPT), Kwon et al. 2023, section 6.3
    for (p, o), beams, parallels in (((19, 58), (0.33, 0.59), (0.14, 0.24)), ((161, 338), (0.47, 0.79), (0.23, 0.40))):
        for n in (2, 4, 6):
            beam = beam_sharing(p, random_beam_parents(n, o, np.random.default_rng(n)), 16)[1]
            parallel = beam_sharing(p, [list(range(n))] * o, 16)[1]
            assert beams[0] < beam < beams[1] and parallels[0] < parallel < parallels[1]


def test_parallel_sampling_in_closed_form():
    # full blocks of the prompt once, everything else n times: 100 + 60 tokens, 4 samples, B = 16 -> 22, not 40
    physical, _ = beam_sharing(100, [[0, 1, 2, 3]] * 60, 16)
    assert physical[-1] == 100 // 16 + 4 * (ceil(160 / 16) - 100 // 16) == 22


@pytest.mark.parametrize("bad", [[], [[]], [[0, 2]], [[0, -1]], [[0, 1], [0]]])
def test_sharing_refuses(bad):
    with pytest.raises(ValueError, match="parents"):
        beam_sharing(3, bad, 2)
