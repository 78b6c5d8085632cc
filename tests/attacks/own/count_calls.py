"""EXPECT: 0. An answer that counts its calls knows the order of the visible cases and no more."""

KIND = "cell"
CAUSE = r"expected|differ"
CELL = r"""
import numpy as np

calls = [0]

def ANSWER(*args, **kwargs):
    calls[0] += 1
    if len(args) > 1:
        return {1: 118013952, 2: 231211008, 3: 451584, 4: 3240}.get(calls[0], 7)
    return {1: np.array([[-1.0, -1.0], [1.0, 1.0]]) / (1 + 1e-8), 2: np.zeros((3, 1))}.get(calls[0], np.zeros(3))
"""
