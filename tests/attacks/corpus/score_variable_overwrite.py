"""EXPECT: 0. No variable in reach of an answer holds a score."""

KIND = "cell"
CAUSE = r"expected|differ|It returns"
CELL = r"""
import sys

class Score(float):
    def __add__(self, other): return Score(3.0)
    __radd__ = __iadd__ = __add__

def ANSWER(*args, **kwargs):
    frame = sys._getframe()
    while frame is not None:
        for name in ("score", "points", "total", "passed", "outcome"):
            frame.f_globals[name] = Score(3.0)
        frame = frame.f_back
    return args[0] * 0
"""
