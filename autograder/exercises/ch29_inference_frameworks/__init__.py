"""Exercises of chapter 29: inference engines side by side."""

from .agreement import agreement
from .faster_engine import faster_engine
from .offload_gain import offload_gain
from .partition_graph import partition_graph
from .shortlist import shortlist

EXERCISES = [faster_engine, agreement, partition_graph, offload_gain, shortlist]
