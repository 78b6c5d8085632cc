"""Measured peaks: quadratic for the standard form, linear at most for tiles."""

import tracemalloc

import numpy as np
import pytest

from utils.attention.attention_memory import attention_peaks, loglog_slope, run_sdpa, traced_peak_bytes


def test_growth_of_the_peak():
    ns = [128, 256, 512, 1024]
    peaks = attention_peaks(ns, d=16, block=32)
    # S, P and the exponentials: N^2 doubles each, beside a linear part that lowers the exponent at small N
    assert loglog_slope(ns, peaks["standard"]) > 1.8
    assert loglog_slope(ns, peaks["flash"]) < 1.2
    assert all(s > 2 * 8 * n * n for n, s in zip(ns, peaks["standard"]))


def test_the_peak_is_what_is_held_at_once():
    def call():
        for _ in range(3):
            np.zeros(100_000)

    assert 800_000 <= traced_peak_bytes(call) < 810_000
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    held = np.zeros(1_000_000)
    assert traced_peak_bytes(call) < 810_000  # what was there before does not count
    assert tracemalloc.is_tracing() and held.size
    tracemalloc.stop()


def test_torch_ships_a_tiled_kernel():
    math, flash = run_sdpa(512, "math", repeats=1), run_sdpa(512, "flash", repeats=1)
    scores = 4 * 512 * 512 * 4
    assert math.allocated_bytes > 2 * scores
    assert flash.allocated_bytes < scores / 2
    assert math.as_dict()["backend"] == "math" and math.ms > 0
    with pytest.raises(KeyError):
        run_sdpa(8, "magic")
