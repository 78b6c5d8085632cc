"""Exercises of chapter 05: what occupies GPU memory when training a network."""

from .chain_peak import chain_peak
from .checkpoint_plan import checkpoint_plan
from .largest_batch import largest_batch
from .saved_bytes import saved_bytes
from .training_bytes import training_bytes

EXERCISES = [training_bytes, saved_bytes, chain_peak, checkpoint_plan, largest_batch]
