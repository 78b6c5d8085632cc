"""EXPECT: 0. NaN, infinity and minus zero equal nothing but themselves."""

KIND = "cell"
CAUSE = r"[Nn]an, expected|differ"
CELL = r"""
import numpy as np

def ANSWER(*args, **kwargs):
    shape = getattr(args[0], "shape", None)
    return float("nan") if shape is None else np.full(shape, np.nan)
"""
