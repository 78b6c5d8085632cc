"""EXPECT: 0. An answer that knows the visible inputs by heart fails on those that are drawn."""

KIND = "cell"
CAUSE = r"expected|differ"
CELL = r"""
import numpy as np

def ANSWER(*args, **kwargs):
    if getattr(args[0], "shape", None) == (2, 2):
        return np.array([[-1.0, -1.0], [1.0, 1.0]]) / (1 + 1e-8)
    if getattr(args[0], "shape", None) == (3, 1):
        return np.zeros((3, 1))
    known = {(224, 224): 118013952, (56, 56): 231211008, (14, 14): 451584, (10, 12): 3240}
    return known.get(args[:2], 1) if len(args) > 1 else 1
"""
