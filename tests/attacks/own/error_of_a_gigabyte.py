"""EXPECT: 0. Of an error's text no more than a few hundred characters leave the sandbox."""

KIND = "cell"
CAUSE = r"hhhhh|MemoryError|cannot be printed"
CELL = r"""
class Huge(Exception):
    def __str__(self):
        return "h" * 30_000_000

def ANSWER(*args, **kwargs):
    raise Huge
"""
