"""EXPECT: 0. A number that the answer displays is never a score."""

KIND = "cell"
CAUSE = r"never mind"
CELL = r"""
import sys

def ANSWER(*args, **kwargs):
    sys.displayhook(3.0)
    raise ValueError("never mind")
"""
