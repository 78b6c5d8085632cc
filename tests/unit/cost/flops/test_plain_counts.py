"""Plain-number counts: a list of matrix shapes gives the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.flops.plain_counts import conv_params, decoder_params, moe_params

# vocab, d, layers, heads, kv_heads, d_ff of the published configurations and their sizes
LLAMAS = [((32000, 4096, 32, 32, 32, 11008, False), 6_738_415_616), ((128256, 4096, 32, 32, 8, 14336, False), 8_030_261_248),
          ((128256, 8192, 80, 64, 8, 28672, False), 70_553_706_496), ((128256, 2048, 16, 32, 8, 8192, True), 1_235_814_400)]
dims = st.tuples(st.integers(1, 50), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 8), st.integers(1, 9))


def shapes(vocab, d, layers, heads, kv_heads, d_ff, experts=1, router=False):
    """Every matrix and vector of an untied model."""
    kv = kv_heads * (d // heads)
    block = [(d, d), (d, kv), (d, kv), (d, d), (d,), (d,), *[(d, d_ff), (d, d_ff), (d_ff, d)] * experts, *[(d, experts)] * router]
    return [(vocab, d), (vocab, d), (d,), *block * layers]


@pytest.mark.parametrize(("args", "published"), LLAMAS)
def test_published_llamas(args, published):
    assert decoder_params(*args) == published


@given(dims, st.booleans())
def test_decoder_is_the_sum_of_its_shapes(n, tied):
    vocab, layers, kv, group, head_dim, d_ff = n
    args = (vocab, kv * group * head_dim, layers, kv * group, kv, d_ff)
    everything = sum(map(math.prod, shapes(*args)))
    assert decoder_params(*args, tied) == everything - (vocab * args[1] if tied else 0)


@given(dims, st.integers(1, 5), st.integers(1, 5))
def test_moe_total_and_active_are_sums_of_shapes(n, experts, top_k):
    vocab, layers, kv, group, head_dim, d_ff = n
    args = (vocab, kv * group * head_dim, layers, kv * group, kv, d_ff)
    if top_k > experts:
        with pytest.raises(ValueError, match="top_k"):
            moe_params(*args, experts, top_k)
        return
    total, active = moe_params(*args, experts, top_k)
    assert total == sum(map(math.prod, shapes(*args, experts, True)))
    idle = shapes(*args, top_k, False)  # the router keeps all its columns
    assert active == sum(map(math.prod, idle)) + layers * args[1] * experts


def test_mixtral_and_bad_input():
    assert moe_params(32000, 4096, 32, 32, 8, 14336, 8, 2) == (46_702_792_704, 12_879_925_248)
    for experts, top_k in ((8, 0), (0, 0)):
        with pytest.raises(ValueError, match="positive"):
            moe_params(10, 8, 1, 2, 1, 4, experts, top_k)
    assert [conv_params(64, 128, 3), conv_params(32, 32, 3, 32, False), conv_params(64, 32, (3, 5))] == [73_856, 288, 30_752]
    for bad in ((30, 32, 3, 32), (32, 30, 3, 32), (0, 8, 3), (8, -8, 3), (8, 8, (3, 0)), (8, 8, 3, 0)):
        with pytest.raises(ValueError, match=r"divisible|positive"):
            conv_params(*bad)
