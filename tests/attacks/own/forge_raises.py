"""EXPECT: 0. Refusing everything refuses also what has to be answered."""

KIND = "cell"
CAUSE = r"raised ValueError"
CELL = r"""
def ANSWER(*args, **kwargs):
    raise ValueError("refused")
"""
