"""Layers that hold no convolution: what a freshly built torch module says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from utils.cost.params import (
    Count,
    batchnorm2d_count,
    count_module,
    embedding_params,
    layernorm_params,
    lstm_params,
    mlp_params,
    rmsnorm_params,
    width_for_budget,
)

small = st.integers(1, 9)


def numel(module):
    return sum(p.numel() for p in module.parameters())


@given(a=small, b=small, bias=st.booleans())
@settings(max_examples=25, deadline=None)
def test_layers_are_torchs(a, b, bias):
    assert embedding_params(a, b) == numel(nn.Embedding(a, b))
    assert layernorm_params(a, bias) == numel(nn.LayerNorm(a, bias=bias))
    assert rmsnorm_params(a) == numel(nn.RMSNorm(a))
    assert lstm_params(a, b, bias) == numel(nn.LSTM(a, b, bias=bias))
    plain = nn.Sequential(nn.Linear(a, b, bias), nn.Linear(b, a, bias))
    assert mlp_params(a, b, gated=False, bias=bias) == numel(plain)
    assert mlp_params(a, b, gated=True, bias=bias) == numel(plain) + numel(nn.Linear(a, b, bias))


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("track", [False, True])
@pytest.mark.parametrize("c", [1, 7])
def test_batch_norm_is_torchs(c, affine, track):
    layer = nn.BatchNorm2d(c, affine=affine, track_running_stats=track)
    counted, ours = count_module(layer), batchnorm2d_count(c, affine, track)
    assert (ours.trainable, ours.buffers) == (counted.trainable, counted.buffers)
    assert ours.stored == sum(v.numel() for v in layer.state_dict().values())


@given(st.tuples(*[st.integers(0, 100)] * 4))
def test_counts_add_like_pairs(n):
    assert Count(n[0], n[1]) + Count(n[2], n[3]) == Count(n[0] + n[2], n[1] + n[3])
    assert sum([Count(n[0], n[1]), Count(n[2], n[3])], Count(0)).stored == sum(n)


@pytest.mark.parametrize("call", [lambda: lstm_params(0, 3), lambda: embedding_params(3, 0), lambda: rmsnorm_params(-1),
                                  lambda: batchnorm2d_count(0), lambda: width_for_budget(lambda w: w, 9, step=0)])
def test_sizes_must_be_positive(call):
    with pytest.raises(ValueError, match="must be positive"):
        call()


@given(a=st.integers(0, 40), b=st.integers(0, 40), budget=st.integers(-5, 60_000), step=st.integers(1, 9), most=st.integers(1, 60))
def test_width_for_budget_is_what_a_scan_finds(a, b, budget, step, most):
    def count(w):
        return a * w * w + b * w + 3

    fitting = [w for w in range(step, most + 1, step) if count(w) <= budget]
    assert width_for_budget(count, budget, step, most) == (max(fitting) if fitting else None)


def test_width_for_budget_asks_seldom():
    asked = []
    width_for_budget(lambda w: asked.append(w) or w, 1000, step=1, max_width=4096)
    assert len(asked) <= 13 and all(1 <= w <= 4096 for w in asked)
