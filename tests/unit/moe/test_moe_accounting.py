"""Sizes, bytes and bounds of mixture-of-experts models."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.params import LLAMA3_8B, MIXTRAL_8X7B, DecoderConfig, decoder_params
from utils.moe.accounting import (
    CONFIGS,
    DEEPSEEK_V3,
    all_to_all_bytes,
    count_parameters,
    decode_bytes_per_step,
    decode_roofline_tok_s,
    expected_experts_touched,
    moe_decode_step,
    moe_layer_cost,
    moe_params,
    moe_sizing,
    touched_curve,
)

MIXTRAL = {"layers": 32, "d_model": 4096, "d_ff": 14336, "heads": 32, "kv_heads": 8, "vocab": 32000, "experts": 8, "k": 2}

sizings = st.builds(
    lambda layers, kv, groups, head_dim, d_ff, vocab, experts, k: {
        "layers": layers, "d_model": kv * groups * head_dim, "d_ff": d_ff, "heads": kv * groups, "kv_heads": kv,
        "vocab": vocab, "experts": experts, "k": min(k, experts)},
    st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(1, 8), st.integers(1, 40), st.integers(1, 90),
    st.integers(1, 9), st.integers(1, 9))


# Published: Mixtral 46.7 B / 12.9 B and 141 B / 39 B (Mistral AI); DeepSeek-V3 671 B / 37 B (its README).
@pytest.mark.parametrize(("name", "total", "active"), [
    ("mixtral_8x7b", 46_702_792_704, 12_879_925_248), ("mixtral_8x22b", 140_630_071_296, 39_161_468_928),
    ("deepseek_v3", 671_026_419_200, 37_552_297_472)])
def test_counts_match_the_published_models(name, total, active):
    assert count_parameters(CONFIGS[name]) == (total, active)


def test_deepseek_counted_tensor_by_tensor():
    # Names and shapes of the checkpoint's tensors, block by block, without the multi-token-prediction module.
    d, heads = 7168, 128
    attention = [(1536, d), (1536,), (heads * 192, 1536), (512 + 64, d), (512,), (heads * 256, 512), (d, heads * 128)]
    norms = [(d,), (d,)]
    dense = [(18432, d), (18432, d), (d, 18432)]
    expert = [(2048, d), (2048, d), (d, 2048)]
    router = [(256, d), (256,)]
    shapes = 61 * (attention + norms) + 3 * dense + 58 * (257 * expert + router) + [(129280, d), (129280, d), (d,)]
    assert sum(map(math.prod, shapes)) == count_parameters(DEEPSEEK_V3)[0]


def test_breakdown_adds_up():
    for cfg in CONFIGS.values():
        p = moe_params(cfg)
        assert p.total == p.embedding + p.attention + p.mlp + p.norm + p.head
    assert moe_params(MIXTRAL_8X7B) == decoder_params(MIXTRAL_8X7B)


@pytest.mark.parametrize(("args", "touched"), [((8, 2, 1), 2), ((8, 2, 4), 5.47), ((8, 2, 16), 7.92), ((256, 8, 4), 30.5), ((256, 8, 16), 102.0), ((256, 8, 64), 222.4)])
def test_touched_experts_against_simulated_routing(args, touched):
    num_experts, k, tokens = args
    assert expected_experts_touched(*args) == pytest.approx(touched, rel=2e-3)
    rng = np.random.default_rng(0)
    draws = 1000
    seen = [len(np.unique(np.argpartition(rng.random((tokens, num_experts)), k - 1, axis=1)[:, :k])) for _ in range(draws)]
    # five standard errors of the sample
    assert np.mean(seen) == pytest.approx(expected_experts_touched(*args), abs=5 * np.std(seen) / math.sqrt(draws) + 1e-9)


@given(st.integers(1, 64), st.data())
def test_touched_curve_runs_from_k_to_all(num_experts, data):
    k = data.draw(st.integers(1, num_experts))
    curve = touched_curve(num_experts, k, [0, 1, 2, 4, 8, 10**6])
    assert curve[0] == 0 and curve[1] == pytest.approx(k) and curve[-1] == pytest.approx(num_experts)
    assert np.all(np.diff(curve) >= 0)
    assert np.all(curve <= np.minimum(num_experts, k * np.array([0, 1, 2, 4, 8, 10**6])) + 1e-9)  # never more than drawn


def test_batch_one_reads_the_active_weights_and_a_huge_batch_everything():
    for cfg in CONFIGS.values():
        total, active = count_parameters(cfg)
        embedding = cfg.vocab * cfg.d_model
        assert decode_bytes_per_step(cfg, 1, 2) == pytest.approx(2 * (active - embedding), rel=1e-12)
        assert decode_bytes_per_step(cfg, 10**6, 2) == pytest.approx(2 * (total - embedding), rel=1e-12)


def test_dense_and_tied_models_read_their_head():
    p = decoder_params(LLAMA3_8B)
    assert decode_bytes_per_step(LLAMA3_8B, 7, 2) == 2 * (p.total - p.embedding)
    assert decode_bytes_per_step(replace(LLAMA3_8B, tied=True), 7, 2) == 2 * (p.total - p.embedding)


def test_mixtral_on_an_h100():
    # 3,350 GB/s over 2 bytes for each of 12.75 B weights; a dense model of 46.7 B stands at 36 tokens/s
    assert decode_roofline_tok_s(MIXTRAL_8X7B, 1, 2, 3350, 989) == pytest.approx(131.4, abs=0.05)
    assert 3350e9 / (2 * count_parameters(MIXTRAL_8X7B)[0]) == pytest.approx(36, abs=0.2)


def test_roofline_turns_to_compute_at_large_batches():
    steps = [moe_decode_step(MIXTRAL_8X7B, b, 2, 3350, 989) for b in (1, 8, 64, 1000, 4000)]
    assert [s.bound for s in steps] == ["memory"] * 4 + ["compute"]
    assert all(np.diff([s.tokens_per_s for s in steps]) > 0)
    active = count_parameters(MIXTRAL_8X7B)[1] - 32000 * 4096
    assert steps[-1].tokens_per_s == pytest.approx(989e12 / (2 * active))


@pytest.mark.parametrize("tied", [False, True])
def test_decode_step_holds_bytes_of_the_touched_against_flops_of_the_active(tied):
    cfg = DecoderConfig(100, 8, 2, 2, 1, 16, True, "rms", tied, n_experts=4, top_k=1)
    step = moe_decode_step(cfg, 3, 2, 10, 5)
    p = decoder_params(replace(cfg, tied=False))  # a tied head is read and multiplied with like any other
    assert step.memory_ms == pytest.approx(decode_bytes_per_step(cfg, 3, 2) / 10e6, rel=1e-12)
    assert step.compute_ms == pytest.approx(3 * 2 * (p.active - p.embedding) / 5e9, rel=1e-12)
    assert decode_bytes_per_step(cfg, 3, 2) == decode_bytes_per_step(replace(cfg, tied=False), 3, 2)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 16), st.integers(0, 3), st.data())
def test_layer_cost_counts_matrices(d, f, experts, shared, data):
    k = data.draw(st.integers(1, experts))
    cost = moe_layer_cost(d, f, experts, k, 2, shared)
    matrices = [(d, f)] * (3 * (experts + shared)) + [(d, experts)]
    used = [(d, f)] * (3 * (k + shared)) + [(d, experts)]
    assert cost.total_params == sum(a * b for a, b in matrices) and cost.resident_bytes == 2 * cost.total_params
    assert cost.active_params == sum(a * b for a, b in used) and cost.flops_per_token == 2 * cost.active_params
    assert (cost.total_params == cost.active_params) == (k == experts)


def test_layer_cost_of_mixtral():
    cost = moe_layer_cost(4096, 14336, 8, 2, 2)
    assert (cost.resident_bytes, cost.flops_per_token) == (2_818_637_824, 704_708_608)
    assert 32 * cost.total_params == decoder_params(MIXTRAL_8X7B).mlp
    for bad in ((4096, 14336, 8, 9, 2), (0, 1, 1, 1, 1), (1, 1, 1, 1, 1, -1)):
        with pytest.raises(ValueError):
            moe_layer_cost(*bad)


def test_all_to_all():
    assert all_to_all_bytes(4096, 2, 4096, 2, 8) == 117_440_512  # 117.4 MB
    assert all_to_all_bytes(100, 2, 64, 2, 1) == 0
    rng = np.random.default_rng(0)
    # each of T * k vectors goes to a random rank and comes back; five standard errors
    tokens, k, d, ranks = 4000, 2, 16, 4
    crossing = sum(int(home != away) for home, away in rng.integers(0, ranks, (tokens * k, 2)))
    expected = all_to_all_bytes(tokens, k, d, 2, ranks) / (2 * d * 2)
    assert abs(crossing - expected) < 5 * math.sqrt(tokens * k * 0.75 * 0.25)
    with pytest.raises(ValueError, match="ranks"):
        all_to_all_bytes(1, 1, 1, 1, 0)


def loop_sizing(c):
    """Every matrix of every layer, written out."""
    q, kv = c["d_model"], c["d_model"] // c["heads"] * c["kv_heads"]
    common = c["vocab"] * c["d_model"] + c["d_model"]  # head and final norm
    expert = 3 * c["d_model"] * c["d_ff"]
    for _ in range(c["layers"]):
        common += 2 * c["d_model"] * q + 2 * c["d_model"] * kv + 2 * c["d_model"] + c["d_model"] * c["experts"]
    return common, c["layers"] * expert


@given(sizings, st.integers(1, 40), st.sampled_from([1, 2, 4]))
def test_sizing_of_random_models(cfg, batch, itemsize):
    size = moe_sizing(cfg, batch, itemsize, 1000.0)
    common, expert = loop_sizing(cfg)
    embedding = cfg["vocab"] * cfg["d_model"]
    assert size["total_params"] == embedding + common + cfg["experts"] * expert
    assert size["active_params"] == embedding + common + cfg["k"] * expert
    untouched = (1 - cfg["k"] / cfg["experts"]) ** batch
    expected = itemsize * (common + cfg["experts"] * (1 - untouched) * expert)
    assert size["expected_bytes_per_step"] == pytest.approx(expected, rel=1e-12)
    assert size["max_steps_per_s"] == pytest.approx(1e12 / expected, rel=1e-12)
    assert size["weight_gb"] == pytest.approx(itemsize * size["total_params"] / 1e9, rel=1e-12, abs=0)


def test_sizing_of_mixtral():
    size = moe_sizing(MIXTRAL, 1, 2, 3350)
    assert (size["total_params"], size["active_params"]) == (46_702_792_704, 12_879_925_248)
    assert size["weight_gb"] == pytest.approx(93.41, abs=0.005)
    assert set(size) == {"total_params", "active_params", "weight_gb", "expected_bytes_per_step", "max_steps_per_s"}
    with pytest.raises(ValueError, match="top_k"):
        moe_sizing(MIXTRAL | {"k": 9}, 1, 2, 3350)


def test_impossible_routing():
    for k in (0, 9):
        with pytest.raises(ValueError, match="k must be between 1"):
            expected_experts_touched(8, k, 4)
    assert isinstance(DEEPSEEK_V3, DecoderConfig) and DEEPSEEK_V3.moe_layers == 58
