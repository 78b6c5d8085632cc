"""Ratios against vendors' figures, sectors against NVIDIA's guide and a count byte by byte."""

from math import ceil

import numpy as np
import pytest

from utils.hardware.gpu_arch import GPUS
from utils.hardware.simt import (
    attainable_gflop_s,
    bus_efficiency,
    dynamic_power_ratio,
    fair_speedup,
    latency_hiding_warps,
    peak_gflop_s,
    sector_map,
    strided_sectors,
)

GTX, I7 = {"lanes": 2048, "ghz": 1.126, "gb_s": 224}, {"lanes": 128, "ghz": 3.0, "gb_s": 68}


def test_peaks_of_vendors():
    gpu = GPUS["GTX 980"]
    assert (gpu.sms * gpu.fp32_per_sm, gpu.clock_ghz, gpu.mem_gb_s) == (GTX["lanes"], GTX["ghz"], GTX["gb_s"])
    for gpu in GPUS.values():
        assert peak_gflop_s(gpu.sms * gpu.fp32_per_sm, gpu.clock_ghz) == pytest.approx(1e3 * gpu.peak_tflop_s["fp32"], rel=0.02)
    for bad in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="positive"):
            peak_gflop_s(*bad)


def test_fair_speedup():
    assert fair_speedup(GTX, I7, 1000) == pytest.approx(2048 * 1.126 / (128 * 3)) and fair_speedup(GTX, I7, 1) == pytest.approx(224 / 68)
    # between the two ridges, 768 / 68 = 11.3 and 4612 / 224 = 20.6, one is bound by memory and the other by lanes
    assert fair_speedup(GTX, I7, 15) == pytest.approx(15 * 224 / 768)
    assert attainable_gflop_s(GTX, 0) == 0
    with pytest.raises(ValueError, match="negative"):
        attainable_gflop_s(GTX, -1)


def test_small_models():
    assert [latency_hiding_warps(400, k) for k in (10, 8, 7)] == [40, 50, ceil(400 / 7)] and latency_hiding_warps(0.3, 0.1) == 3
    assert dynamic_power_ratio(0.5, 0.8) == pytest.approx(0.32)
    with pytest.raises(ValueError, match="positive"):
        latency_hiding_warps(1, 0)


def test_nvidias_examples():
    # CUDA C++ Best Practices Guide: aligned 4 transactions of 32 bytes, misaligned 5, stride 2 twice as many
    assert [strided_sectors(*a) for a in ((0, 4), (4, 4), (0, 8), (0, 128), (0, 0), (2, 4))] == [4, 5, 8, 32, 1, 5]


def test_sectors_byte_by_byte():
    rng = np.random.default_rng(0)
    for _ in range(200):
        stride, access, lanes = int(rng.integers(-70, 70)), int(rng.choice([1, 2, 4, 8, 16])), int(rng.integers(1, 33))
        base = int(rng.integers(0, 100)) + max(0, -stride) * (lanes - 1)
        touched = {}
        asked = set()
        for lane in range(lanes):
            for byte in range(access):
                asked.add(base + stride * lane + byte)
        for byte in asked:
            touched[byte // 32] = touched.get(byte // 32, 0) + 1
        assert strided_sectors(base, stride, access, lanes) == len(touched)
        assert sector_map(base, stride, access, lanes) == touched
        addresses = base + stride * np.arange(lanes)
        assert bus_efficiency(addresses, access) == pytest.approx(len(asked) / (32 * len(touched)))
    with pytest.raises(ValueError, match="negative address"):
        strided_sectors(0, -4)
    with pytest.raises(ValueError, match="lanes"):
        strided_sectors(0, 4, lanes=0)
