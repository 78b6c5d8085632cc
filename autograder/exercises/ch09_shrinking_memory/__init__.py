"""Exercises of chapter 09: what shrinks a model's memory."""

from .best_order import best_order
from .effective_bits import effective_bits
from .peak_live_bytes import peak_live_bytes
from .plan_arena import plan_arena
from .pool_after import pool_after

EXERCISES = [effective_bits, pool_after, peak_live_bytes, plan_arena, best_order]
