"""Parameter formulas, decoder presets and weight bytes."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.params import (
    DECODERS,
    LLAMA3_8B,
    MIXTRAL_8X7B,
    DecoderConfig,
    attention_params,
    conv2d_params,
    decoder_params,
    effective_bits,
    linear_params,
    matmul_params,
    weight_bytes,
)

# Parameters of the published checkpoints (sizes of their weight files, GPT-2 without the tied head).
PUBLISHED = {
    "GPT-2 small": 124_439_808, "GPT-2 medium": 354_823_168, "GPT-2 large": 774_030_080, "GPT-2 XL": 1_557_611_200,
    "Llama-2-7B": 6_738_415_616, "Llama-2-13B": 13_015_864_320, "Llama-2-70B": 68_976_648_192,
    "Llama-3-8B": 8_030_261_248, "Llama-3-70B": 70_553_706_496, "Llama-3.2-1B": 1_235_814_400,
    "Mistral-7B": 7_241_732_096, "Mixtral-8x7B": 46_702_792_704, "Mixtral-8x22B": 140_630_071_296,
}

configs = st.builds(
    lambda vocab, layers, kv, groups, head_dim, d_ff, tied, gated, experts, top: DecoderConfig(
        vocab, kv * groups * head_dim, layers, kv * groups, kv, d_ff, gated, "rms", tied,
        n_experts=experts, top_k=min(top, experts)),
    vocab=st.integers(1, 300), layers=st.integers(1, 5), kv=st.integers(1, 4), groups=st.integers(1, 4),
    head_dim=st.integers(1, 16), d_ff=st.integers(1, 64), tied=st.booleans(), gated=st.booleans(),
    experts=st.integers(0, 6), top=st.integers(1, 6),
)


@pytest.mark.parametrize("name", DECODERS)
def test_presets_have_the_published_size(name):
    assert decoder_params(DECODERS[name]).total == PUBLISHED[name]


def test_mixtral_active_and_weights_read():
    assert decoder_params(MIXTRAL_8X7B).active == 12_879_925_248  # published as 12.9 B
    assert round(matmul_params(MIXTRAL_8X7B) / 1e9, 2) == 12.75
    assert matmul_params(LLAMA3_8B) == 7_504_658_432


@given(configs)
def test_breakdown_adds_up_and_active_is_total_without_idle_experts(cfg):
    p = decoder_params(cfg)
    assert p.total == p.embedding + p.attention + p.mlp + p.norm + p.head
    assert p.active <= p.total
    assert (p.active == p.total) == (cfg.n_experts == cfg.top_k)


@given(configs)
def test_more_experts_a_token_only_adds_to_the_active(cfg):
    if cfg.n_experts < 2 or cfg.top_k == cfg.n_experts:
        return
    more = replace(cfg, top_k=cfg.top_k + 1)
    assert decoder_params(more).total == decoder_params(cfg).total
    assert decoder_params(more).active > decoder_params(cfg).active


@given(configs)
def test_one_expert_is_the_dense_model_plus_a_router_row_a_layer(cfg):
    dense, one = replace(cfg, n_experts=0, top_k=0), replace(cfg, n_experts=1, top_k=1)
    assert decoder_params(one).total == decoder_params(dense).total + cfg.n_layers * cfg.d_model


@given(configs)
def test_tying_saves_the_head_but_not_its_arithmetic(cfg):
    tied, untied = replace(cfg, tied=True), replace(cfg, tied=False)
    assert decoder_params(untied).total - decoder_params(tied).total == cfg.vocab * cfg.d_model
    assert matmul_params(tied) == matmul_params(untied)


@pytest.mark.parametrize(("change", "word"), [
    ({"n_kv_heads": 3}, "multiple of n_kv_heads"), ({"top_k": 9, "n_experts": 8}, "top_k"), ({"vocab": 0}, "vocab"),
    ({"norm": "batch"}, "norm"), ({"d_model": 4097, "head_dim": 0}, "multiple of n_heads"),
])
def test_impossible_configurations_are_refused(change, word):
    with pytest.raises(ValueError, match=word):
        replace(LLAMA3_8B, **change)


def test_layer_formulas_at_their_edges():
    assert conv2d_params(64, 128, 3) == 73_856
    assert conv2d_params(32, 32, 3, groups=32, bias=False) == 288
    assert conv2d_params(64, 32, (3, 5)) == 30_752
    assert linear_params(3, 2) == 8
    assert attention_params(4096, 32, 8) == 2 * 4096**2 + 2 * 4096 * 1024
    for bad in [(30, 32, 3, 32), (32, 30, 3, 32), (0, 8, 3, 1), (8, 8, 0, 1), (8, 8, 3, 0)]:
        with pytest.raises(ValueError, match=r"divisible|positive"):
            conv2d_params(*bad)
    with pytest.raises(ValueError, match="multiple of n_kv_heads"):
        attention_params(64, 8, 3)


# GGML q4_0: 18 bytes for 32 weights; MXFP4: one 8-bit scale for 32; NVFP4: one FP8 scale for 16.
@pytest.mark.parametrize(("args", "bits"), [((4, 128, 16, 4), 4.15625), ((4, 32, 16), 4.5), ((4, 32, 8), 4.25), ((4, 16, 8), 4.5)])
def test_effective_bits_of_known_formats(args, bits):
    assert effective_bits(*args) == bits


@given(n=st.integers(0, 10**12), bits=st.sampled_from([1, 2, 3, 4, 4.5, 8, 16, 32]))
def test_weight_bytes_are_the_smallest_whole_number_of_bytes(n, bits):
    size = weight_bytes(n, bits)
    assert 8 * size >= n * bits > 8 * (size - 1)


@given(groups=st.integers(1, 10**6), group_size=st.sampled_from([16, 32, 64, 128]), bits=st.sampled_from([2, 4, 8]))
def test_weight_bytes_of_full_groups_are_the_effective_bits(groups, group_size, bits):
    n = groups * group_size
    assert weight_bytes(n, bits, group_size, 16, 8) == math.ceil(n * effective_bits(bits, group_size, 16, 8) / 8)


def test_a_started_group_stores_its_scale():
    assert weight_bytes(33, 8, group_size=32) == 33 + 2 * 2
    with pytest.raises(ValueError, match="group_size must be positive"):
        weight_bytes(8, 4, group_size=0)
    with pytest.raises(ValueError, match="group_size must be positive"):
        effective_bits(4, 0, 16)
