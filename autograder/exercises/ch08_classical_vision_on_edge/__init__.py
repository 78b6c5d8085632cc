"""Exercises of chapter 8: classical filters, and where they run."""

from .end_to_end_ms import end_to_end_ms
from .is_lsi import is_lsi
from .kernel_from_impulse import kernel_from_impulse
from .median9 import median9
from .separable_cost import separable_cost

EXERCISES = [kernel_from_impulse, is_lsi, median9, separable_cost, end_to_end_ms]
