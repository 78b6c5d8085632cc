"""Sharded layers: their sum is the layer, a rank reads its shard only, and the ring moves what it must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.tensorrt_llm import (
    all_reduce_bytes,
    ring_all_reduce,
    shard_column,
    shard_row,
    swiglu,
    tp_attention,
    tp_mlp,
    tp_mlp_rank,
)

D, FF, T, HEADS, KV, SIZE = 12, 32, 5, 8, 2, 6


def mlp_arrays(seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((T, D)), *rng.standard_normal((2, D, FF)), rng.standard_normal((FF, D))


def attention_arrays(seed=0):
    rng = np.random.default_rng(seed)
    x, wq, wo = rng.standard_normal((T, D)), rng.standard_normal((D, HEADS * SIZE)), rng.standard_normal((HEADS * SIZE, D))
    return x, wq, *rng.standard_normal((2, D, KV * SIZE)), wo


def test_shards_are_views_that_make_the_whole():
    w = np.arange(24.0).reshape(4, 6)
    assert np.array_equal(np.concatenate(shard_column(w, 3), axis=1), w)
    assert np.array_equal(np.concatenate(shard_row(w, 2)), w)
    assert all(np.shares_memory(w, s) for s in (*shard_column(w, 2), *shard_row(w, 4)))


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
def test_mlp_on_ranks_equals_one_rank(tp):
    arrays = mlp_arrays()
    result = tp_mlp(*arrays, tp)
    # sums of 32 products of order 10 in another order: 32 · 10 · eps ≈ 7e-14
    assert np.abs(result.y - swiglu(*arrays)).max() < 1e-11
    assert np.abs(sum(result.partials) - result.y).max() < 1e-12


@pytest.mark.parametrize("tp", [2, 4, 8])
def test_attention_on_ranks_equals_one_rank(tp):
    one, many = (tp_attention(*attention_arrays(), HEADS, KV, n) for n in (1, tp))
    assert np.abs(many.y - one.y).max() < 1e-11 and len(many.partials) == tp


@given(st.integers(0, 3), st.integers(0, 99))
def test_a_rank_reads_its_own_columns_and_rows_only(rank, seed):
    x, gate, up, down = mlp_arrays(seed)
    own = np.zeros(FF, bool)
    own[rank * 8 : rank * 8 + 8] = True
    hidden = [np.where(own, gate, np.nan), np.where(own, up, np.nan), np.where(own[:, None], down, np.nan)]
    assert np.array_equal(tp_mlp_rank(x, *hidden, rank, 4), tp_mlp_rank(x, gate, up, down, rank, 4))


def test_splitting_rows_first_would_be_wrong():
    x, gate, up, down = mlp_arrays()
    halves = [slice(0, D // 2), slice(D // 2, D)]
    wrong = sum(swiglu(x[:, h], gate[h], up[h], down) for h in halves)
    assert np.abs(wrong - swiglu(x, gate, up, down)).max() > 1


@pytest.mark.parametrize("call", [
    lambda: shard_column(np.ones((4, 6)), 4), lambda: shard_row(np.ones((6, 4)), 4), lambda: tp_mlp(*mlp_arrays(), 3),
    lambda: tp_attention(*attention_arrays(), HEADS, KV, 3), lambda: tp_attention(*attention_arrays(), HEADS, 3, 2),
    lambda: shard_row(np.ones((6, 4)), 0),
])
def test_what_can_not_be_split_is_refused(call):
    with pytest.raises(ValueError):
        call()


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 99))
def test_ring_all_reduce_sums_and_counts(ranks, n, seed):
    parts = list(np.random.default_rng(seed).integers(-50, 50, (ranks, n)).astype(np.float32))
    before = [p.copy() for p in parts]
    sums, sent = ring_all_reduce(parts)
    assert all(np.array_equal(s, np.sum(before, axis=0)) for s in sums)  # small integers: exact in float32
    assert all(np.array_equal(a, b) for a, b in zip(parts, before))
    if n % ranks == 0:
        assert sent == 2 * (ranks - 1) * n // ranks * 4


def test_ring_keeps_the_shape_and_refuses_a_mixture():
    sums, _ = ring_all_reduce([np.ones((2, 3)), np.ones((2, 3))])
    assert sums[0].shape == (2, 3) and not np.shares_memory(sums[0], sums[1])
    for parts in ([], [np.ones(2), np.ones(3)]):
        with pytest.raises(ValueError, match="parts"):
            ring_all_reduce(parts)


def test_bytes_of_a_forward_pass_are_those_of_the_ring():
    tokens, d, layers, tp = 4, 16, 3, 4
    _, once = ring_all_reduce([np.zeros((tokens, d), np.float16)] * tp)
    assert all_reduce_bytes(tokens, d, layers, tp) == layers * 2 * once
    assert all_reduce_bytes(9, 8, 2, 1) == 0
    assert tp_mlp(*mlp_arrays(), 4).bytes_per_rank == 2 * 3 * T * D * 8 // 4
