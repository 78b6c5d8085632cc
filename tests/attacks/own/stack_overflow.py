"""EXPECT: 0. A stack that overflows ends its own process."""

KIND = "cell"
CAUSE = r"SIGSEGV|RecursionError|ended its own process"
CELL = r"""
import sys

sys.setrecursionlimit(10**9)

def ANSWER(*args, **kwargs):
    return ANSWER(*[args])

class Deep:
    pass

deep = None
for _ in range(10**6):
    deep = (deep,)
"""
