"""Exercises of chapter 45: PagedAttention."""

from .beam_sharing import beam_sharing
from .block_manager import block_manager_exercise
from .kv_waste import kv_waste
from .paged_attention import paged_attention
from .slot_mapping import slot_mapping

EXERCISES = [slot_mapping, paged_attention, block_manager_exercise, kv_waste, beam_sharing]
