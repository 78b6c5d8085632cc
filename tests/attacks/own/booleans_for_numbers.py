"""EXPECT: 0. True is no number, in Python as in NumPy."""

KIND = "cell"
CAUSE = r"bool|True"
CELL = r"""
import numpy as np

def ANSWER(*args, **kwargs):
    shape = getattr(args[0], "shape", None)
    return True if shape is None else np.ones(shape, bool)
"""
