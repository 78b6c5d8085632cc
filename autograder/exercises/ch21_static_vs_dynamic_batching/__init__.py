"""Exercises of chapter 21: static and dynamic batching."""

from .batcher_schedule import batcher_schedule
from .best_buckets import best_buckets
from .padding_waste import padding_waste
from .profile_plan import profile_plan
from .run_fixed_batch import run_fixed_batch

EXERCISES = [run_fixed_batch, padding_waste, best_buckets, batcher_schedule, profile_plan]
