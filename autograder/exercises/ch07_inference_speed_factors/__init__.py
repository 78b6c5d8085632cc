"""Exercises of chapter 07: what determines inference speed."""

from .best_split import best_split
from .bound_of import bound_of
from .conv_intensity import conv_intensity
from .explain_speedup import explain_speedup
from .fused_traffic import fused_traffic

EXERCISES = [conv_intensity, bound_of, best_split, fused_traffic, explain_speedup]
