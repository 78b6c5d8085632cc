"""The streaming bound against published bandwidths, and two engines that have to agree to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.llm_serving import (
    ResidentMLP,
    cuda_link_gb_s,
    decode_bound_tokens_per_s,
    measure_offload,
    offload_pair,
    offload_tokens_per_s,
)

SMALL = {"layers": 3, "width": 16, "hidden": 40}
SHARE, RATE = st.floats(0, 1), st.floats(0.5, 5000)


def test_seven_billion_on_an_a100():
    # 7 B parameters at 2 bytes, 1,555 GB/s: 1555 / 14 = 111.07 tokens/s
    assert decode_bound_tokens_per_s(14e9, 1.0, 1, 1555, 25) == pytest.approx(111.0714, rel=1e-6)


@given(SHARE, RATE, RATE, st.integers(1, 64))
def test_time_is_a_maximum_or_a_sum(share, memory, link, batch):
    seconds = {o: batch / offload_tokens_per_s(100, share, batch, memory, link, o) for o in (True, False)}
    parts = [100 / memory, 100 * (1 - share) / link]
    # a handful of rounded operations on each side
    assert seconds[True] == pytest.approx(max(parts), rel=1e-12)
    assert seconds[False] == pytest.approx(sum(parts), rel=1e-12)


@given(SHARE, RATE, RATE)
def test_batch_scales_and_more_residence_never_hurts(share, memory, link):
    one = offload_tokens_per_s(100, share, 1, memory, link, True)
    assert offload_tokens_per_s(100, share, 16, memory, link, True) == pytest.approx(16 * one, rel=1e-12)
    assert offload_tokens_per_s(100, 1.0, 1, memory, link, True) >= one * (1 - 1e-12)


@pytest.mark.parametrize("change", [
    {"weight_gb": 0}, {"resident_fraction": -0.1}, {"resident_fraction": 1.5}, {"batch": 0}, {"hbm_gb_s": 0}, {"link_gb_s": -1},
])
def test_bad_input(change):
    with pytest.raises(ValueError):
        offload_tokens_per_s(**{"weight_gb": 10, "resident_fraction": 0.5, "batch": 1, "hbm_gb_s": 100, "link_gb_s": 10,
                                "overlap": True, **change})


def test_both_engines_compute_the_same_bits():
    x = np.random.default_rng(1).standard_normal((5, 16), dtype=np.float32)
    with offload_pair(**SMALL) as (resident, streamed):
        assert np.array_equal(resident(x), streamed(x)) and streamed(x).dtype == np.float32
        files = [path for pair in streamed.files for path in pair]
        assert sum(np.load(path).nbytes for path in files) == resident.weight_bytes == 3 * 2 * 16 * 40 * 4
    assert not any(path.exists() for path in files)


def test_files_are_removed_after_an_error():
    with pytest.raises(KeyboardInterrupt), offload_pair(**SMALL) as (_, streamed):
        files = streamed.files
        raise KeyboardInterrupt
    assert not files[0][0].parent.exists()


def test_a_layer_adds_to_its_input():
    engine = ResidentMLP.random(1, 4, 8)
    (w_up, w_down), = engine.weights
    x = np.array([[1, -2, 3, 0.5]], np.float32)
    by_hand = [x[0, j] + sum(max(0, sum(x[0, i] * w_up[i, h] for i in range(4))) * w_down[h, j] for h in range(8)) for j in range(4)]
    # float32 dot products of at most 8 terms of order 1: 8 ulp of 4
    assert np.allclose(engine(x)[0], by_hand, atol=8 * 2**-22)


def test_measurement_has_a_row_for_each_batch():
    rows = measure_offload((1, 4), rounds=2, **SMALL)
    assert [r.batch for r in rows] == [1, 4] and all(r.resident_ms > 0 and r.streamed_ms > 0 for r in rows)
    assert rows[1].streamed_per_s == pytest.approx(4e3 / rows[1].streamed_ms)
    assert rows[1].resident_per_s == pytest.approx(4e3 / rows[1].resident_ms)


def test_the_link_needs_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RuntimeError, match="CUDA"):
        cuda_link_gb_s()
