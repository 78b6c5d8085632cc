"""EXPECT: 0. A structure that is small in memory and huge when it is copied is cut."""

KIND = "cell"
CAUSE = r"expected|nested|large|PlainError|MemoryError|still running|end"
CELL = r"""
def ANSWER(*args, **kwargs):
    value = [0]
    for _ in range(40):
        value = [value] * 50
    return value
"""
