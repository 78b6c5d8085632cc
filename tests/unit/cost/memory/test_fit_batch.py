"""The largest batch against trying every batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.memory.fit_batch import largest_batch, round_to_blocks


def by_trying(n, each, acts, budget, overhead, micro):
    best = 0
    for batch in range(micro, 400, micro):
        need = n * each + overhead
        for size in acts:
            block = 0
            while block < batch * size:
                block += 512
            need += block
        best = batch if need <= budget else best
    return best


@given(st.integers(0, 50), st.sampled_from([8, 16]), st.lists(st.integers(100, 3000), min_size=1, max_size=3),
       st.integers(0, 40_000), st.integers(0, 500), st.integers(1, 5))
def test_it_is_what_trying_finds(n, each, acts, budget, overhead, micro):
    assert largest_batch(n, each, acts, budget, overhead, micro) == by_trying(n, each, acts, budget, overhead, micro)


def test_examples_and_refusals():
    assert largest_batch(1000, 16, [300, 700], 40_000, 1_000) == 22
    assert largest_batch(1000, 16, [300, 700], 40_000, 1_000, micro=4) == 20
    assert [round_to_blocks(n) for n in (0, 1, 512, 513)] == [0, 512, 512, 1024]
    assert largest_batch(7_000_000_000, 16, [10**9], 200 * 10**9, 0) == 88  # an exact fit: 112 GB + 88 GB
    with pytest.raises(ValueError, match="micro"):
        largest_batch(1, 1, [1], 1, 1, 0)
    with pytest.raises(ValueError, match="act_bytes"):
        largest_batch(1, 1, [], 1, 1)
