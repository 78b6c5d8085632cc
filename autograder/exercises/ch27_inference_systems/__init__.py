"""Exercises of chapter 27: inference systems."""

from .corrected_latency import corrected_latency
from .erlang_c import erlang_c
from .fifo_waits import fifo_waits
from .goodput import goodput
from .min_replicas import min_replicas

EXERCISES = [fifo_waits, erlang_c, min_replicas, goodput, corrected_latency]
