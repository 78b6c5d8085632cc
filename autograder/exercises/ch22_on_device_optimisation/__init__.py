"""Exercises of chapter 22: memory plans, sharing, orders and fusion on a device."""

from .best_order_peak import best_order_peak
from .fused_traffic import fused_traffic
from .live_peak import live_peak
from .plan_arena import plan_arena
from .shared_arena import shared_arena

EXERCISES = [live_peak, plan_arena, shared_arena, best_order_peak, fused_traffic]
