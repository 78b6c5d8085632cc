"""EXPECT: 0. Output is cut while it comes."""

KIND = "cell"
CAUSE = r"after the flood|still running"
CELL = r"""
import os

def ANSWER(*args, **kwargs):
    for _ in range(200):
        print("x" * 1_000_000)
        os.write(1, b"y" * 1_000_000)
    raise KeyError("after the flood")
"""
