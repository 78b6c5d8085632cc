"""Exercises of chapter 33: tracing, where it lies, and the guards that keep it right."""

from .branchless import branchless
from .find_divergence import find_divergence
from .guarded import guarded
from .tiny_tracer import tiny_tracer

EXERCISES = [find_divergence, tiny_tracer, branchless, guarded]
