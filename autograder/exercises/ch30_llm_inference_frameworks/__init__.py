"""Exercises of chapter 30: LLM inference frameworks by their mechanisms."""

from .memory_verdict import memory_verdict
from .offload_tokens_per_s import offload_tokens_per_s
from .radix_cache_hits import radix_cache_hits
from .rank_frameworks import rank_frameworks
from .serve_continuous import serve_continuous

EXERCISES = [memory_verdict, offload_tokens_per_s, serve_continuous, radix_cache_hits, rank_frameworks]
