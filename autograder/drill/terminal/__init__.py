"""`autograder drill`: the practice in a terminal. Screens only; what is asked and how it is judged stands beside it."""

from .app import DrillApp, run_drill, run_menu, run_mock

__all__ = ["DrillApp", "run_drill", "run_menu", "run_mock"]
