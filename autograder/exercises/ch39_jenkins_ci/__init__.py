"""Exercises of chapter 39: Jenkins and CI/CD for models."""

from .post_conditions import post_conditions
from .quality_gate import quality_gate
from .run_tree import run_tree
from .schedule import schedule
from .stage_tree import stage_tree

EXERCISES = [post_conditions, schedule, run_tree, quality_gate, stage_tree]
