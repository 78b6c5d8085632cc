"""Exercises of chapter 38: what a form of deployment costs, how often it is in time, and where a network is cut."""

from .best_split import best_split
from .deadline_hit import deadline_hit
from .owning_intervals import owning_intervals
from .partition_dag import partition_dag
from .radio_energy import radio_energy

EXERCISES = [owning_intervals, deadline_hit, best_split, radio_energy, partition_dag]
