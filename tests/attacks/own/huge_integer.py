"""EXPECT: 0. An integer too long to be written down breaks no message and no page."""

KIND = "cell"
CAUSE = r"int"
CELL = r"""
def ANSWER(*args, **kwargs):
    return 10**5000
"""
