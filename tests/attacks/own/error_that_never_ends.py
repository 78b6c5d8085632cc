"""EXPECT: 0. An error whose text takes for ever runs out of time."""

KIND = "cell"
CAUSE = r"still running"
CELL = r"""
class Endless(Exception):
    def __str__(self):
        while True:
            pass

def ANSWER(*args, **kwargs):
    raise Endless
"""
