"""Tokens per second over batch for six GPUs."""

import numpy as np
import pytest

from utils.hardware.gpu_arch import GPUS
from utils.widgets.decode_curves import DEVICES, critical_batches, decode_curves


def test_batch_one_is_bandwidth_over_weights():
    curves = decode_curves(8, 16, 0, [1])
    assert list(curves) == list(DEVICES)
    for device, tokens in curves.items():
        assert tokens[0] == pytest.approx(GPUS[device].mem_gb_s / 16)


def test_curves_rise_and_end_at_the_compute_roof():
    batches = [1, 8, 64, 512, 4096]
    for device, tokens in decode_curves(8, 16, 0, batches).items():
        assert np.all(np.diff(tokens) >= -1e-9 * tokens[1:])
        assert tokens[-1] == pytest.approx(GPUS[device].peak_tflop_s["bf16"] * 1e12 / 16e9)


def test_critical_batch_is_the_ridge_in_bf16_and_half_of_it_at_8_bits():
    full, half = critical_batches(8, 16, 0), critical_batches(8, 8, 0)
    assert full["H100 SXM"] == 296
    assert all(abs(full[d] - 2 * half[d]) <= 1 for d in DEVICES)


def test_a_long_context_never_becomes_compute_bound():
    assert set(critical_batches(8, 16, 131_072).values()) == {None}
    longer, shorter = (decode_curves(8, 16, c, [16])["H200"][0] for c in (8192, 1024))
    assert longer < shorter
