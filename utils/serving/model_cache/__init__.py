"""Models kept in memory under a byte budget: measuring and loading them, the cache, its eviction orders, keep-alive.

This door imports nothing heavy: torch is loaded by the functions that need it.
"""

from utils.serving.model_cache.cache import CacheStats, ModelCache
from utils.serving.model_cache.experiment import (
    HammerResult,
    LoadBench,
    LoadRow,
    ReplayBench,
    hammer,
    load_bench,
    replay_bench,
    shifted,
    unequal_models,
)
from utils.serving.model_cache.keep_alive import (
    break_even_seconds,
    keep_alive_cost,
    offline_optimum,
    swap_seconds,
    timeout_curve,
)
from utils.serving.model_cache.lru import LRUBytesCache
from utils.serving.model_cache.modules import module_bytes, module_device, module_footprint
from utils.serving.model_cache.orders import GreedyDualSize, LeastFrequentlyUsed, LeastRecentlyUsed
from utils.serving.model_cache.page_cache import cached_share, drop_from_page_cache, read_into_page_cache
from utils.serving.model_cache.pinned import PinnedMaster, cuda_copy_rates
from utils.serving.model_cache.replay import (
    CacheStep,
    SimResult,
    cache_timeline,
    gds_load_cost,
    simulate_cache,
    zipf_trace,
)
from utils.serving.model_cache.single_flight import SingleFlight
from utils.serving.model_cache.weights import LoadTiming, load_model, save_weights, time_load

__all__ = [
    "CacheStats", "CacheStep", "GreedyDualSize", "HammerResult", "LRUBytesCache", "LeastFrequentlyUsed",
    "LeastRecentlyUsed", "LoadBench", "LoadRow", "LoadTiming", "ModelCache", "PinnedMaster", "ReplayBench", "SimResult",
    "SingleFlight",
    "break_even_seconds", "cache_timeline", "cached_share", "cuda_copy_rates", "drop_from_page_cache", "gds_load_cost",
    "hammer", "keep_alive_cost", "load_bench", "load_model", "module_bytes", "module_device", "module_footprint",
    "offline_optimum", "read_into_page_cache", "replay_bench", "save_weights", "shifted", "simulate_cache",
    "swap_seconds", "time_load", "timeout_curve", "unequal_models", "zipf_trace",
]
