"""EXPECT: 0. A module that is patched before the answer runs is patched in this sandbox only."""

KIND = "cell"
CAUSE = r"expected|differ|raised|still running"
CELL = r"""
import json, math, struct
import numpy as np

np.asarray = np.array = lambda *args, **kwargs: 1 / 0
np.ndarray.__class__
json.dumps = lambda *args, **kwargs: "[]"
struct.pack = lambda *args: b""
math.isfinite = lambda x: True

def ANSWER(*args, **kwargs):
    return args[0]
"""
