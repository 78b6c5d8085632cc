"""EXPECT: 0. Arrays without axes, with fields, with objects or with a stride of zero are judged by what they hold."""

KIND = "cell"
CAUSE = r"expected|array|MemoryError|raised"
CELL = r"""
import numpy as np

calls = [0]

def ANSWER(*args, **kwargs):
    calls[0] += 1
    odd = [np.array(7), np.zeros(2, [("a", "f8"), ("b", "i4")]), np.array([None, object()]), np.array(["1", "2"]),
           np.broadcast_to(0.0, (10**6, 10**6)), np.array([1], "M8[s]"), np.array([1], ">i4"), np.array([1], "f2")]
    return odd[(calls[0] - 1) % len(odd)]
"""
