"""Exercises of chapter 13: what an accelerator gains, from which batch on, where a chain is cut, and HEFT."""

from .best_split import best_split
from .break_even import break_even
from .heft_makespan import heft_makespan
from .heft_ranks import heft_ranks
from .offload_speedup import offload_speedup

EXERCISES = [offload_speedup, break_even, best_split, heft_ranks, heft_makespan]
