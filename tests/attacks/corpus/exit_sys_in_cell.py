"""EXPECT: 0. A cell that exits has raised an error, and its answer is missing."""

KIND = "cell"
CAUSE = r"SystemExit"
CELL = r"""
import sys
sys.exit(0)
"""
