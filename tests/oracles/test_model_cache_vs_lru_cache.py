"""Replayed LRU against functools.lru_cache, on one trace with models of size 1."""

from functools import lru_cache

import numpy as np
import pytest

from utils.serving.model_cache import simulate_cache, zipf_trace


@pytest.mark.parametrize("seed", range(12))
def test_hits_of_lru(seed):
    rng = np.random.default_rng(seed)
    models, capacity = int(rng.integers(2, 20)), int(rng.integers(1, 12))
    trace = zipf_trace(models, 800, float(rng.uniform(0, 1.5)), seed)
    oracle = lru_cache(maxsize=capacity)(lambda name: name)
    for name in trace:
        oracle(name)
    ours = simulate_cache(trace, [1] * models, [1] * models, capacity, "lru")
    info = oracle.cache_info()
    assert (ours.hits, ours.load_cost) == (info.hits, info.misses) and ours.evictions == info.misses - info.currsize
