"""EXPECT: 0. Hundreds of thousands of small items in every reply don't fill the judge's memory: all replies together are bounded."""

KIND = "cell"
CAUSE = r"too large, all together|expected"
CELL = r"""
held = [[] for _ in range(60_000)]

def ANSWER(*args, **kwargs):
    return held
"""
