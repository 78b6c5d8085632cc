"""Exercises of chapter 19: what an algorithm engineer computes about hardware."""

from .decide import decide
from .divergence_cycles import divergence_cycles
from .fair_speedup import fair_speedup
from .sectors import sectors
from .simt_run import simt_run

EXERCISES = [fair_speedup, divergence_cycles, sectors, simt_run, decide]
