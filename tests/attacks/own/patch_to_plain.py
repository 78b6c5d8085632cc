"""EXPECT: 0. A copier that is replaced inside copies what the learner likes, and never what is expected."""

KIND = "cell"
CAUSE = r"expected|differ"
CELL = r"""
from probes import ask, common, plain, serve

ask.to_plain = common.to_plain = plain.to_plain = lambda value: 118013952

def ANSWER(*args, **kwargs):
    return args[0]
"""
