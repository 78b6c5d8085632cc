"""EXPECT: 0. An error whose text raises an error is told by its type."""

KIND = "cell"
CAUSE = r"Untellable|ended its own process"
CELL = r"""
class Untellable(Exception):
    def __str__(self):
        raise SystemExit("no text")
    __repr__ = __str__

def ANSWER(*args, **kwargs):
    raise Untellable
"""
