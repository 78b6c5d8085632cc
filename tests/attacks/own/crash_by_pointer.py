"""EXPECT: 0. Writing to address zero ends the process that writes."""

KIND = "cell"
CAUSE = r"SIGSEGV"
CELL = r"""
import ctypes

def ANSWER(*args, **kwargs):
    ctypes.memset(0, 1, 8)
"""
