"""EXPECT: 0. SystemExit out of an answer is an error like others."""

KIND = "cell"
CAUSE = r"SystemExit"
CELL = r"""
def ANSWER(*args, **kwargs):
    raise SystemExit(0)
"""
