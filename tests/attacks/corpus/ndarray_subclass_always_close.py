"""EXPECT: 0. An array of a class of the learner's own is copied into a plain one before it is compared."""

KIND = "cell"
CAUSE = r"expected|differ"
CELL = r"""
import numpy as np

class Close(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return np.True_
    def __array_function__(self, function, types, args, kwargs):
        return True
    def __eq__(self, other):
        return np.True_

def ANSWER(*args, **kwargs):
    return np.asarray(args[0], dtype=float).view(Close)
"""
