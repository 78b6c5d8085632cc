"""EXPECT: 0. A loop in C that never lets go of the interpreter is ended from outside."""

KIND = "cell"
CAUSE = r"still running"
CELL = r"""
def ANSWER(*args, **kwargs):
    import itertools
    return sum(itertools.repeat(1, 10**11))
"""
