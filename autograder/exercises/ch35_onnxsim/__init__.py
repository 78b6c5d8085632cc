"""Exercises of chapter 35: the passes of a graph simplifier, and the check of what they did."""

from .compose_transposes import compose_transposes
from .equivalent import equivalent
from .fixed_point import fixed_point
from .fold_batchnorm import fold_batchnorm
from .remove_noops import remove_noops
from .reshape_target import reshape_target

EXERCISES = [fold_batchnorm, compose_transposes, remove_noops, reshape_target, fixed_point, equivalent]
