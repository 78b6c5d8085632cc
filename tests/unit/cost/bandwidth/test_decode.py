"""The decode bound: published figures, limits and the flip from memory to compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.bandwidth.decode import critical_batch, decode_plan, decode_step, kv_bytes_per_token
from utils.cost.params import LLAMA3_8B, LLAMA3_70B, matmul_params

H100 = (3350, 989)  # GB/s, BF16 TFLOP/s dense
LLAMA = (matmul_params(LLAMA3_8B), 16, 131_072)


def test_kv_of_known_models():
    for cfg, size in [(LLAMA3_8B, 131_072), (LLAMA3_70B, 327_680)]:
        assert kv_bytes_per_token(cfg.n_layers, cfg.n_kv_heads, cfg.head_dim) == size
    assert [kv_bytes_per_token(80, 8, 128, tp=tp) for tp in (1, 4, 8, 16)] == [327_680, 81_920, 40_960, 40_960]
    assert kv_bytes_per_token(32, 8, 128, 0.5) == 32_768  # 4-bit cache
    with pytest.raises(ValueError, match="tp must divide"):
        kv_bytes_per_token(32, 8, 128, tp=3)
    with pytest.raises(ValueError, match="must be positive"):
        kv_bytes_per_token(0, 8, 128)


def test_llama_on_h100():
    plan = decode_plan(*LLAMA, 0, 1, *H100)
    assert (round(plan["memory_ms"], 3), round(plan["tokens_per_s"], 1), plan["bound"]) == (4.480, 223.2, "memory")
    assert round(decode_plan(*LLAMA, 8192, 1, *H100)["tokens_per_s"], 1) == 208.3
    assert list(plan) == ["memory_ms", "compute_ms", "tokens_per_s", "bound"]


def test_the_bound_flips_at_296_sequences_without_a_cache():
    bounds = [decode_plan(*LLAMA, 0, b, *H100)["bound"] for b in (295, 296)]
    assert bounds == ["memory", "compute"]
    assert critical_batch(2 * LLAMA[0], 0, 2 * LLAMA[0], *H100) == 296


sizes = st.integers(1, 10**6)


@given(weights=sizes, kv=st.integers(0, 10**6), flops=sizes, mem=st.integers(1, 1000), peak=st.integers(1, 1000))
def test_critical_batch_is_where_the_bound_changes(weights, kv, flops, mem, peak):
    batch = critical_batch(weights, kv, flops, mem, peak)

    def lead(b):  # arithmetic minus traffic, both multiplied by mem * peak * 1000 and so exact
        return b * flops * mem - (weights + b * kv) * 1000 * peak

    if batch is None:
        assert flops * mem <= kv * 1000 * peak  # a sequence's own traffic takes at least as long
    else:
        assert lead(batch) >= 0
        assert batch == 1 or lead(batch - 1) < 0


@given(weights=sizes, kv=sizes, flops=sizes, batch=st.integers(1, 500))
def test_step_properties(weights, kv, flops, batch):
    one, many = (decode_step(weights, kv, b, flops, 100, 1) for b in (batch, batch + 1))
    assert many.step_ms >= one.step_ms
    assert many.tokens_per_s >= one.tokens_per_s * (1 - 1e-12)  # batching never loses throughput; a few roundings
    assert one.step_ms == max(one.memory_ms, one.compute_ms)
    assert one.bound == ("memory" if one.memory_ms >= one.compute_ms else "compute")
    # each sequence reads its own cache, so throughput cannot pass the bandwidth over one cache
    assert one.tokens_per_s <= 100e9 / kv * (1 + 1e-12)


def test_fractional_bits_shrink_the_weights_and_not_the_cache():
    full, packed = (decode_plan(1_000_000, bits, 1000, 512, 4, 100, 10)["memory_ms"] for bits in (16, 4.5))
    assert full - packed == pytest.approx(1_000_000 * 11.5 / 8 / 100e6)
    assert decode_plan(1, 16, 0, 0, 1, 1, 1)["bound"] == "memory"


@pytest.mark.parametrize("change", [{"batch": 0}, {"bw_gb_s": 0}, {"context": -1}, {"bits_per_weight": 0}, {"peak_tflop_s": -1}])
def test_refused(change):
    good = {"n_matmul_params": 10, "bits_per_weight": 16, "kv_bytes_per_token": 1, "context": 1, "batch": 1,
            "bw_gb_s": 1.0, "peak_tflop_s": 1.0}
    with pytest.raises(ValueError, match="must"):
        decode_plan(**{**good, **change})
