"""EXPECT: 0. An answer that closes every descriptor has hung up."""

KIND = "cell"
CAUSE = r"closed its connection|ended its own process|unreadable"
CELL = r"""
import os

def ANSWER(*args, **kwargs):
    os.closerange(0, 1000)
"""
