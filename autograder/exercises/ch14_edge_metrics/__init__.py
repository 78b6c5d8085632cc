"""Exercises of chapter 14: the core metrics of an edge deployment."""

from .frame_energy import frame_energy
from .is_better import is_better
from .pareto import pareto
from .ship_it import ship_it
from .time_to_throttle import time_to_throttle

EXERCISES = [frame_energy, is_better, pareto, time_to_throttle, ship_it]
