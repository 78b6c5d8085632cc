"""Exercises of chapter 41: optimisation and deployment."""

from .choose_variant import choose_variant
from .measure import measure
from .pareto_front import pareto_front
from .release_gate import release_gate
from .required_speedup import required_speedup

EXERCISES = [required_speedup, measure, pareto_front, choose_variant, release_gate]
