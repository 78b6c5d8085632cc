"""The KV pool: arithmetic of the examples, whole blocks, what more GPUs bring."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.params import LLAMA3_8B, LLAMA3_70B, decoder_params
from utils.engines.tensorrt_llm import kv_pool, kv_pool_of, kv_pool_tokens


def test_the_examples_of_the_chapter():
    # 61.94 GB · 0.9 over 4,194,304 B a block of 32 tokens = 13,290.9 blocks, and so on: by hand
    assert kv_pool_tokens(80, 8.03, 2, 2, 32, 8, 128) == 13_290 * 32 == 425_280
    assert kv_pool_tokens(80, 70, 2, 4, 80, 8, 128, tp=4) == 14_076 * 32 == 450_432
    assert kv_pool_tokens(80, 70, 2, 4, 80, 8, 128, tp=16) == 46_176 * 32 == 1_477_632


def test_of_a_published_model():
    pool = kv_pool_of(LLAMA3_8B, 80e9, 2 * decoder_params(LLAMA3_8B).total, 2e9)
    assert pool.tokens == 425_280 and pool.block_bytes == 32 * 131_072
    assert pool.pool_bytes <= 0.9 * pool.free_bytes < pool.pool_bytes + pool.block_bytes
    assert pool.as_dict()["pool_bytes"] == pool.pool_bytes


@given(st.integers(30, 200), st.integers(1, 20), st.integers(0, 6), st.sampled_from([0.5, 0.75, 1.0]),
       st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([1, 16, 32, 64]))
def test_against_exact_fractions(gpu, params, act, fraction, tp, block):
    token = Fraction(2 * 32 * max(1, 8 // tp) * 128 * 2)
    free = Fraction(gpu - act) - Fraction(2 * params, tp)
    if free < 0:
        with pytest.raises(ValueError, match="do not fit"):
            kv_pool_tokens(gpu, params, 2, act, 32, 8, 128, tp, fraction, block)
        return
    exact = Fraction(fraction) * free * 10**9 / (token * block)
    if min(exact % 1, 1 - exact % 1) > Fraction(1, 10**6):  # else float rounding may decide
        assert kv_pool_tokens(gpu, params, 2, act, 32, 8, 128, tp, fraction, block) == int(exact) * block


def test_more_gpus_bring_more_than_their_share_until_the_heads_run_out():
    tokens = [kv_pool_of(LLAMA3_70B, 80e9, 141e9, 4e9, tp=tp).tokens for tp in (2, 4, 8, 16)]
    assert tokens[1] > 2 * tokens[0] and tokens[2] > 2 * tokens[1] and tokens[3] < 1.2 * tokens[2]


def test_half_the_bytes_hold_twice_the_tokens():
    two, one = (kv_pool_tokens(80, 8, 2, 2, 32, 8, 128, block=1, kv_itemsize=size) for size in (2, 1))
    assert 0 <= one - 2 * two <= 1  # each is rounded down once


def test_nothing_left_is_an_empty_pool_and_less_is_refused():
    assert kv_pool(20, 16, 4, 1).tokens == 0
    with pytest.raises(ValueError, match="weights do not fit"):
        kv_pool(20, 16, 4.5, 1)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_a_fraction_outside_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        kv_pool_tokens(80, 8, 2, 2, 32, 8, 128, fraction=fraction)


def test_heads_that_can_not_be_shared_are_refused():
    with pytest.raises(ValueError, match="tp must divide kv_heads"):
        kv_pool_tokens(80, 8, 2, 2, 32, 8, 128, tp=3)
