"""Exercises of chapter 47: caching models in memory."""

from .gds_load_cost import gds_load_cost
from .keep_alive_cost import keep_alive_cost
from .lrubytes_cache import lru_bytes_cache
from .module_footprint import module_footprint
from .single_flight import single_flight

EXERCISES = [module_footprint, lru_bytes_cache, single_flight, keep_alive_cost, gds_load_cost]
