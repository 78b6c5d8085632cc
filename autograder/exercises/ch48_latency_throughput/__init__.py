"""Exercises of chapter 48: latency and throughput."""

from .capacity import capacity
from .fifo import fifo
from .queries_needed import queries_needed
from .summarise_latency import summarise_latency
from .undo_omission import undo_omission

EXERCISES = [summarise_latency, fifo, queries_needed, undo_omission, capacity]
