"""FLOPs of language models and utilization."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.flops.llm import (
    decode_mfu,
    decoder_flops_per_token,
    decoder_step_flops,
    mfu,
    mfu_from_log,
    prefill_flops,
    training_flops,
)
from utils.cost.params import LLAMA3_8B, MIXTRAL_8X7B, DecoderConfig, matmul_params

# Chowdhery et al., PaLM, 2022: 540.35 B parameters, 118 layers, 48 heads of 256, 2048 tokens, 238.3 k tokens/s on
# 6,144 TPU v4 of 275 TFLOP/s: 46.2 % MFU; 2,527.2 zettaFLOP for 780 B tokens (table 3, appendix B).
PALM = {"n_params": 540.35e9, "n_layers": 118, "seq_len": 2048, "n_chips": 6144}
PALM_PEAK, PALM_RATE, PALM_D_ATTN = 275e12, 238.3e3, 48 * 256


def test_llama_at_8192():
    step = decoder_step_flops(128256, 4096, 32, 32, 8, 14336, 8192)
    assert step == {"linear": 15_009_316_864, "attention": 4_294_967_296, "total": 19_304_284_160}


def test_attention_overtakes_the_matrices_at_28628_tokens():
    def step(context):
        return decoder_step_flops(128256, 4096, 32, 32, 8, 14336, context)

    assert step(28_628)["attention"] == step(28_628)["linear"]
    assert step(28_627)["attention"] < step(28_627)["linear"]
    share = [step(c)["attention"] / step(c)["total"] for c in (8192, 131_072)]
    assert [round(s, 2) for s in share] == [0.22, 0.82]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 8), st.integers(1, 500))
def test_grouped_heads_change_the_projections_only(kv, groups, head_dim, context):
    heads, d = kv * groups, kv * groups * head_dim
    full = decoder_step_flops(50, d, 3, heads, heads, 16, context)
    grouped = decoder_step_flops(50, d, 3, heads, kv, 16, context)
    assert grouped["attention"] == full["attention"]
    assert full["linear"] - grouped["linear"] == 2 * 3 * 2 * d * (heads - kv) * head_dim  # K and V columns


@pytest.mark.parametrize("cfg", [LLAMA3_8B, MIXTRAL_8X7B])
def test_linear_and_head_are_two_flops_a_matmul_weight(cfg):
    flops = decoder_flops_per_token(cfg, 1)
    assert flops.linear + flops.head == 2 * matmul_params(cfg)
    assert flops.as_dict()["total"] == flops.total


@pytest.mark.parametrize("n", [1, 2, 9])
def test_prefill_is_the_sum_of_its_tokens(n):
    cfg = DecoderConfig(30, 12, 2, 3, 1, 20, True, "rms", True)
    tokens = [decoder_flops_per_token(cfg, t) for t in range(1, n + 1)]
    prompt = prefill_flops(cfg, n)
    for part in ("linear", "attention", "head", "total"):
        assert getattr(prompt, part) == sum(getattr(t, part) for t in tokens)
    assert prefill_flops(cfg, n, logits="last").head == tokens[0].head
    with pytest.raises(ValueError, match="logits"):
        prefill_flops(cfg, n, logits="first")


def test_palm():
    share = mfu(PALM_RATE, head_dim=256, n_heads=48, peak_flop_s=PALM_PEAK, **PALM)
    assert round(share, 3) == 0.462
    # the published 2,527.2 rounds N to 540 B and adds no attention: 0.1 % below 6 N D with 540.35 B
    assert training_flops(540.35e9, 780e9) / 1e21 == pytest.approx(2527.2, rel=1e-3)


def _palm_log(seconds, **kw):
    tokens = round(PALM_RATE * 2)  # a step of two seconds
    return mfu_from_log(seconds, tokens, d_attn=PALM_D_ATTN, peak_flops=kw.pop("peak", PALM_PEAK), **PALM, **kw)


def test_mfu_from_log_uses_the_median_after_the_warm_up():
    assert round(_palm_log([2.0] * 8), 4) == 0.4623
    assert _palm_log([60.0, 9.0, 7.0, 2.0, 2.0, 2.0, 50.0]) == _palm_log([2.0] * 8)
    assert _palm_log([60.0, 2.0, 2.0], warmup=1) == _palm_log([2.0] * 8)
    assert _palm_log([1.0, 1.0, 1.0, 4.0]) == pytest.approx(_palm_log([2.0] * 8) / 2)


def test_mfu_from_log_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="longer than warmup"):
        _palm_log([2.0] * 3)
    with pytest.raises(ValueError, match="above peak"):
        _palm_log([0.5] * 8)
    with pytest.raises(ValueError, match="step_seconds must be positive"):
        _palm_log([0.0] * 8)


def test_decode_mfu():
    assert decode_mfu(8e9, 100, 989e12) == pytest.approx(2 * 8e9 * 100 / 989e12)
    assert decode_mfu(8e9, 0, 989e12) == 0
