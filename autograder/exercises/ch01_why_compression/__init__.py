"""Exercises of chapter 01: why model compression is necessary, and why it is feasible."""

from .dram_power_w import dram_power_w
from .energy_rank import energy_rank
from .exponent_entropy import exponent_entropy
from .knee import knee
from .required_bits import required_bits

EXERCISES = [required_bits, dram_power_w, energy_rank, exponent_entropy, knee]
